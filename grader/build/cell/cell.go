// Package cell runs a compiler to its end, in the jail or on this host as it is:
// with limits on what it takes and says, and with nothing left that outlives it.
//
// It does not know what is compiled.
package cell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/build/jail"
)

// maxOutput bounds what is kept of the compiler's words.
const maxOutput = 64 << 10

// Cell is where a compiler runs; the zero value is this host as it is, where
// nothing but limits stands between it and a stranger's text.
type Cell struct {
	Self string // a binary with the face of the jail
	Kind jail.Kind
	Hide []string // folders of the host that it does not show, whatever they lie in
}

// Run executes a plan to its end. The new root is mounted over own/root.
func (c Cell) Run(ctx context.Context, own string, p jail.Plan, out *bytes.Buffer) error {
	p.Kind, p.Hide, p.Root = c.Kind, c.Hide, filepath.Join(own, "root")
	if err := os.MkdirAll(p.Root, 0o700); err != nil {
		return err
	}
	cmd, err := jail.Command(ctx, c.Self, p)
	if err != nil {
		return err
	}
	return supervised(cmd, out, func(int) error { return nil })
}

// Limits of each process of a compilation: a text of a few lines can ask for
// any amount.
const (
	MaxFile   = 256 << 20
	MaxMemory = 3 << 30
)

// Runner executes a command to its end; the command's output is set. It is the
// seam for compiling elsewhere.
type Runner func(ctx context.Context, command Command) error

// Command is one run of the go command.
type Command struct {
	Args   []string // Args[0] is the executable
	Dir    string   // where to run; it lies in a folder that is the command's own, as do home and temporary files
	Env    []string // the whole environment
	Own    string   // that folder: the one place that a stranger's text may have written to
	Shown  []string // what it reads besides: toolchain, modules and build cache
	Caches bool     // the text is ours, so what is compiled may be kept in the build cache
	Output *bytes.Buffer
}

// Here is the Runner without a sandbox: only limits, and nothing that outlives
// the command.
func Here(ctx context.Context, c Command) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return supervised(cmd, c.Output, limit)
}

// supervised runs a child that leads a process group of its own, which dies with
// us, and is killed as a whole when the child has ended or its context has.
func supervised(cmd *exec.Cmd, output *bytes.Buffer, started func(pid int) error) error {
	out := &bounded{buffer: output}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	// Pdeathsig is about the thread that forked: it has to stay until the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	startedErr := started(cmd.Process.Pid)
	// Until it is reaped, nobody else can have its number.
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	_ = cmd.Cancel()
	return errors.Join(cmd.Wait(), startedErr)
}

func limit(pid int) error {
	for resource, most := range map[int]uint64{unix.RLIMIT_FSIZE: MaxFile, unix.RLIMIT_DATA: MaxMemory, unix.RLIMIT_CORE: 0} {
		var old unix.Rlimit
		if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
			return ignoreGone(err)
		}
		most = min(most, old.Max)
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(most, old.Cur), Max: most}, nil); err != nil {
			return ignoreGone(err)
		}
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return fmt.Errorf("limits: %w", err)
}

// bounded is a writer that forgets what comes after maxOutput.
type bounded struct{ buffer *bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	w.buffer.Write(p[:min(len(p), maxOutput-w.buffer.Len())])
	return len(p), nil
}
