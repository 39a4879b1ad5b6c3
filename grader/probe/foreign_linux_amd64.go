package probe

import "syscall"

// foreignCall makes a system call of the i386 ABI: the same machine takes it by
// another door, under other numbers. A kernel without that door answers with
// SIGSEGV.
//
//go:nosplit
func foreignCall(nr uintptr) syscall.Errno {
	if r := int80(nr); r < 0 {
		return syscall.Errno(-r)
	}
	return 0
}

//go:noescape
func int80(nr uintptr) int32
