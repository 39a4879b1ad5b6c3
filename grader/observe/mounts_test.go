package observe

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func flag(f int) string { return strconv.Itoa(f) }

// TestPropagation makes each type in the driver's namespace, whose mounts have
// peers in init's.
func TestPropagation(t *testing.T) {
	b := newBox(t)
	for _, dir := range []string{"private", "slave", "both", "unbindable", "shared"} {
		b.init.do("mkdir", "/mnt/"+dir)
		b.init.do("mount", "none", "/mnt/"+dir, "tmpfs", "0")
	}
	for _, step := range [][2]string{
		{"private", flag(unix.MS_PRIVATE)},
		{"slave", flag(unix.MS_SLAVE)},
		{"both", flag(unix.MS_SLAVE)},
		{"both", flag(unix.MS_SHARED)},
		{"unbindable", flag(unix.MS_UNBINDABLE)},
	} {
		b.driver.do("mount", "", "/mnt/"+step[0], "", step[1])
	}
	driver, peer := b.driver.seen(), b.init.seen()
	for target, want := range map[string]string{
		"/mnt/private": "private", "/mnt/slave": "slave", "/mnt/both": "slave+shared",
		"/mnt/unbindable": "unbindable", "/mnt/shared": "shared",
	} {
		m, p := mountAt(t, driver, target), mountAt(t, peer, target)
		equal(t, target, m.Propagation, want)
		equal(t, target+": peer", p.Propagation, "shared")
		equal(t, target+": type", m.Type, "tmpfs")
		equal(t, target+": of the sandbox", m.Sandbox, false)
		equal(t, target+": parent", m.Parent, mountAt(t, driver, "/mnt").ID)
		switch want {
		case "slave", "slave+shared":
			equal(t, target+": master", m.Master, p.Shared)
		case "shared":
			equal(t, target+": group", m.Shared, p.Shared)
		}
	}
	equal(t, "/mnt: of the sandbox", mountAt(t, driver, "/mnt").Sandbox, true)
	equal(t, "/proc: of the sandbox", mountAt(t, peer, "/proc").Sandbox, true)
}

func TestMountFields(t *testing.T) {
	b := newBox(t)
	b.driver.do("mkdir", "/mnt/a b/c\n\td\\e")
	b.driver.do("mount", "/mnt/a b", "/mnt/a b/c\n\td\\e", "", flag(unix.MS_BIND))
	b.driver.do("mount", "", "/mnt/a b/c\n\td\\e", "", flag(unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID))
	m := mountAt(t, b.driver.seen(), "/mnt/a b/c\n\td\\e")
	equal(t, "root", m.Root, "/a b")
	equal(t, "device", m.Device, mountAt(t, b.driver.seen(), "/mnt").Device)
	if !slices.Contains(m.Options, "ro") || !slices.Contains(m.Options, "nosuid") || slices.Contains(m.Options, "rw") {
		t.Errorf("options: got %v", m.Options)
	}
}

// TestRoots tells a chrooted process from a pivoted one.
func TestRoots(t *testing.T) {
	b := newBox(t)
	b.driver.do("mkdir", "/mnt/rr/sub")
	chrooted := b.driver.spawn("chrooted", unix.CLONE_NEWNS, "")
	chrooted.do("chroot", "/mnt/rr")
	chrooted.do("chdir", "/sub")
	pivoted := b.driver.spawn("pivoted", unix.CLONE_NEWNS, "")
	pivoted.do("mount", "", "/", "", flag(unix.MS_REC|unix.MS_PRIVATE))
	pivoted.do("pivot", "/mnt/rr")
	shared := b.driver.spawn("shared", 0, "")
	shared.do("chroot", "/mnt/rr")
	for _, want := range []struct {
		a         *actor
		root, cwd string
	}{
		{b.init, "/", "/"},
		{b.driver, "/", "/"},
		{pivoted, "/", "/"},
		{chrooted, "/mnt/rr", "/mnt/rr/sub"},
		{shared, "/mnt/rr", "/mnt/rr"},
	} {
		p := want.a.seen()
		equal(t, want.a.name+": root", p.Root, want.root)
		equal(t, want.a.name+": cwd", p.Cwd, want.cwd)
	}
	m := pivoted.seen().Mounts
	if len(m) != 1 || m[0].Target != "/" || m[0].Root != "/rr" {
		t.Errorf("mounts of the pivoted: got %+v", m)
	}
}

func TestDescriptors(t *testing.T) {
	b := newBox(t)
	b.driver.do("write", "/mnt/file", "x")
	b.driver.do("mkfifo", "/mnt/fifo")
	for target, want := range map[string]string{
		"/mnt/file": "file", "/mnt": "dir", "/mnt/fifo": "pipe", "/dev/null": "device",
	} {
		n := number(b.driver.do("open", target))
		found := false
		for _, fd := range b.driver.seen().FDs {
			if fd.N == n {
				found = true
				equal(t, target, fd.Target, target)
				equal(t, target+": type", fd.Type, want)
			}
		}
		equal(t, target+": listed", found, true)
	}
	types := map[string]bool{}
	for _, fd := range b.driver.seen().FDs {
		types[fd.Type] = true
	}
	equal(t, "socket", types["socket"], true) // to the test
	equal(t, "anon", types["anon"], true)     // the Go runtime's epoll
}

// TestDeepMount is a mount whose line no parser expects: it must not hide the
// others.
func TestDeepMount(t *testing.T) {
	b := newBox(t)
	b.driver.do("deep", "/mnt", "70")
	b.driver.do("mkdir", "/run/later")
	b.driver.do("mount", "none", "/run/later", "tmpfs", "0")
	data := b.o.driver.mountinfo()
	if len(data) < 64<<10 {
		t.Fatalf("mountinfo has only %d bytes", len(data))
	}
	p := b.driver.seen()
	mountAt(t, p, "/run/later")
	mountAt(t, p, "/proc")
	s, err := b.o.Sample()
	must(t, err)
	equal(t, "counted mounts", s.Mounts, len(p.Mounts)+1)
}

// TestManyMounts stacks them: to read the whole table takes the square of the time.
func TestManyMounts(t *testing.T) {
	b := newBox(t)
	const over = 500
	b.driver.do("stack", "/mnt", strconv.Itoa(maxMounts+over))
	read := bytes.Count(b.o.driver.mountinfo(), []byte{'\n'})
	if read < maxMounts || read >= maxMounts+over {
		t.Errorf("%d mounts were read of over %d", read, maxMounts+over)
	}
	equal(t, "seen", len(b.driver.seen().Mounts), maxMounts)
}
