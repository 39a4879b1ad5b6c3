package probe

import "syscall"

// foreignCall makes a call that no filter can know: this machine has no second
// ABI that a 64-bit program could reach.
//
//go:nosplit
func foreignCall(uintptr) syscall.Errno {
	_, _, errno := syscall.RawSyscall(x32Getpid, 0, 0, 0)
	return errno
}
