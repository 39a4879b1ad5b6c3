package puppet

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is all that a puppet works with. It lies at the same address in every
// puppet of one process, and nothing in it is known to Go's garbage collector.
type memory struct {
	hear    [2]unix.PollFd // Control, and the signals of a puppet that has children
	iov     unix.Iovec     // order
	msg     unix.Msghdr
	rights  [rightsSize]byte
	signals [128]byte // struct signalfd_siginfo
	reply   reply
	watched int32 // the child whose end is news
	status  int32
	order   [maxOrder]byte
}

// header begins an order.
type header struct {
	count uint32
	peek  uint32 // where in memory the value of the reply is; 0: there is none
}

// reply is what a puppet says: how an order went, or that a child has ended.
type reply struct {
	kind  uint32
	index uint32 // of the call that failed, or the number of calls
	errno uint32
	value int32 // what was asked for; of a child its wait status
}

const (
	kindDone uint32 = iota + 1
	kindEnded
)

const (
	maxOrder   = 64 << 10
	rightsSize = 256
	headerSize = int(unsafe.Sizeof(header{}))
	callSize   = int(unsafe.Sizeof(call{}))
	argsAt     = int(unsafe.Offsetof(call{}.args))
	orderAt    = int(unsafe.Offsetof(memory{}.order))
	watchedAt  = int(unsafe.Offsetof(memory{}.watched))
	signalsAt  = int(unsafe.Offsetof(memory{}.hear) + unsafe.Sizeof(unix.PollFd{}))
	replySize  = int(unsafe.Sizeof(reply{}))
)

// live is the whole life of a puppet. It begins with the order that is in its
// memory already. None of this may be preempted, grow its stack or allocate: Go's
// runtime does not survive a clone.
//
//go:norace
//go:nosplit
func (m *memory) live() {
	for {
		m.perform()
		m.await()
	}
}

// perform makes the calls of the order, and tells how it went. A child that was
// cloned under way goes on with its part of the same list.
//
//go:norace
//go:nosplit
func (m *memory) perform() {
	h := (*header)(unsafe.Pointer(&m.order))
	i, end, told, child := uint32(0), h.count, int32(Control), false
	var failed syscall.Errno
	for ; i < end; i++ {
		c := (*call)(unsafe.Add(unsafe.Pointer(&m.order), headerSize+int(i)*callSize))
		r, _, e := syscall.RawSyscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if e != 0 && e == syscall.Errno(c.allowed) {
			continue
		}
		if e == 0 && int(r) < int(c.least) {
			e = unix.EPIPE
		}
		if e != 0 {
			failed = e
			break
		}
		m.keep(c, r)
		switch {
		case c.child == 0:
		case r == 0:
			told, end, child = c.told, i+1+c.child, true
		default:
			i += c.child
		}
	}
	m.reply = reply{kind: kindDone, index: i, errno: uint32(failed)}
	if h.peek != 0 {
		m.reply.value = *(*int32)(unsafe.Add(unsafe.Pointer(m), h.peek))
	}
	m.say(told)
	if child && failed != 0 {
		exit()
	}
}

//go:norace
//go:nosplit
func (m *memory) keep(c *call, result uintptr) {
	for i := range c.into {
		if c.into[i] != 0 {
			*(*int32)(unsafe.Add(unsafe.Pointer(m), c.into[i])) = int32(result)
		}
	}
}

// await takes the next order, and reaps until it comes.
//
//go:norace
//go:nosplit
func (m *memory) await() {
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&m.hear)), 2, 0, 0, 0, 0)
		if e != 0 {
			continue
		}
		if m.hear[1].Revents != 0 {
			m.reap()
		}
		if m.hear[0].Revents == 0 {
			continue
		}
		m.msg.Controllen = rightsSize
		n, _, e := syscall.RawSyscall(unix.SYS_RECVMSG, Control, uintptr(unsafe.Pointer(&m.msg)), unix.MSG_CMSG_CLOEXEC)
		if e == 0 && n > 0 {
			return
		}
		exit() // whose puppet this is, is gone
	}
}

// reap takes every child that has ended. Only one may be news.
//
//go:norace
//go:nosplit
func (m *memory) reap() {
	_, _, _ = syscall.RawSyscall(unix.SYS_READ, uintptr(m.hear[1].Fd), uintptr(unsafe.Pointer(&m.signals)), uintptr(len(m.signals)))
	for {
		pid, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&m.status)), unix.WNOHANG, 0, 0, 0)
		if e != 0 || pid == 0 {
			return
		}
		if int32(pid) == m.watched {
			m.watched = 0
			m.reply = reply{kind: kindEnded, value: m.status}
			m.say(Control)
		}
	}
}

//go:norace
//go:nosplit
func (m *memory) say(to int32) {
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, uintptr(to), uintptr(unsafe.Pointer(&m.reply)), uintptr(replySize))
}

//go:norace
//go:nosplit
func exit() {
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}
