package box

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
	"moulinette/grader/scenario"
)

// Descriptors of the nursery while it makes a box, and of the box's init until
// the driver has them.
const (
	fdInit   = puppet.Control + 1 + iota // becomes init's own connection
	fdStdout                             // the driver's
	fdStderr
	fdChannel // the driver protocol; scenario.DriverFD in the driver
	fdLaunch  // where the driver-to-be speaks, see driver_linux.go
	fdGroups  // control groups to go into, and back
)

// startNursery starts the puppet that clones the inits of boxes. It shares the
// template's mounts. It must be done on the template's thread.
func (t *Template) startNursery() error {
	var err error
	t.nursery, t.nurse, err = puppet.Start(func(birth *puppet.Program) {
		birth.Call("name", unix.SYS_PRCTL, unix.PR_SET_NAME, "moulinette-crib", 0, 0, 0)
		birth.Call("setsid", unix.SYS_SETSID)
		// What is made in a box does not depend on the grader's habits.
		birth.Call("umask", unix.SYS_UMASK, 0o022)
		hideMemory(birth)
		openNull(birth)
		t.cfg.Mode.setShares(birth)
	})
	return err
}

// setShares bounds what the boxes of an ordinary user's agent may take together, whoever
// in them it belongs to. The kernel counts it for the creator of a user namespace, too,
// who is us, by the limits that the creator had (ucounts, Linux 5.14). Root's boxes all
// have the same creator, and a group each.
func (m Mode) setShares(p *puppet.Program) {
	if m != Single && m != Subordinate {
		return
	}
	limit(p, unix.RLIMIT_SIGPENDING, 16<<10)
	limit(p, unix.RLIMIT_NPROC, 2<<10)
}

// setShare bounds what a user in a box may take of what its creator has for all boxes:
// where no signal can be queued any more Go changes no ids, and waits for ever.
func setShare(p *puppet.Program) {
	limit(p, unix.RLIMIT_SIGPENDING, 1<<10)
	limit(p, unix.RLIMIT_MSGQUEUE, 128<<10)
}

// boundUser leaves some of what the kernel counts of a user alone to other programs of
// an ordinary user's: by the limits of the agent's own user namespace (namespaces(7)).
// Where it cannot, the boxes may take all of it, as any program of the user's may.
func (m Mode) boundUser() {
	if m != Single && m != Subordinate {
		return
	}
	for name, most := range map[string]string{"inotify_instances": "32", "inotify_watches": "8192", "fanotify_groups": "16"} {
		_ = os.WriteFile("/proc/sys/user/max_"+name, []byte(most), 0)
	}
}

// limit sets a limit on a resource, of itself and what it starts, or leaves a lower one.
func limit(p *puppet.Program, which, value int) {
	var old unix.Rlimit
	if unix.Getrlimit(which, &old) == nil && old.Max < uint64(value) {
		value = int(old.Max)
	}
	p.Call("set limits", unix.SYS_PRLIMIT64, 0, which, p.Words(value, value), 0)
}

// hideMemory keeps what a puppet has in memory from root in the box, as
// unreadable does for programs.
func hideMemory(p *puppet.Program) {
	p.Call("hide memory", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// openNull has the first three descriptors lead nowhere.
func openNull(p *puppet.Program) {
	null := p.Call("open /dev/null", unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	first := p.Call("stdin", unix.SYS_DUP3, 0, 0, 0)
	p.Call("stdout", unix.SYS_DUP3, 0, 1, 0)
	p.Call("stderr", unix.SYS_DUP3, 0, 2, 0)
	null.Feed(first, 0).Feed(p.Call("close /dev/null", unix.SYS_CLOSE, 0), 0)
}

// spawn has the nursery clone the box's init, which takes over the descriptors
// inside.
func (b *Box) spawn(inside []*os.File) error {
	p := puppet.NewProgram()
	// init has its own copy from the clone on, and we a way in; the template's
	// copy goes.
	p.Call("mount "+scenario.WorkDir, unix.SYS_MOUNT, "work", scenario.WorkDir, "tmpfs", unix.MS_NOSUID, fmt.Sprintf("mode=0755,size=%dm", b.disk))
	pid := p.Bytes(make([]byte, 4))
	b.group.start(p, b.initFlags(), func() { b.birth(p) }).Keep(pid)
	p.Call("close", unix.SYS_CLOSE_RANGE, puppet.Control+1, math.MaxUint32, 0)
	p.Returns(pid)
	var err error
	b.Init, err = b.t.nursery.Play(p, append(inside, b.group.files()...)...)
	closeAll(inside) // before we wait: once init has gone nobody must hold its ends
	if err != nil {
		return errors.Join(err, b.letGo(), b.clearUp())
	}
	b.work, err = os.Open("/proc/" + strconv.Itoa(b.t.nurse) + "/root" + scenario.WorkDir)
	b.uncovered = make(chan error, 1)
	go func() { b.uncovered <- b.clearUp() }()
	if err != nil {
		return err
	}
	b.init, err = b.t.nursery.Child(b.control, p)
	return err
}

// initFlags ask for every namespace but the cgroup one, which init makes itself
// once it is there, to see itself at its root. The parent is the agent, by the
// template's thread: init dies with it, and is reaped by us.
func (b *Box) initFlags() int {
	flags := unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_PARENT
	if !b.real {
		flags |= unix.CLONE_NEWUSER
	}
	return flags
}

// birth is what init does before it hears.
func (b *Box) birth(p *puppet.Program) {
	p.Call("die with the agent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL))
	p.Call("name", unix.SYS_PRCTL, unix.PR_SET_NAME, "moulinette-init", 0, 0, 0)
	p.Call("setsid", unix.SYS_SETSID)
	p.Call("hear", unix.SYS_DUP3, fdInit, puppet.Control, unix.O_CLOEXEC)
	p.Call("close", unix.SYS_CLOSE, fdInit)
	p.Call("close", unix.SYS_CLOSE_RANGE, fdGroups, math.MaxUint32, 0)
	children := p.Words(1 << (int(unix.SIGCHLD) - 1))
	p.Call("signalfd", unix.SYS_SIGNALFD4, -1, children, 8, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK).Signals()
}

// letGo has the nursery close what it was handed by a program that failed before
// it did so itself: what comes next would have other numbers.
func (b *Box) letGo() error {
	p := puppet.NewProgram()
	p.Call("close", unix.SYS_CLOSE_RANGE, puppet.Control+1, math.MaxUint32, 0)
	_, err := b.t.nursery.Play(p)
	return err
}

// clearUp takes the template's /work away again. It takes the kernel a grace
// period, for which nobody need wait.
func (b *Box) clearUp() error {
	p := puppet.NewProgram()
	leave(p, len(b.group.own), puppet.Control+1)
	p.Call("close", unix.SYS_CLOSE_RANGE, puppet.Control+1, math.MaxUint32, 0)
	p.Call("unmount "+scenario.WorkDir, unix.SYS_UMOUNT2, scenario.WorkDir, unix.MNT_DETACH).Allow(unix.EINVAL)
	_, err := b.t.nursery.Play(p, b.group.own...)
	return err
}

// setUp is what all boxes have in common, once the maps are written.
func (b *Box) setUp() *puppet.Program {
	p := puppet.NewProgram()
	b.becomeRoot(p)
	setShare(p)
	// As all children will: the group is the root of the tree that they see.
	p.Call("cgroup namespace", unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	p.Call("hostname", unix.SYS_SETHOSTNAME, "seahaven", len("seahaven"))
	openNull(p)
	b.mounts(p)
	return p
}

func (b *Box) becomeRoot(p *puppet.Program) {
	if b.real {
		return
	}
	if b.t.cfg.Mode != Single {
		p.Call("setgroups", unix.SYS_SETGROUPS, 0, 0)
	}
	p.Call("setresgid", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("setresuid", unix.SYS_SETRESUID, 0, 0, 0)
	// The change of ids cleared the signal (prctl(2)). Should the agent have
	// died in between, the connection says so.
	p.Call("die with the agent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL))
	hideMemory(p)
}

// mounts makes what each box has of its own, over the template's locked mounts.
func (b *Box) mounts(p *puppet.Program) {
	const careful = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	size := fmt.Sprintf("size=%dm", b.disk)
	for _, m := range []struct {
		kind, target string
		flags        int
		data         string
	}{
		{"proc", "/proc", careful, ""},
		{"sysfs", "/sys", careful, ""},
		{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777," + size},
		{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755," + size},
		{"tmpfs", "/dev/shm", careful, "mode=1777," + size},
	} {
		p.Call(m.target, unix.SYS_MOUNT, m.kind, m.target, m.kind, m.flags, m.data)
	}
	// As systemd leaves a host: what is mounted in one namespace shows in the
	// other, unless somebody takes care.
	p.Call("share mounts", unix.SYS_MOUNT, "", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// canClone starts a process that ends at once.
func canClone(flags []string) *puppet.Program {
	p := puppet.NewProgram()
	p.Call("clone", unix.SYS_CLONE, int(cloneBits(flags)), 0, 0, 0, 0).Fork(puppet.Control, func() {
		p.Call("exit", unix.SYS_EXIT_GROUP, 0)
	})
	return p
}
