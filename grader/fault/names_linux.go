package fault

import (
	"strconv"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// flagName names one bit.
type flagName struct {
	bit  uint64
	name string
}

// flags writes a set of bits by name, what has no name as a number.
func flags(v uint64, names []flagName) string {
	s, left := match(v, names)
	if left != 0 || len(s) == 0 {
		s = append(s, "0x"+strconv.FormatUint(left, 16))
	}
	if v == 0 {
		return "0"
	}
	return strings.Join(s, "|")
}

// known writes only the bits that have a name.
func known(v uint64, names []flagName) string {
	s, _ := match(v, names)
	return strings.Join(s, "|")
}

func match(v uint64, names []flagName) (found []string, left uint64) {
	for _, n := range names {
		if n.bit != 0 && v&n.bit == n.bit {
			found = append(found, n.name)
			v &^= n.bit
		}
	}
	return found, v
}

var namespaceFlags = []flagName{
	{unix.CLONE_NEWUSER, "NEWUSER"},
	{unix.CLONE_NEWPID, "NEWPID"},
	{unix.CLONE_NEWNS, "NEWNS"},
	{unix.CLONE_NEWNET, "NEWNET"},
	{unix.CLONE_NEWUTS, "NEWUTS"},
	{unix.CLONE_NEWIPC, "NEWIPC"},
	{unix.CLONE_NEWCGROUP, "NEWCGROUP"},
	{unix.CLONE_NEWTIME, "NEWTIME"},
}

var unshareFlags = append([]flagName{
	{unix.CLONE_FS, "FS"},
	{unix.CLONE_FILES, "FILES"},
	{unix.CLONE_SYSVSEM, "SYSVSEM"},
	{unix.CLONE_THREAD, "THREAD"},
	{unix.CLONE_SIGHAND, "SIGHAND"},
	{unix.CLONE_VM, "VM"},
}, namespaceFlags...)

var mountFlags = []flagName{
	{unix.MS_BIND, "MS_BIND"},
	{unix.MS_MOVE, "MS_MOVE"},
	{unix.MS_REMOUNT, "MS_REMOUNT"},
	{unix.MS_SHARED, "MS_SHARED"},
	{unix.MS_SLAVE, "MS_SLAVE"},
	{unix.MS_PRIVATE, "MS_PRIVATE"},
	{unix.MS_UNBINDABLE, "MS_UNBINDABLE"},
	{unix.MS_REC, "MS_REC"},
	{unix.MS_RDONLY, "MS_RDONLY"},
	{unix.MS_NOSUID, "MS_NOSUID"},
	{unix.MS_NODEV, "MS_NODEV"},
	{unix.MS_NOEXEC, "MS_NOEXEC"},
	{unix.MS_SYNCHRONOUS, "MS_SYNCHRONOUS"},
	{unix.MS_DIRSYNC, "MS_DIRSYNC"},
	{unix.MS_MANDLOCK, "MS_MANDLOCK"},
	{unix.MS_NOATIME, "MS_NOATIME"},
	{unix.MS_NODIRATIME, "MS_NODIRATIME"},
	{unix.MS_RELATIME, "MS_RELATIME"},
	{unix.MS_STRICTATIME, "MS_STRICTATIME"},
	{unix.MS_LAZYTIME, "MS_LAZYTIME"},
	{unix.MS_SILENT, "MS_SILENT"},
}

var umountFlags = []flagName{
	{unix.MNT_FORCE, "MNT_FORCE"}, {unix.MNT_DETACH, "MNT_DETACH"}, {unix.MNT_EXPIRE, "MNT_EXPIRE"}, {unix.UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW"},
}

var openTreeFlags = []flagName{
	{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"},
	{unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"},
	{unix.AT_RECURSIVE, "AT_RECURSIVE"},
	{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
	{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
}

var openFlags = []flagName{
	{unix.O_RDWR, "O_RDWR"},
	{unix.O_WRONLY, "O_WRONLY"},
	{unix.O_CREAT, "O_CREAT"},
	{unix.O_EXCL, "O_EXCL"},
	{unix.O_TRUNC, "O_TRUNC"},
	{unix.O_APPEND, "O_APPEND"},
	{unix.O_CLOEXEC, "O_CLOEXEC"},
	{unix.O_NOFOLLOW, "O_NOFOLLOW"},
	{unix.O_LARGEFILE, "O_LARGEFILE"},
	{0x8000, "O_LARGEFILE"}, // as programs for 64 bits still pass it
}

var seccompFlags = []flagName{
	{unix.SECCOMP_FILTER_FLAG_TSYNC, "TSYNC"},
	{unix.SECCOMP_FILTER_FLAG_LOG, "LOG"},
	{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SPEC_ALLOW"},
	{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "NEW_LISTENER"},
	{unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "TSYNC_ESRCH"},
}

// capName names a capability by its number.
func capName(n uint64) string {
	if name := capability.Cap(n).String(); name != "unknown" {
		return "CAP_" + strings.ToUpper(name)
	}
	return strconv.FormatUint(n, 10)
}
