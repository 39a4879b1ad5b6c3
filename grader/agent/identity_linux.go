package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// peer asks the kernel who connected. The pidfd proves that the pid is still
// the same process whenever it is asked (SO_PEERPIDFD, Linux 6.5; before that
// it is opened by the pid and checked against the connection).
func peer(conn *net.UnixConn) (int, *os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var cred *unix.Ucred
	pidfd := -1
	var asked error
	err = raw.Control(func(fd uintptr) {
		if cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); asked != nil {
			return
		}
		if pidfd, asked = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); asked != nil {
			pidfd, asked = unix.PidfdOpen(int(cred.Pid), 0)
		}
	})
	if err := errors.Join(err, asked); err != nil {
		return 0, nil, err
	}
	unix.CloseOnExec(pidfd)
	return int(cred.Pid), os.NewFile(uintptr(pidfd), "pidfd"), nil
}

// suspect tells why the process is not our probe, or "".
func (s *session) suspect(pid int, pidfd *os.File, name string) string {
	target := slices.ContainsFunc(s.sc.World.Targets, func(t scenario.Target) bool { return t.Name == name })
	runs, intact, err := s.box.Ours(pid, target)
	switch {
	case err != nil:
		s.lacks(err)
		return evidence.Gone
	case !runs:
		return evidence.Otherwise
	case !intact:
		return evidence.Altered
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if s.lacks(err) || err != nil || gone(pidfd) {
		return evidence.Gone
	}
	if !strings.Contains(string(status), "\nTracerPid:\t0\n") {
		return evidence.Traced
	}
	return ""
}

// gone tells whether the process has ended: a pidfd can be read then (pidfd_open(2)).
func gone(pidfd *os.File) bool {
	ended := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	_, err := unix.Poll(ended, 0)
	return err == nil && ended[0].Revents != 0
}

// connectedItself tells whether the other end of the connection is descriptor fd of the
// process, and its program's alone: whoever connects, hands the connection on and then
// becomes the probe, is the probe to the kernel (SO_PEERCRED), and another speaks for it.
//
// What is closed on execve has been opened after it. That it leads to us, without anybody
// in between, the kernel says, and that it does so by this connection, a word which
// we put into it there (pidfd_getfd(2), Linux 5.6).
func (v *visitor) connectedItself(fd int) (bool, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", v.pid, fd))
	if refused(err) {
		return true, nil // nobody can tell
	}
	if err != nil || !closedOnExec(string(info)) {
		return false, err
	}
	end, err := unix.PidfdGetfd(int(v.pidfd.Fd()), fd, 0)
	if refused(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(end)
	listener, err := unix.GetsockoptUcred(end, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || int(listener.Pid) != os.Getpid() {
		return false, err
	}
	word := rand.Text() + "\n"
	if err := unix.Sendto(end, []byte(word), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil); err != nil {
		return false, err
	}
	return v.holds(word)
}

// holds tells whether a word, and nothing before it, is what there is to be read: what
// was put in at the other end is there at once.
func (v *visitor) holds(word string) (bool, error) {
	raw, err := v.conn.SyscallConn()
	if err != nil || v.r.Buffered() > 0 {
		return false, err
	}
	text := make([]byte, len(word))
	n := 0
	control := raw.Control(func(fd uintptr) { n, _, err = unix.Recvfrom(int(fd), text, unix.MSG_DONTWAIT) })
	if errors.Is(err, unix.EAGAIN) {
		return false, control
	}
	return err == nil && string(text[:n]) == word, errors.Join(err, control)
}

// refused tells whether the kernel does not let us look, or does not know how.
func refused(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS)
}

// closedOnExec reads the flags in /proc/PID/fdinfo/FD.
func closedOnExec(info string) bool {
	_, flags, _ := strings.Cut(info, "flags:")
	flags, _, _ = strings.Cut(flags, "\n")
	n, err := strconv.ParseInt(strings.TrimSpace(flags), 8, 64)
	return err == nil && n&unix.O_CLOEXEC != 0
}

// impostor notes why a visitor is not believed. One that has ended may have been the
// probe, killed in the middle of a word. That there was one is noted in any case: under
// another name, if its own is not recorded.
func (p *probes) impostor(name, why string, pidfd *os.File) {
	if (why == evidence.Nameless || why == evidence.Borrowed) && gone(pidfd) {
		why = evidence.Gone
	}
	pidfd.Close()
	p.mu.Lock()
	recorded := p.recorded(name)
	p.mu.Unlock()
	if !recorded {
		name = p.anyName()
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	e := p.s.rec.Probes[name]
	if e.Impostor == "" {
		e.Impostor = why
	}
	p.s.rec.Probes[name] = e
}
