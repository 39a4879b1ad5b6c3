package reference

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// Where the filter finds what it judges: struct seccomp_data of seccomp(2).
const (
	offsetNumber = 0
	offsetArch   = 4
	wordSize     = 4
)

// x32Bit marks the system calls of the x32 ABI, a second set of numbers that
// the same machine takes under the same architecture.
const x32Bit = 0x40000000

// SetupSeccompFilter lets the calling thread make the system calls in allowed,
// and no others, from now on and whatever it executes.
func (namespaces) SetupSeccompFilter(allowed []int) error {
	program, err := allowOnly(allowed)
	if err != nil {
		return fmt.Errorf("setup seccomp filter: %w", err)
	}
	// First the promise that no execve(2) will gain privileges. Without it an
	// ordinary user may not filter: a setuid program could be led astray.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setup seccomp filter: no_new_privs: %w", err)
	}
	if err := install(program); err != nil {
		return fmt.Errorf("setup seccomp filter: %w", err)
	}
	return nil
}

// ContainerCreateSecure creates the container with a filter inside.
func (n namespaces) ContainerCreateSecure(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("container create secure: nil config: %w", unix.EINVAL)
	}
	cfg.Secure = true
	if err := n.ContainerCreate(cfg); err != nil {
		return fmt.Errorf("container create secure: %w", err)
	}
	return nil
}

// allowOnly assembles the filter. It reads: of another architecture, refuse; of
// the x32 ABI, refuse; one of these numbers, allow; refuse. The first test is
// what gives the numbers their meaning.
func allowOnly(allowed []int) ([]bpf.RawInstruction, error) {
	if len(allowed) == 0 {
		return nil, fmt.Errorf("nothing allowed: %w", unix.EINVAL)
	}
	refuse := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: wordSize},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: nativeArch, SkipTrue: 1},
		refuse,
		bpf.LoadAbsolute{Off: offsetNumber, Size: wordSize},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32Bit, SkipFalse: 1},
		refuse,
	}
	for _, number := range allowed {
		if number < 0 || number >= x32Bit {
			return nil, fmt.Errorf("bad system call %d: %w", number, unix.EINVAL)
		}
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(number), SkipFalse: 1},
			allow)
	}
	return bpf.Assemble(append(program, refuse))
}

// install gives the filter to the kernel, which logs what it refuses (see
// actions_logged in seccomp(2)).
func install(program []bpf.RawInstruction) error {
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	if len(filter) > unix.BPF_MAXINSNS {
		return fmt.Errorf("%d instructions: %w", len(filter), unix.EINVAL)
	}
	header := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_LOG, uintptr(unsafe.Pointer(&header)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// ordinaryCalls are those that an ordinary program needs: all that this program
// has heard of, but those that change the machine, its mounts and namespaces,
// or look into other processes. What Linux learns after it was compiled stays
// refused.
func ordinaryCalls() []int {
	refused := make(map[int]bool)
	for _, number := range append(dangerousCalls(), archDangerousCalls()...) {
		refused[number] = true
	}
	var ordinary []int
	for number := 0; number <= lastCall; number++ {
		if !refused[number] {
			ordinary = append(ordinary, number)
		}
	}
	return ordinary
}

// lastCall is the newest system call of golang.org/x/sys.
const lastCall = unix.SYS_RSEQ_SLICE_YIELD

func dangerousCalls() []int {
	return []int{
		// The machine.
		unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
		unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_NFSSERVCTL,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
		unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
		// Mounts, by the old calls and by the new.
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
		unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
		unix.SYS_OPEN_BY_HANDLE_AT,
		// Namespaces; but for those that clone(2) makes, by a flag: a list of
		// numbers does not look at arguments.
		unix.SYS_SETNS, unix.SYS_UNSHARE,
		// Other processes.
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
		unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		// Doors into the kernel that an ordinary program does not knock at.
		// The rings carry out calls that no filter sees.
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	}
}
