package box

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTrueProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "true")
	if err := os.WriteFile(path, trueProgram(), 0o755); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(path).CombinedOutput(); err != nil || len(text) > 0 {
		t.Errorf("%v, and it says %q; want the status 0, and nothing", err, text)
	}
}
