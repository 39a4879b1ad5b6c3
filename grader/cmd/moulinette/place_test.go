package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
