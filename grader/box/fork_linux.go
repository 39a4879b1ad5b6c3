package box

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// Filter is the notification filter as seccomp(2) takes it.
type Filter struct {
	Program *unix.SockFprog
	Flags   uintptr
}

// launchStage is where a launch stopped. The driver-to-be tells it in one byte,
// followed by the errno.
type launchStage byte

const (
	launchReady launchStage = iota
	launchPrivate
	launchFolder
	launchLimits
	launchBound
	launchFilter
	launchSend
	launchStdio
	launchUser
	launchExec
)

func (s launchStage) String() string {
	return [...]string{
		"ready", "make mounts private", "enter the working directory", "set limits", "bound capabilities", "install the filter", "hand over the listener",
		"arrange descriptors", "become the user", "execute the driver",
	}[s]
}

// launcher holds everything that the driver-to-be needs between its clone and
// its execve. No Go code runs there: the runtime does not survive a clone, so
// whatever can be prepared is prepared here, and the rest is raw system calls.
// (Executing our own binary once more for these steps would cost a millisecond
// and a half for each scenario.)
type launcher struct {
	null    uintptr
	cwd     *byte // nil: init's, the root
	private bool
	limits  [5]rlimit
	lacks   []uintptr // capabilities
	filter  *Filter
	user    uintptr
	groups  bool // setgroups is allowed
	path    *byte
	argv    **byte
	envp    **byte

	root, none *byte
	message    unix.Msghdr // {launchReady, 0}, with room for the listener
	iov        unix.Iovec
	ready      [2]byte
	rights     []byte
	word       [1]byte
	failed     [2]byte
}

type rlimit struct {
	which uintptr
	value unix.Rlimit
}

func newLauncher(s *setup, null uintptr, filter *Filter) (*launcher, error) {
	l := &launcher{null: null, private: s.World.Private, filter: filter, user: uintptr(s.World.As), groups: s.Ranged}
	if !s.Faults {
		l.filter = nil
	}
	if s.Bounded {
		l.lacks = realRootLacks()
	}
	var err error
	if l.path, err = unix.BytePtrFromString(driverPath); err != nil {
		return nil, err
	}
	if s.World.Cwd != "" {
		if l.cwd, err = unix.BytePtrFromString(s.World.Cwd); err != nil {
			return nil, err
		}
	}
	argv, err := syscall.SlicePtrFromStrings([]string{"driver"})
	if err != nil {
		return nil, err
	}
	env := driverEnv
	if s.Variant != "" {
		env = append(slices.Clone(env), scenario.VariantVariable+"="+s.Variant)
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return nil, err
	}
	l.argv, l.envp = &argv[0], &envp[0]
	l.root, l.none = &[]byte("/\x00")[0], &[]byte("\x00")[0]
	if err := l.setLimits(s); err != nil {
		return nil, err
	}
	l.iov = unix.Iovec{Base: &l.ready[0], Len: 2}
	l.message = unix.Msghdr{Iov: &l.iov, Iovlen: 1}
	if l.filter != nil {
		l.rights = unix.UnixRights(0)
		l.message.Control, l.message.Controllen = &l.rights[0], uint64(len(l.rights))
	}
	return l, nil
}

// dataLimit bounds what a process may write to; what it does write the box's
// memory group bounds as well.
func dataLimit(l scenario.Limits) int {
	if l.Reserve {
		return math.MaxInt
	}
	return l.MemoryMiB << 20
}

// setLimits prepares what a process passes on to its children. The number of
// processes counts per user id and user namespace (getrlimit(2)), so it bounds
// the box.
func (l *launcher) setLimits(s *setup) error {
	for i, r := range [len(l.limits)]struct {
		which int
		value int
	}{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NOFILE, 1024},
		{unix.RLIMIT_FSIZE, s.Limits.DiskMiB << 20},
		{unix.RLIMIT_DATA, dataLimit(s.Limits)},
		{unix.RLIMIT_NPROC, s.Limits.Processes},
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(r.which, &old); err != nil {
			return fmt.Errorf("limit %d: %w", r.which, err)
		}
		value := min(uint64(r.value), old.Max)
		l.limits[i] = rlimit{uintptr(r.which), unix.Rlimit{Cur: value, Max: value}}
	}
	return nil
}

// fork clones the driver-to-be into a mount namespace of its own and returns
// its pid. The calling thread must be locked.
func (l *launcher) fork() (int, error) {
	// No descriptor without close-on-exec may appear meanwhile.
	syscall.ForkLock.Lock()
	pid, errno := l.clone()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(l)
	if errno != 0 {
		return 0, fmt.Errorf("clone: %w", errno)
	}
	return pid, nil
}

//go:norace
//go:nosplit
func (l *launcher) clone() (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, unix.CLONE_NEWNS|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	stage, errno := l.child()
	l.failed[0], l.failed[1] = byte(stage), byte(errno)
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, fdLaunch, uintptr(unsafe.Pointer(&l.failed)), 2)
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// child ends in execve, or says where it stopped.
//
//go:norace
//go:nosplit
func (l *launcher) child() (launchStage, syscall.Errno) {
	_, _, _ = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	if l.private {
		if _, _, e := syscall.RawSyscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(l.none)), uintptr(unsafe.Pointer(l.root)),
			uintptr(unsafe.Pointer(l.none)), unix.MS_REC|unix.MS_PRIVATE, 0, 0); e != 0 {
			return launchPrivate, e
		}
	}
	if l.cwd != nil {
		if _, _, e := syscall.RawSyscall(unix.SYS_CHDIR, uintptr(unsafe.Pointer(l.cwd)), 0, 0); e != 0 {
			return launchFolder, e
		}
	}
	// What a submission creates does not depend on the grader's habits.
	_, _, _ = syscall.RawSyscall(unix.SYS_UMASK, 0o022, 0, 0)
	for i := range l.limits {
		r := &l.limits[i]
		if _, _, e := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, r.which, uintptr(unsafe.Pointer(&r.value)), 0, 0, 0); e != 0 {
			return launchLimits, e
		}
	}
	// Before the filter, which notifies it.
	for _, c := range l.lacks {
		if _, _, e := syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0); e != 0 {
			return launchBound, e
		}
	}
	if stage, e := l.report(); e != 0 {
		return stage, e
	}
	if stage, e := l.become(); e != 0 {
		return stage, e
	}
	_, _, e := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(l.path)), uintptr(unsafe.Pointer(l.argv)), uintptr(unsafe.Pointer(l.envp)))
	return launchExec, e
}

// report installs the filter, hands its listener over and waits for the word to
// go. The listener's copy here is closed before the driver runs: a driver that
// held it would hang for ever if its supervisor died.
//
//go:norace
//go:nosplit
func (l *launcher) report() (launchStage, syscall.Errno) {
	if l.filter != nil {
		fd, _, e := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, l.filter.Flags, uintptr(unsafe.Pointer(l.filter.Program)))
		if e != 0 {
			return launchFilter, e
		}
		*(*int32)(unsafe.Pointer(&l.rights[unix.SizeofCmsghdr])) = int32(fd)
		if _, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, fdLaunch, uintptr(unsafe.Pointer(&l.message)), 0); e != 0 {
			return launchSend, e
		}
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	} else if _, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, fdLaunch, uintptr(unsafe.Pointer(&l.message)), 0); e != 0 {
		return launchSend, e
	}
	n, _, e := syscall.RawSyscall(unix.SYS_READ, fdLaunch, uintptr(unsafe.Pointer(&l.word)), 1)
	if n != 1 {
		if e == 0 {
			e = unix.EPIPE // the agent is gone
		}
		return launchSend, e
	}
	return launchReady, 0
}

// become takes on the driver's descriptors and its user.
//
//go:norace
//go:nosplit
func (l *launcher) become() (launchStage, syscall.Errno) {
	from := [4]uintptr{l.null, fdStdout, fdStderr, fdChannel}
	for to := range uintptr(4) {
		if _, _, e := syscall.RawSyscall(unix.SYS_DUP3, from[to], to, 0); e != 0 {
			return launchStdio, e
		}
	}
	if l.user == 0 {
		return launchReady, 0
	}
	if l.groups {
		if _, _, e := syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
			return launchUser, e
		}
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESGID, l.user, l.user, l.user); e != 0 {
		return launchUser, e
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESUID, l.user, l.user, l.user); e != 0 {
		return launchUser, e
	}
	return launchReady, 0
}
