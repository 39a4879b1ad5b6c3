package driver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// The test binary plays all the parts: the driver of a small submission when
// this variable is set, its faces, and the probe when it is executed under that
// name.
const playVariable = "DRIVER_TEST_PLAYS"

func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	play := os.Getenv(playVariable)
	if path, ok := strings.CutPrefix(play, "driver:"); ok {
		if filepath.Base(os.Args[0]) == "probe" {
			os.Exit(playProbe(os.Args[1:]))
		}
		probePath, targetPath = path, path
		Main(submission)
		return
	}
	if len(os.Args) > 0 && os.Args[0] == "container-entry" {
		os.Exit(2) // never the tests again, in an endless chain
	}
	os.Exit(m.Run())
}

func playProbe(args []string) int {
	if len(args) == 0 {
		return 0
	}
	switch name, _, _ := strings.Cut(args[0], ":"); name {
	case "exit7":
		return 7
	case "thread":
		if os.Getenv("GODEBUG") != "" || os.Getenv("GOGC") != "" {
			return 3
		}
		return 0
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "wait":
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	return 0
}

// small is a submission of which little is right.
type small struct {
	contract.Unimplemented
	calls int
}

type secureSmall struct{ small }

// halfSecure has written one of the two methods of the bonus.
type halfSecure struct{ small }

func submission() contract.Runtime {
	switch os.Getenv("SUBMISSION") {
	case "panics":
		panic("in New")
	case "nil":
		return nil
	case "half-secure":
		return &halfSecure{}
	case "secure":
		return &secureSmall{}
	}
	return &small{}
}

func (s *small) IsContainerInit() bool { return true }

func (s *small) CreatePIDNamespace(child *exec.Cmd) (int, error) {
	if child == nil {
		return -1, fmt.Errorf("nil child: %w", unix.EINVAL)
	}
	if err := child.Run(); child.ProcessState == nil {
		return -1, err
	}
	return child.ProcessState.ExitCode(), nil
}

func (s *small) CreateVethPair(a, b string) error {
	s.calls++
	if s.calls == 3 {
		return fmt.Errorf("third call with %s %s: %w", a, b, unix.EEXIST)
	}
	return nil
}

func (s *small) InterfaceUp(string) error { panic("up\x1b[31m\xff") }

func (s *small) MakeMountShared(path string) error { return errors.New(strings.Repeat(path, 9000)) }

func (s *small) DenySetgroups(pid int) error { return fmt.Errorf("pid %d", pid) }

func (s *small) DropCapabilities(keep uint64) error {
	if keep == 0 {
		return fmt.Errorf("keep nothing: %w", unix.EPERM)
	}
	if unix.Gettid() != os.Getpid() {
		return errors.New("not on the main thread")
	}
	return nil
}

func (s *small) ContainerInit(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return unix.EINVAL
	}
	cfg.Hostname, cfg.PID = "container", -1
	return nil
}

func (s *small) ContainerCreate(cfg *contract.ContainerConfig) error {
	if len(cfg.Cmd) == 0 {
		return unix.EINVAL
	}
	cmd, err := contract.EntryCommand(cfg)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	cfg.PID, cfg.Private = cmd.Process.Pid, cmd
	return nil
}

func (s *small) ContainerWait(cfg *contract.ContainerConfig) (int, error) {
	cmd := cfg.Private.(*exec.Cmd)
	err := cmd.Wait()
	cfg.Status = cmd.ProcessState.Sys().(syscall.WaitStatus)
	if cfg.Status.Signaled() {
		return -1, err
	}
	return cfg.Status.ExitStatus(), nil
}

func (s *small) ContainerEntry(cfg *contract.ContainerConfig) error {
	return syscall.Exec(cfg.Cmd[0], cfg.Cmd, os.Environ())
}

func (s *secureSmall) SetupSeccompFilter(allowed []int) error {
	return fmt.Errorf("%d allowed, read %t, mount %t", len(allowed),
		slices.Contains(allowed, unix.SYS_READ), slices.Contains(allowed, unix.SYS_MOUNT))
}

func (s *secureSmall) ContainerCreateSecure(*contract.ContainerConfig) error { return nil }

func (s *halfSecure) ContainerCreateSecure(*contract.ContainerConfig) error { return unix.EBUSY }
