package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/lack"
	"moulinette/grader/sandbox/vm/image"
)

// agentAlone makes a static program that stands in for the agent, a QEMU that is never
// started, and a cache without a kernel.
func agentAlone(t *testing.T) (a *app, cache string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("PATH", dir)
	var program bytes.Buffer
	_ = binary.Write(&program, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64,
	})
	for _, name := range []string{"agent", "qemu-system-x86_64"} {
		if err := os.WriteFile(filepath.Join(dir, name), program.Bytes(), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cache = machineCache(filepath.Join(dir, "moulinette"))
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	return &app{stdout: io.Discard, stderr: io.Discard, env: os.Getenv, agent: filepath.Join(dir, "agent")}, cache
}

// What is done before the first scenario belongs to a grading as the rest does: here
// somebody else makes a kernel, for ever.
func TestTimeoutCoversThePlace(t *testing.T) {
	a, cache := agentAlone(t)
	unlock, err := image.Lock(t.Context(), filepath.Join(cache, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = a.grade(ctx, t.TempDir(), gradeFlags{
		spec: "ex02", timeout: 100 * time.Millisecond, isolation: isolation{kind: "vm"}, output: outputs{format: "text"},
	})
	failed, ok := errors.AsType[*failure](err)
	if !ok || failed.code != exitHarness || !strings.HasPrefix(err.Error(), "the time limit of the grading, 100ms") {
		t.Errorf("got %v; want the time limit, and exit code %d", err, exitHarness)
	}
	if got := lack.In("fr", err); !strings.HasPrefix(got, "la limite de temps de la correction") {
		t.Errorf("in French: %s", got)
	}
}

// A cache that is there and cannot be written in is as none.
func TestCacheThatCannotBeWrittenTo(t *testing.T) {
	base := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", base)
	if err := os.Mkdir(filepath.Join(base, "moulinette"), 0o500); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: what root gives up here it does not get back
		done <- func() error {
			if err := bound(); err != nil {
				return err
			}
			dir, remove, err := cacheDir()
			if err != nil {
				return err
			}
			defer remove()
			return os.Mkdir(filepath.Join(dir, "drivers"), 0o700)
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// bound makes this thread of root one that permissions of files bind.
func bound() error {
	header, sets := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	sets[0].Permitted &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	return unix.Capset(&header, &sets[0])
}

// A cache that is full, or not ours, has its cure; a kernel that may not be read has another.
func TestMachineErrorHasItsCure(t *testing.T) {
	at := func(err error) error { return &os.PathError{Op: "open", Path: "/x", Err: err} }
	for _, test := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("vm: %w: %w", image.ErrCache, at(syscall.EACCES)), true},
		{fmt.Errorf("vm: %w: %w", image.ErrCache, at(syscall.ENOSPC)), true},
		{fmt.Errorf("vm: %w: %w", image.ErrCache, errors.New("apt-get: exit status 100: E: Write error - write (28: No space left on device)")), true},
		{errors.New("vm: base: put /bin/sh: write /bin/sh: no space left on device"), false},
		{fmt.Errorf("vm: kernel: %w", at(syscall.EACCES)), false},
	} {
		if got := strings.Contains((&machines{}).machineError(test.err).Error(), "XDG_CACHE_HOME"); got != test.want {
			t.Errorf("%v: got %v", test.err, (&machines{}).machineError(test.err))
		}
	}
}
