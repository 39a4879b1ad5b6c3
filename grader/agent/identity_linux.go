package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

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
	why, err := s.box.Ours(pid, target)
	if err != nil {
		s.lacks(err)
		return "it was gone before it could be looked at"
	}
	if why != "" {
		return why
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if s.lacks(err) || err != nil || unix.PidfdSendSignal(int(pidfd.Fd()), 0, nil, 0) != nil {
		return "it was gone before it could be looked at"
	}
	if !strings.Contains(string(status), "\nTracerPid:\t0\n") {
		return "it is traced by another process"
	}
	return ""
}

func (s *session) impostor(name, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.rec.Probes[name]
	if e.Impostor == "" {
		e.Impostor = why
	}
	s.rec.Probes[name] = e
}
