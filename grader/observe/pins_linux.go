package observe

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

const (
	netnsDir = "/run/netns"
	maxPins  = 128 // each may be of a namespace of its own, which a look holds
)

// pinned is an entry of /run/netns.
type pinned struct {
	name string
	fd   int // of the entry, O_PATH
	ns   int // of the network namespace, -1 if it pins none
}

// pinned opens the entries that the driver would find, one after the other. Whoever
// gets one takes over its namespace.
func (o *Observer) pinned(each func(pinned)) {
	root, err := o.driver.afresh().open("root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return
	}
	defer unix.Close(root)
	dir, err := resolve(root, netnsDir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	names, _ := listAt(dir, ".", maxPins)
	slices.Sort(names)
	for _, name := range names {
		if fd, err := openAt(dir, name, unix.O_PATH|unix.O_NOFOLLOW); err == nil {
			each(pinned{name: name, fd: fd, ns: openNetns(fd)})
			unix.Close(fd)
		}
	}
}

// openNetns opens the namespace that an entry is, -1 if it is none. Only what
// lies on nsfs is opened.
func openNetns(entry int) int {
	var fs unix.Statfs_t
	if unix.Fstatfs(entry, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
		return -1
	}
	fd, err := openAt(unix.AT_FDCWD, selfFD(entry), unix.O_RDONLY)
	if err != nil {
		return -1
	}
	if kind, err := nsAsk(fd, nsGetType, 0); err != nil || kind != unix.CLONE_NEWNET {
		unix.Close(fd)
		return -1
	}
	return fd
}

// pins describes them; mounts are the driver's.
func (l *look) pins(mounts []evidence.Mount) []evidence.Pin {
	pins := []evidence.Pin{}
	l.o.pinned(func(p pinned) {
		pin := evidence.Pin{
			Name: p.name, Links: []evidence.Link{}, Routes: []evidence.Route{},
			Stacked: stacked(mounts, mountID(p.fd)),
		}
		if p.ns >= 0 {
			v := l.holdNet(p.ns)
			l.list(v)
			pin.Netns, pin.Links, pin.Routes = v.inode, v.links, v.routes
		}
		pins = append(pins, pin)
	})
	return pins
}

// mountID is the mount that a descriptor was reached by.
func mountID(fd int) int {
	data, _ := readAt(unix.AT_FDCWD, "/proc/self/fdinfo/"+strconv.Itoa(fd), 4<<10)
	return number(strings.TrimSpace(between(string(data)+"\n", "mnt_id:", "\n")))
}

// stacked counts the mounts on the place where the mount top is: it, the one
// it covers, and so on. A copy that another subtree got by propagation has the
// same target but is not below it, and is not counted.
func stacked(mounts []evidence.Mount, top int) int {
	byID := make(map[int]evidence.Mount, len(mounts))
	for _, m := range mounts {
		byID[m.ID] = m
	}
	m, ok := byID[top]
	if !ok || !strings.HasPrefix(m.Target, netnsDir+"/") {
		return 0
	}
	count := 1
	for below, ok := byID[m.Parent]; ok && below.Target == m.Target && count < len(mounts); below, ok = byID[below.Parent] {
		count++
	}
	return count
}
