package box

import (
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// HostClones has this process do what [Box.CanClone] has init do. The box may lower
// what its own user namespace allows (/proc/sys/user), not what the host allows us.
func HostClones(flags []string) error {
	pid, errno := bareClone(cloneBits(flags))
	if errno != 0 {
		return errno
	}
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return err
		}
	}
}

// bareClone clones a child that ends at once. It runs no Go code but raw calls: the
// runtime does not survive a fork.
//
//go:norace
//go:nosplit
func bareClone(bits uintptr) (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, bits, 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

// cloneBits are the flags of clone(2) that ask for namespaces, and for a signal when
// the child has ended.
func cloneBits(flags []string) uintptr {
	bits := uintptr(unix.SIGCHLD)
	for _, name := range flags {
		bits |= uintptr(scenario.FlagNames()[name])
	}
	return bits
}
