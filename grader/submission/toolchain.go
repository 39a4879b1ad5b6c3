package submission

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxOutput bounds what is kept of the compiler's words.
const maxOutput = 64 << 10

// Runner executes a command to its end; the command's output is set. It is the
// seam for compiling in a sandbox: whoever compiles a stranger's text may want
// to do it elsewhere.
type Runner func(ctx context.Context, command Command) error

// Command is one run of the go command.
type Command struct {
	Args   []string // Args[0] is the executable
	Dir    string   // where to run; the one folder that it has to write to, with Env's GOCACHE, is above it
	Env    []string // the whole environment
	Output *bytes.Buffer
}

// buildFlags and buildEnv pin what an executable depends on: nothing of the
// user's settings, no network, no C compiler, no other toolchain.
var (
	buildFlags = []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	buildEnv   = []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + runtime.GOARCH, "GOENV=off", "GOFLAGS=", "GOPROXY=off",
		"GOSUMDB=off", "GOTOOLCHAIN=local", "GOWORK=off", "GO111MODULE=on", "GOEXPERIMENT=", "LC_ALL=C",
	}
)

// toolchain is what the go command says about itself.
type toolchain struct {
	path                          string
	version, buildCache, modCache string
	proxy                         string // the user's GOPROXY
}

// findTool asks the go command where its caches are.
func (b *Builder) findTool(ctx context.Context) (t toolchain, err error) {
	name := b.Go
	if name == "" {
		name = "go"
	}
	if t.path, err = exec.LookPath(name); err != nil {
		return t, fmt.Errorf("go command: %w", err)
	}
	cmd := exec.CommandContext(ctx, t.path, "env", "-json", "GOVERSION", "GOCACHE", "GOMODCACHE", "GOPROXY")
	cmd.Dir = "/"
	cmd.Env = append(cmd.Environ(), "GOTOOLCHAIN=local", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("go env: %w", err)
	}
	var said struct{ GOVERSION, GOCACHE, GOMODCACHE, GOPROXY string }
	if err := json.Unmarshal(out, &said); err != nil {
		return t, fmt.Errorf("go env: %w", err)
	}
	t.version, t.buildCache, t.modCache, t.proxy = said.GOVERSION, said.GOCACHE, said.GOMODCACHE, said.GOPROXY
	if !ours(t.buildCache) {
		t.buildCache = filepath.Join(b.cache.dir, "go-build")
	}
	return t, nil
}

// ours tells whether a build cache can be shared: root must not leave files in
// somebody else's.
func ours(dir string) bool {
	if dir == "" || dir == "off" {
		return false
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		st, ok := (*syscall.Stat_t)(nil), false
		if err == nil {
			st, ok = info.Sys().(*syscall.Stat_t)
		}
		return ok && int(st.Uid) == os.Geteuid()
	}
}

// goBuild compiles dir/module into dir/driver and answers what the go command
// printed.
func (b *Builder) goBuild(ctx context.Context, dir string) ([]byte, error) {
	timeout := cmp.Or(b.Timeout, 2*time.Minute)
	timed, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w %v", errTimeout, timeout))
	defer cancel()
	env, err := b.environment(dir)
	if err != nil {
		return nil, err
	}
	args := append([]string{b.toolchain.path, "build"}, buildFlags...)
	command := Command{
		Args: append(args, "-o", filepath.Join(dir, "driver"), "."),
		Dir:  filepath.Join(dir, "module"), Env: env, Output: &bytes.Buffer{},
	}
	run := b.Run
	if run == nil {
		run = Here
	}
	if err = run(timed, command); err != nil && timed.Err() != nil {
		err = context.Cause(timed)
	}
	return command.Output.Bytes(), err
}

var (
	errTimeout = errors.New("not finished after")
	errModules = errors.New("modules that submissions may import are missing, and cannot be downloaded; run `go mod download` in the moulinette's repository with a network")
)

// modulesMissing is in the go command's words when it lacks a module. What may be
// imported is known before (see rules), so that is never the submission's fault.
const modulesMissing = "disabled by GOPROXY=off"

// fetch downloads what submissions may import, by the user's own proxy. What is
// fetched, and its sums, stand in our go.mod and go.sum: a submission has no say.
func (b *Builder) fetch(ctx context.Context, dir string) error {
	env, err := b.environment(dir)
	if err != nil {
		return err
	}
	command := Command{
		Args: []string{b.toolchain.path, "mod", "download"}, Dir: filepath.Join(dir, "module"),
		Env: append(env, "GOPROXY="+b.toolchain.proxy), Output: &bytes.Buffer{},
	}
	if err := Here(ctx, command); err != nil {
		return fmt.Errorf("%w: %w: %s", errModules, err, bytes.TrimSpace(command.Output.Bytes()))
	}
	return nil
}

// environment is the go command's, with a home of its own that says no to
// telemetry.
func (b *Builder) environment(dir string) ([]string, error) {
	home, tmp := filepath.Join(dir, "home"), filepath.Join(dir, "tmp")
	telemetry := filepath.Join(home, ".config", "go", "telemetry")
	err := errors.Join(os.MkdirAll(telemetry, 0o700), os.MkdirAll(tmp, 0o700),
		os.WriteFile(filepath.Join(telemetry, "mode"), []byte("off"), 0o600),
		os.MkdirAll(b.toolchain.buildCache, 0o755))
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	return append([]string{
		"HOME=" + home, "TMPDIR=" + tmp, "PATH=" + filepath.Dir(b.toolchain.path),
		"GOCACHE=" + b.toolchain.buildCache, "GOMODCACHE=" + b.toolchain.modCache,
	}, buildEnv...), nil
}

// Limits of each process of a compilation: a text of a few lines can ask for
// any amount.
const (
	maxFile   = 256 << 20
	maxMemory = 3 << 30
)

// Here is the Runner without a sandbox: a child in a process group of its own,
// which dies with us and is killed as a whole when ctx ends.
func Here(ctx context.Context, c Command) error {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	out := &bounded{buffer: c.Output}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	// Pdeathsig is about the thread that forked: it has to stay until the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	limitErr := limit(cmd.Process.Pid)
	return errors.Join(cmd.Wait(), limitErr)
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
