package fault

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rule names one system call that is notified, tells when, and reads it.
type rule struct {
	nr     uintptr
	name   string
	when   when
	decode func(*call)
}

// when narrows a rule by the low half of one argument, so that calls a runtime
// makes all the time (threads, reads of files) never leave the kernel. The zero
// value means always.
type when struct {
	arg   int
	any   uint32   // some of these bits are set
	none  uint32   // or none of these is, where plain forks are notified
	equal []uint32 // or it is one of these
	only  []uint32 // what else may be asked for, if not everything: the rest is EAFNOSUPPORT
}

// families of sockets that an exercise can want. The others reach past a network
// namespace (vsock: to the machine that this one is a guest of), or into a part
// of the kernel that nobody here needs.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_PACKET}

// newNamespaces are the bits of clone(2) that ask for a namespace.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// rules are the notified calls of this architecture.
func rules() []rule {
	writing := func(arg int) when { return when{arg: arg, any: unix.O_ACCMODE} }
	return append(legacyRules(), []rule{
		{unix.SYS_CLONE, "clone", when{any: newNamespaces, none: unix.CLONE_THREAD}, decodeClone},
		{unix.SYS_CLONE3, "clone3", when{}, decodeClone3},
		{unix.SYS_UNSHARE, "unshare", when{}, decodeUnshare},
		{unix.SYS_SETNS, "setns", when{}, decodeSetns},
		{unix.SYS_EXECVE, "execve", when{}, decodeExecve},
		{unix.SYS_EXECVEAT, "execveat", when{}, decodeExecveat},

		{unix.SYS_MOUNT, "mount", when{}, decodeMount},
		{unix.SYS_UMOUNT2, "umount2", when{}, decodeUmount},
		{unix.SYS_PIVOT_ROOT, "pivot_root", when{}, decodePivotRoot},
		{unix.SYS_OPEN_TREE, "open_tree", when{}, decodeOpenTree},
		{unix.SYS_OPEN_TREE_ATTR, "open_tree_attr", when{}, decodeOpenTree},
		{unix.SYS_MOVE_MOUNT, "move_mount", when{}, decodeMoveMount},
		{unix.SYS_FSOPEN, "fsopen", when{}, decodeFsopen},
		{unix.SYS_FSMOUNT, "fsmount", when{}, decodeFsmount},
		{unix.SYS_MOUNT_SETATTR, "mount_setattr", when{}, decodeMountSetattr},
		{unix.SYS_CHROOT, "chroot", when{}, decodeChroot},
		{unix.SYS_MKNODAT, "mknodat", when{}, decodeMknodat},

		{unix.SYS_OPENAT, "openat", writing(2), decodeOpenat},
		{unix.SYS_OPENAT2, "openat2", when{}, decodeOpenat2},
		{unix.SYS_PIPE2, "pipe2", when{}, decodePipe},
		{unix.SYS_SOCKETPAIR, "socketpair", when{}, decodePipe},
		{unix.SYS_EVENTFD2, "eventfd2", when{}, decodePipe},
		{unix.SYS_SOCKET, "socket", when{equal: []uint32{unix.AF_NETLINK}, only: families}, decodeSocket},

		{unix.SYS_SETHOSTNAME, "sethostname", when{}, decodeHostname},
		{unix.SYS_SETDOMAINNAME, "setdomainname", when{}, decodeDomainname},
		{unix.SYS_SETUID, "setuid", when{}, decodeSetuid},
		{unix.SYS_SETREUID, "setreuid", when{}, decodeSetuid},
		{unix.SYS_SETRESUID, "setresuid", when{}, decodeSetuid},
		{unix.SYS_CAPSET, "capset", when{}, decodeCapset},
		{unix.SYS_PRCTL, "prctl", when{equal: []uint32{unix.PR_CAPBSET_DROP, unix.PR_SET_SECCOMP}}, decodePrctl},
		{unix.SYS_SECCOMP, "seccomp", when{}, decodeSeccomp},
	}...)
}

// denied calls serve no exercise and would be a way around the filter, or
// towards the host. mount, reboot and kin are not among them: a
// container's own filter is judged by trying those.
func denied() map[uintptr]unix.Errno {
	all := map[uintptr]unix.Errno{}
	for _, nr := range append(legacyDenied(), []uintptr{
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	}...) {
		all[nr] = unix.EPERM
	}
	// A library that asks for these knows kernels that lack them. What a container's
	// own filter has to refuse, with EPERM, is told from what it let through.
	for _, nr := range []uintptr{
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_NFSSERVCTL, unix.SYS_MEMFD_SECRET,
	} {
		all[nr] = unix.ENOSYS
	}
	return all
}

// personal calls are for oneself, which is number 0 in the argument that is named:
// what they do to others they would do to the init of the box, which is ours and has
// the same user. Without a process, a second or a place in the queue it would fail us.
// Of ptrace(2), number 0 asks to be traced: who traces a process until it has become
// the probe has its registers, if not its memory, and could let go of it in code of
// its own.
func personal() map[uintptr]int {
	return map[uintptr]int{
		unix.SYS_PRLIMIT64: 0, unix.SYS_SETPRIORITY: 1, unix.SYS_IOPRIO_SET: 1, unix.SYS_PTRACE: 0,
		unix.SYS_SCHED_SETAFFINITY: 0, unix.SYS_SCHED_SETATTR: 0, unix.SYS_SCHED_SETPARAM: 0, unix.SYS_SCHED_SETSCHEDULER: 0,
	}
}

// crowds are what the first argument of a call must not be: with it number 0 is
// everybody of the caller's user, and so the init of the box. With PR_SET_MM a program
// could be exchanged for the probe in name only.
func crowds() map[uintptr]uint32 {
	const ioprioWhoUser = 3 // ioprio_set(2)
	return map[uintptr]uint32{unix.SYS_SETPRIORITY: unix.PRIO_USER, unix.SYS_IOPRIO_SET: ioprioWhoUser, unix.SYS_PRCTL: unix.PR_SET_MM}
}

// program is the filter. Plain forks are notified only if forks says so: a
// signal that comes before the supervisor has taken the notification ends the
// wait with EINTR, which no program expects of a fork, and a shell gets SIGCHLD
// all the time. What always goes through is kept by the kernel in a
// bitmap and costs nothing.
func program(forks bool) []unix.SockFilter {
	p := []unix.SockFilter{
		load(offArch), jump(unix.BPF_JEQ, auditArch, 1, 0), ret(answer(unix.ENOSYS)),
		load(offNr), jump(unix.BPF_JGE, x32Bit, 0, 1), ret(answer(unix.ENOSYS)),
	}
	for nr, whose := range crowds() {
		p = append(p, jump(unix.BPF_JEQ, uint32(nr), 0, 4),
			load(offArgs), jump(unix.BPF_JEQ, whose, 0, 1), ret(answer(unix.EPERM)), load(offNr))
	}
	for _, r := range rules() {
		if !forks && r.plainFork() {
			continue
		}
		body := r.when.program(forks)
		p = append(append(p, jump(unix.BPF_JEQ, uint32(r.nr), 0, uint8(len(body)))), body...)
	}
	for nr, errno := range denied() {
		p = append(p, jump(unix.BPF_JEQ, uint32(nr), 0, 1), ret(answer(errno)))
	}
	for nr, arg := range personal() {
		p = append(p, jump(unix.BPF_JEQ, uint32(nr), 0, 4),
			load(offArgs+8*uint32(arg)), jump(unix.BPF_JEQ, 0, 0, 1), ret(unix.SECCOMP_RET_ALLOW), ret(answer(unix.EPERM)))
	}
	return append(p, ret(unix.SECCOMP_RET_ALLOW))
}

// program ends in a return on every way.
func (w when) program(forks bool) []unix.SockFilter {
	notify := ret(unix.SECCOMP_RET_USER_NOTIF)
	if w.any == 0 && w.none == 0 && len(w.equal) == 0 {
		return []unix.SockFilter{notify}
	}
	p := []unix.SockFilter{load(offArgs + 8*uint32(w.arg))}
	if w.any != 0 {
		p = append(p, jump(unix.BPF_JSET, w.any, 0, 1), notify)
	}
	if w.none != 0 && forks {
		p = append(p, jump(unix.BPF_JSET, w.none, 1, 0), notify)
	}
	for _, v := range w.equal {
		p = append(p, jump(unix.BPF_JEQ, v, 0, 1), notify)
	}
	allow := ret(unix.SECCOMP_RET_ALLOW)
	if len(w.only) == 0 {
		return append(p, allow)
	}
	for _, v := range w.only {
		p = append(p, jump(unix.BPF_JEQ, v, 0, 1), allow)
	}
	return append(p, ret(answer(unix.EAFNOSUPPORT)))
}

// Places in struct seccomp_data, and the bit that marks the x32 ABI. Both
// architectures are little-endian, so an argument's low half comes first.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
	x32Bit  = 0x40000000
)

func load(off uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
}

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: yes, Jf: no}
}

func ret(k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
}

func answer(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// plainFork tells whether the call can do nothing but fork.
func (r rule) plainFork() bool { return r.name == "fork" || r.name == "vfork" }

// Program is the filter and the flags for seccomp(SECCOMP_SET_MODE_FILTER), which
// then returns the listener. Forks that ask for no namespace are notified only
// with forks, which a fault of that effect needs.
//
// It works for root inside the box's user namespace (CAP_SYS_ADMIN) and does not
// set no_new_privs. A driver that runs as somebody else gets its filter before the
// privileges go. Whatever is notified does not return before a supervisor answers.
func Program(forks bool) (filter []unix.SockFilter, flags uintptr) {
	flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	if waitsKillable() {
		flags |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return program(forks), flags
}

// waitsKillable asks for a flag by installing nothing: a known one gets as far
// as the missing program (EFAULT), an unknown one is refused before (EINVAL).
// Without it each signal restarts a held call, which is then notified anew.
func waitsKillable() bool {
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, 0)
	return e == unix.EFAULT
}

// Supported tells why this kernel cannot do it, or nil.
func Supported() error {
	// With 3 nobody, not even root, reads another process's memory (Yama, Linux 3.4).
	if scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil && strings.TrimSpace(string(scope)) == "3" {
		return errors.New("kernel.yama.ptrace_scope is 3: what a call asks for cannot be read")
	}
	action := uint32(unix.SECCOMP_RET_USER_NOTIF)
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))); e != 0 {
		return fmt.Errorf("seccomp user notification: %w", e)
	}
	var sizes struct{ notif, resp, data uint16 }
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes))); e != 0 {
		return fmt.Errorf("seccomp notification sizes: %w", e)
	}
	if sizes.notif > notificationRoom || sizes.resp != uint16(unsafe.Sizeof(response{})) {
		return fmt.Errorf("seccomp notification: structs of %d and %d bytes are not known here", sizes.notif, sizes.resp)
	}
	// An answer can let a call go on since 5.5; openat2 came with 5.6.
	if _, err := unix.Openat2(-1, "", &unix.OpenHow{}); err == unix.ENOSYS {
		return fmt.Errorf("seccomp notification: a kernel before 5.6 cannot let a call go on")
	}
	return nil
}
