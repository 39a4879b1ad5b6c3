package agent

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Who was not let in before its box went may have brought a connection that takes an
// hour to close (socket(7), SO_LINGER). The next scenario does not wait for it.
func TestTurnAwayDoesNotLinger(t *testing.T) {
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "sock"), Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	visit, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	gift := lingering(t)
	if _, _, err := visit.WriteMsgUnix([]byte(" "), unix.UnixRights(gift...), nil); err != nil {
		t.Fatal(err)
	}
	for _, fd := range gift {
		unix.Close(fd)
	}
	visit.Close()
	turnAway(l)
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var left error
	if err := raw.Control(func(fd uintptr) { _, _, left = unix.Accept(int(fd)) }); err != nil || left != unix.EAGAIN {
		t.Errorf("%v, %v; want nobody left", err, left)
	}
}

// lingering gives both ends of a connection, one of which has said what nobody reads.
func lingering(t *testing.T) []int {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	var fds []int
	for _, c := range []*net.TCPConn{from, to} {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var own int
		var dup error
		if err := raw.Control(func(fd uintptr) { own, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dup != nil {
			t.Fatal(err, dup)
		}
		fds = append(fds, own)
	}
	for {
		if _, err := unix.Write(fds[0], make([]byte, 1<<16)); err != nil {
			break
		}
	}
	if err := unix.SetsockoptLinger(fds[0], unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 3600}); err != nil {
		t.Fatal(err)
	}
	return fds
}
