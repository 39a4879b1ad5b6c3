package vm_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/sandbox/vm"
	"moulinette/grader/sandbox/vm/image"
)

// A machine that stands is not thrown away because the disk is full.
func TestFullDiskCostsNoMachine(t *testing.T) {
	cache := t.TempDir()
	if err := fetchKernel(cache); err != nil {
		t.Fatal(err)
	}
	bases := filepath.Join(cache, "bases")
	if err := os.Mkdir(bases, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", bases, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no small disk can be had here:", err)
	}
	defer unix.Unmount(bases, unix.MNT_DETACH)
	old := filepath.Join(bases, "old")
	if err := os.CopyFS(old, fstest.MapFS{"facts.json": {Data: []byte(`{"boot": "of yesterday"}`)}}); err != nil {
		t.Fatal(err)
	}
	used := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, used, used); err != nil {
		t.Fatal(err)
	}
	op, err := vm.New(t.Context(), vm.Options{Agent: built.agent, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Unkept(); !errors.Is(err, unix.ENOSPC) || !errors.Is(err, image.ErrCache) {
		t.Errorf("it was not kept because of %v; want no space", err)
	}
	if left, err := os.ReadDir(bases); err != nil || len(left) != 1 { // the lock; what this host has no use for is gone
		t.Errorf("left there: %v, %v", left, err)
	}
	s, err := op.Open(t.Context(), built.exits, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
