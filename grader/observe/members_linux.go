package observe

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const maxProcesses = 4096

// pidSpace is a pid namespace, held open so that neither it nor its inode can
// be given away.
type pidSpace struct {
	fd     int
	inode  int
	depth  int  // length of the NSpid of its members
	direct bool // the kernel translates pids
}

// pidSpaceOf holds the pid namespace of a live process.
func pidSpaceOf(p *proc) (pidSpace, error) {
	st, err := p.status()
	if err != nil {
		return pidSpace{}, err
	}
	fd, err := p.open("ns/pid", unix.O_RDONLY)
	if err != nil {
		return pidSpace{}, err
	}
	pid, err := nsAsk(fd, nsPIDInPIDNS, p.pid)
	return pidSpace{
		fd: fd, inode: inode(fd), depth: len(st.nspid),
		direct: err == nil && pid == st.self(),
	}, nil
}

// holds tells whether the process is in the namespace or one below it. What is
// no longer there, or cannot be looked at, is not.
func (s pidSpace) holds(root, pid int) bool {
	if s.direct {
		_, err := nsAsk(s.fd, nsPIDInPIDNS, pid)
		return err == nil
	}
	name := strconv.Itoa(pid) + "/ns/pid"
	if link, err := linkAt(root, name); err == nil && link == "pid:["+strconv.Itoa(s.inode)+"]" {
		return true
	}
	fd, err := openAt(root, name, unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return descends(fd, s.inode)
}

// listing mounts a /proc of the namespace for our eyes only and returns its
// root, -1 where that is not possible (before Linux 6.17). It is attached
// nowhere, and gone once closed.
func (s pidSpace) listing() int {
	if !s.direct {
		return -1
	}
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1
	}
	defer unix.Close(fs)
	if unix.FsconfigSetFd(fs, "pidns", s.fd) != nil || unix.FsconfigCreate(fs) != nil {
		return -1
	}
	flags := unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, flags)
	if err != nil {
		return -1
	}
	return root
}

// Members returns the pids of all processes of the box, zombies included:
// those whose pid namespace is that of the box's init, or a descendant of it.
// It is cheap enough to be polled: on a recent kernel it costs what the box
// holds, on others what the host holds.
func (o *Observer) Members() ([]int, error) {
	var pids []int
	if o.boxProc >= 0 {
		names, err := listAt(o.boxProc, ".", maxProcesses)
		if err != nil {
			return nil, err
		}
		for _, own := range numericNames(names) {
			if pid, err := nsAsk(o.boxPIDs.fd, nsPIDFromPIDNS, own); err == nil {
				pids = append(pids, pid)
			}
		}
		slices.Sort(pids)
		return pids, nil
	}
	names, err := listAt(o.root, ".", 1<<20)
	if err != nil || len(names) == 0 {
		return nil, cmp.Or(err, errNoProc)
	}
	for _, pid := range numericNames(names) {
		if len(pids) < maxProcesses && o.boxPIDs.holds(o.root, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Host translates a pid of the driver's pid namespace into the agent's. It is
// false for what is no process there: nothing, or a mere thread.
func (o *Observer) Host(pid int) (int, bool) {
	if pid <= 0 {
		return 0, false
	}
	if !o.driverPIDs.direct {
		return o.scan(pid)
	}
	host, err := nsAsk(o.driverPIDs.fd, nsPIDFromPIDNS, pid)
	if err != nil {
		return 0, false
	}
	leader, err := nsAsk(o.driverPIDs.fd, nsTGIDFrom, pid)
	return host, err == nil && leader == host
}

// scan is Host by trying everybody.
func (o *Observer) scan(pid int) (int, bool) {
	names, _ := listAt(o.root, ".", 1<<20)
	for _, name := range names {
		host, err := strconv.Atoi(name)
		if err != nil || !o.driverPIDs.holds(o.root, host) {
			continue
		}
		data, _ := readAt(o.root, name+"/status", statusBytes)
		if o.driverView(host, parseStatus(data)) == pid {
			return host, true
		}
	}
	return 0, false
}

// driverView is the pid of a process in the driver's pid namespace, 0 if it
// cannot be seen there.
func (o *Observer) driverView(host int, st status) int {
	depth := o.driverPIDs.depth
	if depth == 0 || len(st.nspid) < depth || !o.driverPIDs.holds(o.root, host) {
		return 0
	}
	return st.nspid[depth-1]
}

// numericNames keeps the names that are numbers, in order.
func numericNames(names []string) []int {
	var all []int
	for _, name := range names {
		if strings.Trim(name, "0123456789") == "" {
			all = append(all, number(name))
		}
	}
	slices.Sort(all)
	return all
}
