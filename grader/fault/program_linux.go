package fault

import "golang.org/x/sys/unix"

// Program gives what a caller needs to install the filter by itself, in a place
// where no Go code can run: the argument and the flags of
// seccomp(SECCOMP_SET_MODE_FILTER), which then returns the listener.
func Program() (*unix.SockFprog, uintptr) {
	p := program()
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW)
	if waitsKillable() {
		flags |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	return &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}, flags
}
