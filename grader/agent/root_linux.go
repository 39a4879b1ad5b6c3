package agent

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Descriptors and the variable that the grader hands to an agent.
const (
	ConnFD      = 3 // a stream socket: messages
	mapsFD      = 4 // a pipe: one byte once the agent's own id maps are written
	MapsPending = "MOULINETTE_MAPS"
)

// mapsWritten is the value of [MapsPending] of an agent that has become root.
const mapsWritten = "written"

// BecomeRoot makes an agent that was started in a user namespace of its own (by
// an ordinary user) root of it, once its maps are written: it executes itself
// again as root. For real root it does nothing. how is the value of [MapsPending] in its
// environment.
//
// The ids are those of this thread alone until then. To change them for all, Go
// sends each thread a real-time signal, and waits for ever where another program of
// the user has filled its queue (RLIMIT_SIGPENDING is the user's, not the process's).
func BecomeRoot(how string, environ []string) error {
	switch how {
	case "":
		return nil
	case mapsWritten:
		// It was called "exe" by now, as what was executed; the name is for people.
		_ = os.WriteFile("/proc/self/comm", []byte("moulinette-agent"), 0)
		// Changing ids cleared the parent-death signal (prctl(2)). If the grader is
		// gone already, the connection says so.
		return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	}
	word := make([]byte, 1)
	if n, err := unix.Read(mapsFD, word); n != 1 {
		return fmt.Errorf("agent: the grader did not write the id maps: %w", errors.Join(err, unix.ECHILD))
	}
	if err := unix.Close(mapsFD); err != nil {
		return err
	}
	runtime.LockOSThread()
	if how == "range" {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			return fmt.Errorf("agent: setgroups: %w", errno)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); errno != 0 {
		return fmt.Errorf("agent: setresgid: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); errno != 0 {
		return fmt.Errorf("agent: setresuid: %w", errno)
	}
	environ = slices.DeleteFunc(slices.Clone(environ), func(v string) bool { return strings.HasPrefix(v, MapsPending+"=") })
	environ = append(environ, MapsPending+"="+mapsWritten)
	return fmt.Errorf("agent: execute itself: %w", unix.Exec("/proc/self/exe", os.Args, environ))
}
