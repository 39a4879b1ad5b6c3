package fault

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// legacyRules are calls that only this architecture still has.
func legacyRules() []rule {
	return []rule{
		{unix.SYS_FORK, "fork", when{}, decodeFork},
		{unix.SYS_VFORK, "vfork", when{}, decodeFork},
		{unix.SYS_OPEN, "open", when{arg: 1, any: unix.O_ACCMODE}, decodeOpen},
		{unix.SYS_CREAT, "creat", when{}, decodeCreat},
		{unix.SYS_MKNOD, "mknod", when{}, decodeMknod},
		{unix.SYS_PIPE, "pipe", when{}, decodePipe},
		{unix.SYS_EVENTFD, "eventfd", when{}, decodePipe},
	}
}

// legacyDenied are calls to be denied that only this architecture has.
func legacyDenied() []uintptr {
	return []uintptr{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_SYSFS, unix.SYS__SYSCTL}
}
