package box

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
)

// Launch starts the driver up to the point where it would be executed, calls
// armed with the listener of its notification filter (nil without faults),
// and then lets it go. b.Driver is set before armed is called.
func (b *Box) Launch(armed func(listener *os.File) error) error {
	if err := passCredentials(b); err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	program := b.driver(b.options)
	if err := b.play("launch", program); err != nil {
		return err
	}
	listener, err := b.awaitLauncher(program)
	if err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	if err := armed(listener); err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	if _, err := b.launch.Write([]byte{1}); err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	return b.awaitExec(program)
}

func passCredentials(b *Box) error {
	raw, err := b.launch.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	return errors.Join(err, set)
}

// awaitLauncher receives the launcher's message. Its pid comes from the kernel,
// translated to our PID namespace (SCM_CREDENTIALS, unix(7)).
func (b *Box) awaitLauncher(p *puppet.Program) (*os.File, error) {
	if err := b.launch.SetReadDeadline(time.Now().Add(openTimeout)); err != nil {
		return nil, err
	}
	buf, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := b.launch.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, fmt.Errorf("no word from the launcher: %w", err)
	}
	if string(buf[:n]) != ready {
		return nil, p.Failure(buf[:n])
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	return b.takeAncillary(messages)
}

func (b *Box) takeAncillary(messages []unix.SocketControlMessage) (*os.File, error) {
	var listener *os.File
	for _, m := range messages {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			b.Driver = int(cred.Pid)
		}
		if fds, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				listener = os.NewFile(uintptr(fd), "listener")
			}
		}
	}
	if b.Driver <= 0 {
		return nil, errors.New("the launcher's pid is unknown")
	}
	pidfd, err := unix.PidfdOpen(b.Driver, 0) // it waits for our word, so it is still itself
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	b.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	return listener, nil
}

// awaitExec waits until the launcher has become the driver: its socket is
// closed by execve.
func (b *Box) awaitExec(p *puppet.Program) error {
	text, err := io.ReadAll(io.LimitReader(b.launch, 4096))
	if err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	if len(text) > 0 {
		return fmt.Errorf("launch: %w", p.Failure(text))
	}
	return nil
}
