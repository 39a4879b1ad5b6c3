package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrune(t *testing.T) {
	c := Folder{t.TempDir()}
	old := time.Now().Add(-2 * keepFor)
	for i := range keepDrivers + 5 {
		path := c.driver(fmt.Sprintf("%03d", i))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, nil, 0o755))
		used := old.Add(-time.Duration(i) * time.Minute)
		must(t, os.Chtimes(path, used, used))
	}
	last := c.driver(fmt.Sprintf("%03d", keepDrivers+4))
	sum, err := sumOf(last)
	must(t, err)
	must(t, os.WriteFile(last+sumSuffix, []byte(sum), 0o600))
	if _, ok := c.Find(fmt.Sprintf("%03d", keepDrivers+4)); !ok {
		t.Fatal("not found")
	}
	c.prune()
	got := list(filepath.Join(c.Dir, "drivers"), "driver")
	if len(got) != keepDrivers || filepath.Base(got[0].path) != fmt.Sprintf("%03d", keepDrivers+4) {
		t.Errorf("kept %d, newest %v; want %d, and the one just used first", len(got), got[0], keepDrivers)
	}
}

// TestSweep: the next grader removes what a killed one left, and nothing of one
// that lives.
func TestSweep(t *testing.T) {
	c := Folder{t.TempDir()}
	must(t, os.MkdirAll(filepath.Join(c.Dir, "tmp", "build-left", "module"), 0o700))
	running, remove, err := c.Temp()
	must(t, err)
	must(t, c.Claim())
	if _, err := os.Stat(filepath.Join(c.Dir, "tmp", "build-left")); err == nil {
		t.Error("a killed build is still there")
	}
	if _, err := os.Stat(running); err != nil {
		t.Errorf("a running build was removed: %v", err)
	}
	remove()
	if _, err := os.Stat(running); err == nil {
		t.Error("a removed build is still there")
	}
}

func TestPruneBySize(t *testing.T) {
	c := Folder{t.TempDir()}
	old := time.Now().Add(-2 * keepFor)
	for i := range 4 {
		path := c.driver(fmt.Sprint(i))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, nil, 0o755))
		must(t, os.Truncate(path, keepBytes/3))
		used := old.Add(-time.Duration(i) * time.Minute)
		must(t, os.Chtimes(path, used, used))
	}
	c.prune()
	if got := list(filepath.Join(c.Dir, "drivers"), "driver"); len(got) != 3 {
		t.Errorf("kept %d; want 3", len(got))
	}
}
