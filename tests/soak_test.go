package tests

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSoak is `make soak` in short: gradings in a row and side by side agree.
func TestSoak(t *testing.T) {
	cmd := exec.Command("bash", "tests/soak.sh", filepath.Join(bin, "moulinette"), "2")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "soak: 2 in a row and 8 side by side agree") {
		t.Errorf("%v\n%s", err, out)
	}
}
