package reference

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// stopGrace is how long a container that was asked to end may take.
const stopGrace = 500 * time.Millisecond

// container is what a configuration keeps in Private: one first process and
// what was set up outside for it. It is used by one goroutine at a time.
type container struct {
	cmd   *exec.Cmd
	ended bool // and reaped: its PID may be somebody else's by now
	undo  []func() error
}

// ContainerInit fills the unset fields of cfg.
func (namespaces) ContainerInit(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("container init: nil config: %w", unix.EINVAL)
	}
	if cfg.Hostname == "" {
		cfg.Hostname = "container"
	}
	if cfg.PID == 0 {
		cfg.PID = -1
	}
	cfg.CloneFlags = cloneFlags(cfg)
	return nil
}

// ContainerStart creates the container unless it runs.
func (n namespaces) ContainerStart(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("container start: nil config: %w", unix.EINVAL)
	}
	if running(cfg) {
		return nil
	}
	return n.ContainerCreate(cfg)
}

// ContainerWait waits for the container's end and returns its exit status.
func (namespaces) ContainerWait(cfg *contract.ContainerConfig) (int, error) {
	if cfg == nil {
		return -1, fmt.Errorf("container wait: nil config: %w", unix.EINVAL)
	}
	if !running(cfg) {
		return -1, fmt.Errorf("container wait: nothing to wait for: %w", unix.ECHILD)
	}
	status, err := exitStatus(known(cfg).collect(cfg))
	if err != nil {
		return -1, fmt.Errorf("container wait: %w", err)
	}
	return status, nil
}

// ContainerStop ends the container: politely first. PID 1 of a namespace gets
// no signal from outside that it has no handler for, SIGKILL excepted.
func (namespaces) ContainerStop(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("container stop: nil config: %w", unix.EINVAL)
	}
	if known(cfg) == nil {
		return fmt.Errorf("container stop: never created: %w", unix.ESRCH)
	}
	if err := stop(cfg); err != nil {
		return fmt.Errorf("container stop: %w", err)
	}
	return nil
}

// ContainerCleanup gives everything back. What cannot be given back does not
// keep the rest from it.
func (namespaces) ContainerCleanup(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("container cleanup: nil config: %w", unix.EINVAL)
	}
	closeSyncPipe(cfg)
	err := stop(cfg)
	if c := known(cfg); c != nil {
		err = errors.Join(err, c.disconnect())
	}
	cfg.PID = -1
	if err != nil {
		return fmt.Errorf("container cleanup: %w", err)
	}
	return nil
}

// ContainerPrintStatus writes a few lines about the container.
func (namespaces) ContainerPrintStatus(w io.Writer, cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("container print status: nil config: %w", unix.EINVAL)
	}
	fmt.Fprintf(w, "container %q\n", cfg.Hostname)
	fmt.Fprintf(w, "  command  %s\n", strings.Join(cfg.Cmd, " "))
	if root := rootfsOf(cfg); root != "" {
		fmt.Fprintf(w, "  rootfs   %s\n", root)
	}
	_, err := fmt.Fprintf(w, "  state    %s\n", state(cfg))
	return err
}

func state(cfg *contract.ContainerConfig) string {
	switch {
	case running(cfg):
		return fmt.Sprintf("on the air, as PID %d", cfg.PID)
	case known(cfg) == nil:
		return "not created"
	case cfg.Status.Signaled():
		return fmt.Sprintf("ended by signal %d (%v)", cfg.Status.Signal(), cfg.Status.Signal())
	default:
		return fmt.Sprintf("ended with status %d", cfg.Status.ExitStatus())
	}
}

// stop ends and reaps the container of cfg, if one runs.
func stop(cfg *contract.ContainerConfig) error {
	if !running(cfg) {
		return nil
	}
	c := known(cfg)
	end := make(chan error, 1)
	go func() { end <- c.awaitEnd() }()
	c.signal(unix.SIGTERM)
	select {
	case <-end:
	case <-time.After(stopGrace):
		c.signal(unix.SIGKILL)
		<-end
	}
	return unlessExit(c.collect(cfg))
}

// unlessExit forgives a command for the way it ended, when what counts is that
// it did.
func unlessExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// signal reaches the whole session of the container. Its leader is not reaped
// yet, so nobody else can have been given the number; that it has nobody left
// to signal is no news.
func (c *container) signal(sig syscall.Signal) {
	_ = unix.Kill(-c.cmd.Process.Pid, sig)
}

// awaitEnd waits until the first process has ended, and leaves it a zombie, so
// that its PID stays its own for now.
func (c *container) awaitEnd() error {
	for {
		err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// collect waits for the first process, ends what it left running, reaps it, and
// answers what [exec.Cmd.Wait] does. Where there is a PID namespace the kernel
// has done the second part. Elsewhere the session stands in for one; a process
// that began its own (setsid) gets away.
func (c *container) collect(cfg *contract.ContainerConfig) error {
	c.ended = true // there is nothing to wait for twice
	if err := c.awaitEnd(); err != nil {
		// Somebody's waitpid(-1) was faster.
		return errors.Join(err, c.cmd.Process.Release())
	}
	c.signal(unix.SIGKILL)
	err := c.cmd.Wait()
	if state := c.cmd.ProcessState; state != nil {
		cfg.Status = state.Sys().(syscall.WaitStatus)
	}
	return err
}

// disconnect undoes what was set up outside, the last first, once.
func (c *container) disconnect() error {
	var errs []error
	for i := len(c.undo) - 1; i >= 0; i-- {
		errs = append(errs, c.undo[i]())
	}
	c.undo = nil
	return errors.Join(errs...)
}

// known is the container that cfg was created as, nil if there is none.
func known(cfg *contract.ContainerConfig) *container {
	c, _ := cfg.Private.(*container)
	return c
}

// running tells whether cfg has a container that was not reaped yet.
func running(cfg *contract.ContainerConfig) bool {
	c := known(cfg)
	return c != nil && !c.ended
}

func closeSyncPipe(cfg *contract.ContainerConfig) {
	for i, end := range cfg.SyncPipe {
		if end != nil {
			end.Close()
			cfg.SyncPipe[i] = nil
		}
	}
}
