package reference

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// CreatePIDNamespace runs child as PID 1 of a new PID namespace and returns its
// exit status.
func (namespaces) CreatePIDNamespace(child *exec.Cmd) (int, error) {
	if child == nil {
		return -1, fmt.Errorf("create pid namespace: nil child: %w", unix.EINVAL)
	}
	// What else the caller wanted of its child (credentials, a session) stays,
	// in a copy: the structure may serve other commands.
	var attr syscall.SysProcAttr
	if child.SysProcAttr != nil {
		attr = *child.SysProcAttr
	}
	attr.Cloneflags |= unix.CLONE_NEWPID
	child.SysProcAttr = &attr

	// Run waits for this very child: a waitpid(-1) would take the first that
	// ends, whoever waits for it.
	status, err := exitStatus(child.Run())
	if err != nil {
		return -1, fmt.Errorf("create pid namespace: %w", err)
	}
	return status, nil
}

// IsContainerInit reports whether the caller is PID 1 of its PID namespace.
func (namespaces) IsContainerInit() bool { return os.Getpid() == 1 }

// DemonstratePIDIsolation shows one child with its two PIDs.
func (n namespaces) DemonstratePIDIsolation(w io.Writer) error {
	fmt.Fprintf(w, "Good morning! Out here Christof is PID %d.\n", os.Getpid())
	child := exec.Command("/bin/sh", "-c",
		`echo "In Seahaven Truman is PID $$, and his parent is PID $PPID: there is nobody outside."`)
	child.Stdout, child.Stderr = w, w
	status, err := n.CreatePIDNamespace(child)
	if err != nil {
		return fmt.Errorf("demonstrate pid isolation: %w", err)
	}
	_, err = fmt.Fprintf(w, "Out here he was PID %d all along; he left with status %d.\n", child.Process.Pid, status)
	return err
}

// exitStatus turns what [exec.Cmd.Wait] answered into an exit status. A command
// that did not exit by itself has none: -1, with the reason.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return -1, err
	}
}
