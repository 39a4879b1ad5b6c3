package fault

import (
	"bufio"
	"errors"
	"os"
	"path"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// open opens a folder as the caller would find it, as a mere place (O_PATH). No
// link of a proc is followed: they could lead out of the caller's root.
func (c caller) open(dirfd int32, p string) (int, error) {
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
	return c.openBelow("root", c.absolute(dirfd, p), how)
}

// openBelow opens a path below one of the thread's links.
func (c caller) openBelow(link, p string, how unix.OpenHow) (int, error) {
	base, err := unix.Open(c.proc(link), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
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

// onThread runs f on a thread of its own that is thrown away afterwards, with
// all that f made of it. It is never the process's first thread, which would
// stay.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- onThread(f) // this goroutine keeps the first thread busy meanwhile
			return
		}
		done <- f()
	}()
	return <-done
}

// inMounts runs f in the caller's mount namespace.
func (c caller) inMounts(f func() error) error {
	ns, err := unix.Open(c.proc("ns/mnt"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	return onThread(func() error {
		//nolint:forbidigo // on a throw-away thread; a child process would cost a hundred times as much
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		//nolint:forbidigo // as above
		if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
			return err
		}
		return f()
	})
}

// actAs gives the thread the caller's ids for files, and a umask of its own,
// and keeps its capabilities.
func actAs(st status) error {
	//nolint:forbidigo // on a throw-away thread
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(st.gid), 0, 0) // these two report no failure
	_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(st.uid), 0, 0)
	return unix.Capset(&header, &sets[0]) // setfsuid has taken some
}

// sameUserns tells whether the caller is in our own user namespace: then there
// is nothing to give back.
func (c caller) sameUserns() bool {
	theirs := inode(c.proc("ns/user"))
	return theirs == 0 || theirs == inode("/proc/self/ns/user")
}

// inode identifies a namespace; 0 if it cannot be seen.
func inode(link string) uint64 {
	var st unix.Stat_t
	if unix.Stat(link, &st) != nil {
		return 0
	}
	return st.Ino
}

// owner is the user namespace that a namespace belongs to, as inode does.
func owner(link string) uint64 {
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

// idMap is a uid_map or gid_map, its outer ids the supervisor's.
type idMap [][3]uint64 // inside, outside, count

func (c caller) idMap(name string) (m idMap) {
	f, err := os.Open(c.proc(name))
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

func (m idMap) holds(outside uint32) bool {
	for _, r := range m {
		if id := uint64(outside); id >= r[1] && id < r[1]+r[2] {
			return true
		}
	}
	return false
}

// outside translates an id, both as text.
func (m idMap) outside(inside string) (string, bool) {
	id, err := strconv.ParseUint(inside, 10, 32)
	for _, r := range m {
		if err == nil && id >= r[0] && id < r[0]+r[2] {
			return strconv.FormatUint(id-r[0]+r[1], 10), true
		}
	}
	return "", false
}
