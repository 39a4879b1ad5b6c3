package tests

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A grading whose terminal is closed ends as one that is interrupted: nothing of it
// is left. One that was told to outlive its terminal (nohup) does so.
func TestHangup(t *testing.T) {
	// Whoever started us may have had us ignore it, and so our children.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for name, test := range map[string]struct {
		args []string
		code int
	}{
		"terminal closed": {nil, 130},
		"nohup":           {[]string{"nohup"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			args := append(test.args, filepath.Join(bin, "moulinette"), "grade", "../reference", "--only", "pid_isolation", "--lang", "en")
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			over := make(chan struct{})
			go func() { _ = cmd.Wait(); close(over) }()
			look := time.NewTicker(time.Millisecond)
			defer look.Stop()
			for len(childrenOf(cmd.Process.Pid)) == 0 { // it grades once it has an agent
				select {
				case <-look.C:
				case <-over:
					t.Fatalf("it has ended before it graded\n%s", said.String())
				}
			}
			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			<-over
			if code := cmd.ProcessState.ExitCode(); code != test.code || test.code != 0 && !strings.Contains(said.String(), "interrupted") {
				t.Errorf("exit code %d; want %d\n%s", code, test.code, said.String())
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("left in TMPDIR: %v, %v", left, err)
			}
		})
	}
}
