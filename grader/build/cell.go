package build

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
	"moulinette/grader/submission"
)

// maxOutput bounds what is kept of the compiler's words.
const maxOutput = 64 << 10

// cell is where a compiler runs; the zero value is this host as it is, where
// nothing but limits stands between it and a stranger's text.
type cell struct {
	self string // a binary with the face of the jail
	kind jail.Kind
}

// Boxed tells, after a Build, what a compiler of this language is kept in:
// "namespaces", "landlock", or "nothing".
func (b *Builder) Boxed(l submission.Language) string {
	kind := b.toolchain.cell.kind
	if l == submission.C17 {
		kind = b.cTool.cell.kind
	}
	if kind == "" {
		return "nothing"
	}
	return string(kind)
}

// Look finds out what a compiler of Go would be kept in here, for [Builder.Boxed].
func (b *Builder) Look(ctx context.Context) error {
	b.once.Do(func() { b.toolErr = b.prepare(ctx) })
	return b.toolErr
}

// findCell looks for the best cell in which a harmless command comes to its end.
func (b *Builder) findCell(ctx context.Context, args, shown []string) (cell, error) {
	if b.Jail == "" {
		return cell{}, nil
	}
	if err := b.place(); err != nil {
		return cell{}, err
	}
	dir, remove, err := b.cache.Temp()
	if err != nil {
		return cell{}, err
	}
	defer remove()
	if err := noTelemetry(dir); err != nil {
		return cell{}, fmt.Errorf("cache: %w", err)
	}
	folders := []jail.Folder{{Host: dir, Write: true}}
	for _, s := range shown {
		if _, err := os.Stat(s); err == nil {
			folders = append(folders, jail.Folder{Host: s})
		}
	}
	env := []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "GOTOOLCHAIN=local", "LC_ALL=C"}
	for _, kind := range jail.Kinds() {
		c := cell{b.Jail, kind}
		if err := c.run(ctx, dir, jail.Plan{Dir: dir, Args: args, Env: env, Folders: folders}, &bytes.Buffer{}); err == nil {
			return c, nil
		}
	}
	return cell{}, ctx.Err()
}

// run executes a plan to its end. The new root is mounted over own/root.
func (c cell) run(ctx context.Context, own string, p jail.Plan, out *bytes.Buffer) error {
	p.Kind, p.Root = c.kind, filepath.Join(own, "root")
	if err := os.MkdirAll(p.Root, 0o700); err != nil {
		return err
	}
	cmd, err := jail.Command(ctx, c.self, p)
	if err != nil {
		return err
	}
	return supervised(cmd, out, func(int) error { return nil })
}

// Limits of each process of a compilation: a text of a few lines can ask for
// any amount.
const (
	maxFile   = 256 << 20
	maxMemory = 3 << 30
)

// Here is the Runner without a sandbox: only limits, and nothing that outlives
// the command.
func Here(ctx context.Context, c Command) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return supervised(cmd, c.Output, limit)
}

// supervised runs a child that leads a process group of its own, which dies with
// us and is killed as a whole when its context ends.
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
	return errors.Join(cmd.Wait(), startedErr)
}

func limit(pid int) error {
	for resource, most := range map[int]uint64{unix.RLIMIT_FSIZE: maxFile, unix.RLIMIT_DATA: maxMemory, unix.RLIMIT_CORE: 0} {
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
