package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// entryVariable carries the configuration to the child. An environment entry
// needs no descriptor, so it can neither leak nor shift the student's own
// ExtraFiles; it is limited to 128 KiB (execve(2)).
const entryVariable = "TRUMAN_CONTAINER_CONFIG"

// Exit statuses of a container whose command did not run, as shells and
// container runtimes use them.
const (
	StatusSetupFailed   = 125
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// EntryCommand prepares the child side of a container: this program, executed
// again, in which [Container.ContainerEntry] is called with cfg. The state
// fields of cfg stay behind.
//
// It only prepares. The caller sets SysProcAttr.Cloneflags, hands over its end
// of the sync pipe (ExtraFiles[0] is descriptor 3 in the child), starts the
// command and waits for it. Two things to know about Go here: a child in a new
// user namespace whose maps are not written yet is nobody, and execve takes a
// nobody's capabilities away unless they are ambient
// (SysProcAttr.AmbientCaps); and Go's own UidMappings make the child the mapped
// user only if HostID is the caller's: otherwise they need a Credential.
// Standard output and error are the caller's.
//
// Calling it from within a ContainerEntry is allowed: a solution that unshares
// first executes itself a second time. Go tries pidfds out, with a child of its
// own, before the first command that a program starts. After
// unshare(CLONE_NEWPID) that child would be the new namespace's PID 1, and its
// end the end of all (ENOMEM): let os.FindProcess do it before.
func EntryCommand(cfg *ContainerConfig) (*exec.Cmd, error) {
	if cfg == nil {
		return nil, fmt.Errorf("entry command: nil config: %w", syscall.EINVAL)
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("entry command: %w", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"container-entry"}
	cmd.Env = append(os.Environ(), entryVariable+"="+string(text))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd, nil
}

// RunEntry calls rt.ContainerEntry and ends the process, if this process was
// started by [EntryCommand]; otherwise it returns at once. The grader's shim
// calls it before anything else, on the main thread.
func RunEntry(rt Container) {
	text, ok := os.LookupEnv(entryVariable)
	if !ok {
		return
	}
	os.Exit(runEntry(rt, text))
}

func runEntry(rt Container, text string) int {
	// The container's command must not inherit the configuration.
	if err := os.Unsetenv(entryVariable); err != nil {
		return StatusSetupFailed
	}
	var cfg ContainerConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, "container entry:", err)
		return StatusSetupFailed
	}
	err := rt.ContainerEntry(&cfg)
	if err == nil {
		err = errors.New("returned without executing the command")
	}
	fmt.Fprintln(os.Stderr, "container entry:", err)
	return entryStatus(err)
}

func entryStatus(err error) int {
	var execErr *ExecError
	switch {
	case !errors.As(err, &execErr):
		return StatusSetupFailed
	case errors.Is(err, syscall.ENOENT):
		return StatusNotFound
	default:
		return StatusNotExecutable
	}
}

// ExecError is what ContainerEntry may return when all was set up and only the
// command itself could not be executed.
type ExecError struct {
	Path string
	Err  error
}

func (e *ExecError) Error() string { return "exec " + e.Path + ": " + e.Err.Error() }

// Unwrap gives the errno.
func (e *ExecError) Unwrap() error { return e.Err }
