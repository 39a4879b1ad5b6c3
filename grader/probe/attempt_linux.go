package probe

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// call is a raw system call with its arguments.
type call struct {
	nr      uintptr
	args    [6]uintptr
	foreign bool // by the machine's other ABI, without arguments
}

// attempts are deeds that a filter may answer with death: each is one system
// call, made by a child.
func attempts() map[string]func(scenario.Act) call {
	return map[string]func(scenario.Act) call{
		"reboot": func(scenario.Act) call {
			return call{nr: unix.SYS_REBOOT, args: [6]uintptr{unix.LINUX_REBOOT_MAGIC1, unix.LINUX_REBOOT_MAGIC2, unix.LINUX_REBOOT_CMD_CAD_OFF}}
		},
		"ptrace": func(scenario.Act) call {
			return call{nr: unix.SYS_PTRACE, args: [6]uintptr{unix.PTRACE_TRACEME}}
		},
		"mount": func(scenario.Act) call {
			return call{nr: unix.SYS_MOUNT, args: [6]uintptr{pointer("none"), pointer("/tmp"), pointer("tmpfs"), 0, 0}}
		},
		"umount2": func(scenario.Act) call {
			return call{nr: unix.SYS_UMOUNT2, args: [6]uintptr{pointer("/tmp"), unix.MNT_DETACH}}
		},
		"syscall": func(a scenario.Act) call {
			if nr, ok := numbers()[a.Text]; ok {
				return call{nr: nr}
			}
			return call{nr: uintptr(a.PID)}
		},
		"x32":  func(scenario.Act) call { return call{nr: x32Getpid} },
		"i386": func(scenario.Act) call { return call{nr: i386Getpid, foreign: true} },
	}
}

// numbers has an entry for each of scenario.SyscallNames.
func numbers() map[string]uintptr {
	return map[string]uintptr{
		"getpriority": unix.SYS_GETPRIORITY, "getsid": unix.SYS_GETSID, "pivot_root": unix.SYS_PIVOT_ROOT, "sched_yield": unix.SYS_SCHED_YIELD,
		"kexec_load": unix.SYS_KEXEC_LOAD, "init_module": unix.SYS_INIT_MODULE, "finit_module": unix.SYS_FINIT_MODULE,
		"delete_module": unix.SYS_DELETE_MODULE,
	}
}

// getpid, by other numbers.
const (
	x32Getpid  = 0x40000000 + unix.SYS_GETPID
	i386Getpid = 20
)

// keep holds the strings whose addresses are handed to the kernel as integers.
var keep [][]byte

func pointer(s string) uintptr {
	b, err := unix.ByteSliceFromString(s)
	if err != nil {
		return 0
	}
	keep = append(keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// tryInChild makes the call in a bare child and tells its errno, or the signal
// that killed the child.
func tryInChild(c call) (syscall.Errno, syscall.Signal) {
	pid, errno := forkCall(&c)
	runtime.KeepAlive(keep)
	if errno != 0 {
		return errno, 0
	}
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return syscall.ECHILD, 0
		}
		break
	}
	if status.Signaled() {
		return 0, status.Signal()
	}
	return syscall.Errno(status.ExitStatus()), 0
}

// byDefault is what rt_sigaction(2) takes to have a signal do what it does by
// default.
var byDefault [4]uint64

// lastSignal is the number of Linux's last signal.
const lastSignal = 64

// signalSetSize is that of the kernel's sigset_t.
const signalSetSize = 8

// restore has a signal do what it does by default, whatever the runtime, or who
// started us, had it do. There are two signals of which the kernel allows no change.
//
//go:norace
//go:nosplit
func restore(signal uintptr) {
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&byDefault)), 0, signalSetSize, 0, 0)
}

// OtherABI tells whether this machine takes system calls of another architecture
// from a program like this one.
func OtherABI() bool {
	errno, signal := tryInChild(call{nr: i386Getpid, foreign: true})
	return errno == 0 && signal == 0
}

// forkCall clones a child that makes one system call and exits with its errno.
// The child runs no Go code but raw calls: the runtime does not survive a fork,
// and its handlers would turn the fault of a door that is missing, or the SIGSYS
// of a filter, into a status.
//
//go:norace
//go:nosplit
func forkCall(c *call) (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		restore(signal)
	}
	if c.foreign {
		errno = foreignCall(c.nr)
	} else {
		_, _, errno = syscall.RawSyscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
	}
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(errno), 0, 0)
	}
}

// forkWaiting clones a child that blocks SIGTERM and waits for ever.
//
//go:norace
//go:nosplit
func forkWaiting() (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return int(pid), errno
	}
	mask := ^uint64(0)
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&mask)), 0, signalSetSize, 0, 0)
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 0, ^uintptr(0)>>32, 0)
		_, _, _ = syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}
