package box

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTrueProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "true")
	if err := makeTrue(path); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(path).CombinedOutput(); err != nil || len(text) > 0 {
		t.Errorf("%v, and it says %q; want the status 0, and nothing", err, text)
	}
}
