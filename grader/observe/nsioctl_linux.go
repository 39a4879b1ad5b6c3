package observe

import "golang.org/x/sys/unix"

// Questions to a descriptor of a namespace; see ioctl_nsfs(2).
const (
	nsGetParent    = 0xb702
	nsGetType      = 0xb703
	nsPIDFromPIDNS = 0x8004b706 // the last three since Linux 6.11
	nsTGIDFrom     = 0x8004b707
	nsPIDInPIDNS   = 0x8004b708
)

func nsAsk(fd, question, arg int) (int, error) {
	answer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(question), uintptr(arg))
	if errno != 0 {
		return 0, missed(errno)
	}
	return int(answer), nil
}

// maxNesting is the kernel's own limit for pid and user namespaces.
const maxNesting = 32

// descends tells whether the namespace behind fd is the one with the inode
// ancestor or lies below it. It is not to be asked for an inode that is not
// held: inodes of dead namespaces are given away again.
func descends(fd, ancestor int) bool {
	own := inode(fd)
	for range maxNesting + 1 {
		if own == ancestor {
			return true
		}
		parent, err := nsAsk(fd, nsGetParent, 0)
		if err != nil {
			return false
		}
		defer unix.Close(parent)
		fd, own = parent, inode(parent)
	}
	return false
}
