package caller

import (
	"bufio"
	"errors"
	"os"
	"path"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open opens a folder as the caller would find it, as a mere place (O_PATH). No
// link of a proc is followed: they could lead out of the caller's root.
func (c Thread) Open(dirfd int32, p string) (int, error) {
	if p == "" {
		p = "."
	}
	how := unix.OpenHow{Flags: unix.O_DIRECTORY | unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if !path.IsAbs(p) {
		from := "cwd"
		if dirfd != unix.AT_FDCWD {
			from = "fd/" + strconv.Itoa(int(dirfd))
		}
		if fd, err := c.openBelow(from, p, how); !errors.Is(err, unix.EXDEV) {
			return fd, err
		}
	}
	how.Resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	return c.openBelow("root", c.Absolute(dirfd, p), how)
}

// openBelow opens a path below one of the thread's links.
func (c Thread) openBelow(link, p string, how unix.OpenHow) (int, error) {
	base, err := unix.Open(c.Proc(link), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(base)
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(base, p, &how)
		if !errors.Is(err, unix.EAGAIN) || tries == 32 { // something was renamed or mounted meanwhile
			return fd, err
		}
	}
}

// OnThread runs f on a thread of its own that is thrown away afterwards, with
// all that f made of it. It is never the process's first thread, which would
// stay.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- OnThread(f) // this goroutine keeps the first thread busy meanwhile
			return
		}
		done <- f()
	}()
	return <-done
}

// InMounts runs f in the caller's mount namespace.
func (c Thread) InMounts(f func() error) error { return c.in("ns/mnt", unix.CLONE_NEWNS, f) }

// InPIDs runs f on a thread whose children are born into the caller's PID namespace.
func (c Thread) InPIDs(f func() error) error { return c.in("ns/pid", unix.CLONE_NEWPID, f) }

// in runs f on a throw-away thread that has joined one of the caller's namespaces.
func (c Thread) in(name string, flag int, f func() error) error {
	ns, err := unix.Open(c.Proc(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	return OnThread(func() error {
		//nolint:forbidigo // on a throw-away thread; a child process would cost a hundred times as much
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns(2) wants it for mounts
			return err
		}
		//nolint:forbidigo // as above
		if err := unix.Setns(ns, flag); err != nil {
			return err
		}
		return f()
	})
}

// OpenInChild opens a file system as fsopen(2) does, but by a child of this thread.
// Who shares a PID namespace with the child sees it for a moment, and has no power over
// it: it is of our user namespace. Its namespace may end, and it with it, at any moment,
// so what it opens is its own until it is sent: descriptors in common would be left.
func OpenInChild(fsType string) (fd int, err error) {
	name, err := unix.BytePtrFromString(fsType)
	if err != nil {
		return -1, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	rights, word := unix.UnixRights(-1), [1]byte{}
	parcel := unix.Msghdr{Iov: &unix.Iovec{Base: &word[0], Len: 1}, Iovlen: 1, Control: &rights[0]}
	parcel.SetControllen(len(rights))
	pid, errno := childOpens(name, uintptr(ends[1]), &parcel, (*int32)(unsafe.Pointer(&rights[unix.CmsgLen(0)])))
	runtime.KeepAlive(rights)
	if errno == 0 {
		errno = ended(pid)
	}
	if errno != 0 {
		return -1, errno
	}
	return receive(ends[0])
}

// receive takes a descriptor out of a socket in which it is.
func receive(socket int) (int, error) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(err, unix.EMFILE) // the kernel drops what we have no room for
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(err, unix.EMFILE)
	}
	return fds[0], nil
}

// ended waits for a child and answers what it ended with.
func ended(pid int) syscall.Errno {
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &status, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if !status.Exited() {
		return unix.EINTR // killed by whoever could
	}
	return syscall.Errno(status.ExitStatus())
}

// childOpens clones a child that opens a file system, puts the descriptor into a parcel,
// sends it, and ends with an errno. It runs no Go code but raw calls: the runtime does
// not survive a fork.
//
//go:norace
//go:nosplit
func childOpens(fsType *byte, socket uintptr, parcel *unix.Msghdr, into *int32) (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, 0, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	fd, _, errno := syscall.RawSyscall(unix.SYS_FSOPEN, uintptr(unsafe.Pointer(fsType)), unix.FSOPEN_CLOEXEC, 0)
	if errno == 0 {
		*into = int32(fd)
		_, _, errno = syscall.RawSyscall(unix.SYS_SENDMSG, socket, uintptr(unsafe.Pointer(parcel)), 0)
	}
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(errno), 0, 0)
	}
}

// ActAs gives the thread the caller's ids for files, and a umask of its own,
// and keeps its capabilities.
func ActAs(st Status) error {
	//nolint:forbidigo // on a throw-away thread
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(st.GID), 0, 0) // these two report no failure
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(st.UID), 0, 0)
	return unix.Capset(&header, &sets[0]) // setfsuid has taken some
}

// SameUserns tells whether the caller is in our own user namespace: then there
// is nothing to give back.
func (c Thread) SameUserns() bool {
	theirs := Inode(c.Proc("ns/user"))
	return theirs == 0 || theirs == Inode("/proc/self/ns/user")
}

// Inode identifies a namespace; 0 if it cannot be seen.
func Inode(link string) uint64 {
	var st unix.Stat_t
	if unix.Stat(link, &st) != nil {
		return 0
	}
	return st.Ino
}

// Owner is the user namespace that a namespace belongs to, as Inode does.
func Owner(link string) uint64 {
	ns, err := unix.Open(link, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(ns)
	user, err := unix.IoctlRetInt(ns, unix.NS_GET_USERNS)
	if err != nil {
		return 0
	}
	defer unix.Close(user)
	var st unix.Stat_t
	if unix.Fstat(user, &st) != nil {
		return 0
	}
	return st.Ino
}

// IDMap is a uid_map or gid_map, its outer ids the supervisor's.
type IDMap [][3]uint64 // inside, outside, count

// IDMap reads uid_map or gid_map.
func (c Thread) IDMap(name string) (m IDMap) {
	f, err := os.Open(c.Proc(name))
	if err != nil {
		return nil
	}
	defer f.Close()
	words := bufio.NewScanner(f)
	words.Split(bufio.ScanWords)
	for i := 0; words.Scan(); i++ {
		if i%3 == 0 {
			m = append(m, [3]uint64{})
		}
		m[len(m)-1][i%3], _ = strconv.ParseUint(words.Text(), 10, 64)
	}
	return m
}

// Holds tells whether an id of outside has one inside.
func (m IDMap) Holds(outside uint32) bool {
	for _, r := range m {
		if id := uint64(outside); id >= r[1] && id < r[1]+r[2] {
			return true
		}
	}
	return false
}

// Outside translates an id, both as text.
func (m IDMap) Outside(inside string) (string, bool) {
	id, err := strconv.ParseUint(inside, 10, 32)
	for _, r := range m {
		if err == nil && id >= r[0] && id < r[0]+r[2] {
			return strconv.FormatUint(id-r[0]+r[1], 10), true
		}
	}
	return "", false
}
