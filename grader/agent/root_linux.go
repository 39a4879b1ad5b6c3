package agent

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Descriptors and the variable that the grader hands to an agent.
const (
	ConnFD      = 3 // a stream socket: messages
	mapsFD      = 4 // a pipe: one byte once the agent's own id maps are written
	MapsPending = "MOULINETTE_MAPS"
)

// BecomeRoot makes an agent that was started in a user namespace of its own (by
// an ordinary user) root of it, once its maps are written. For real root it
// does nothing. how is the value of [MapsPending].
func BecomeRoot(how string) error {
	if how == "" {
		return nil
	}
	word := make([]byte, 1)
	if n, err := unix.Read(mapsFD, word); n != 1 {
		return fmt.Errorf("agent: the grader did not write the id maps: %w", errors.Join(err, unix.ECHILD))
	}
	if err := unix.Close(mapsFD); err != nil {
		return err
	}
	if how == "range" {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("agent: setgroups: %w", err)
		}
	}
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return fmt.Errorf("agent: setresgid: %w", err)
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return fmt.Errorf("agent: setresuid: %w", err)
	}
	// Changing ids cleared the parent-death signal (prctl(2)). If the grader is
	// gone already, the connection says so.
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}
