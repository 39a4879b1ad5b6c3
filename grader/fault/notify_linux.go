package fault

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif. The kernel writes as much as it was
// built with, so there is room for more.
type notification struct {
	id    uint64
	tid   uint32 // of the calling thread, in the supervisor's PID namespace
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
	_     [notificationRoom - 80]byte
}

// notificationRoom is the size of a notification with its spare room.
const notificationRoom = 256

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	errno int32 // negative
	flags uint32
}

// listener is the supervisor's end of the filter.
type listener int

// ioctl asks again if a signal of ours, as Go's runtime sends them, came while it
// waited for the filter's lock: a call whose answer was lost would hang.
func (l listener) ioctl(req uintptr, p unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l), req, uintptr(p))
		switch {
		case e == 0:
			return nil
		case e != unix.EINTR || req == unix.SECCOMP_IOCTL_NOTIF_RECV: // whose loop looks whether it is to end
			return e
		}
	}
}

func (l listener) receive(n *notification) error {
	*n = notification{}
	return l.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// valid tells whether the call is still waiting. What was read about its
// thread before is then about the right one.
func (l listener) valid(id uint64) bool {
	return l.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == nil
}

func (l listener) goOn(id uint64) error {
	return l.send(response{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// fail answers with an errno; 0 says that the call was made and returned 0.
func (l listener) fail(id uint64, errno unix.Errno) error {
	return l.send(response{id: id, errno: -int32(errno)})
}

func (l listener) send(r response) error {
	return l.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}
