package reference

import "golang.org/x/sys/unix"

// nativeArch is the architecture whose numbers the filter speaks of.
const nativeArch = unix.AUDIT_ARCH_X86_64

// archDangerousCalls are those that only this architecture has.
func archDangerousCalls() []int {
	return []int{
		unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT,
		unix.SYS_CREATE_MODULE, unix.SYS_GET_KERNEL_SYMS, unix.SYS_QUERY_MODULE,
		unix.SYS_USELIB, unix.SYS__SYSCTL,
	}
}
