package cell

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestHereKillsTheGroup: a compiler's children must not outlive it.
func TestHereKillsTheGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	done := make(chan error, 1)
	go func() {
		done <- Here(ctx, Command{
			Args: []string{"/bin/sh", "-c", "sleep 1000 & echo $! > " + fifo + "; wait"}, Output: &bytes.Buffer{},
		})
	}()
	text, err := os.ReadFile(fifo)
	must(t, err)
	cancel()
	if err := <-done; err == nil {
		t.Error("got no error; want killed")
	}
	isDead(t, text)
}

// TestHereLeavesNobody: nor may they outlive one that has ended by itself, or hold its end up.
func TestHereLeavesNobody(t *testing.T) {
	out := &bytes.Buffer{}
	must(t, Here(t.Context(), Command{Args: []string{"/bin/sh", "-c", "sleep 1000 & echo $!"}, Output: out}))
	isDead(t, out.Bytes())
}

// isDead waits until the process is.
func isDead(t *testing.T, pid []byte) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the child of the child lives: %s", stat)
		}
	}
}

func TestLimits(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	must(t, limit(cmd.Process.Pid))
	var got unix.Rlimit
	must(t, unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &got))
	if got.Cur != MaxFile || got.Max != MaxFile {
		t.Errorf("got %+v; want %d", got, MaxFile)
	}
	_ = in.Close()
	must(t, cmd.Wait())
}

func TestHereBoundsOutput(t *testing.T) {
	var out bytes.Buffer
	err := Here(t.Context(), Command{
		Args: []string{"/bin/sh", "-c", "head -c 1000000 /dev/zero"}, Output: &out,
	})
	if err != nil || out.Len() != maxOutput {
		t.Errorf("got %d bytes, %v; want %d", out.Len(), err, maxOutput)
	}
}
