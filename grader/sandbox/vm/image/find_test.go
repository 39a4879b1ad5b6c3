package image

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A kernel counts that can be read, and has modules.
func TestUsable(t *testing.T) {
	root, _ := machine(t)
	usable := func() int {
		return len(slices.DeleteFunc(hostSources(root), func(src *source) bool { return !src.usable() }))
	}
	put(t, root, "boot/vmlinuz-9", []byte("no kernel"))
	if err := os.Symlink("nowhere", filepath.Join(root, "boot/vmlinuz-8")); err != nil {
		t.Fatal(err)
	}
	if got := usable(); got != 1 {
		t.Errorf("%d are usable; want 1", got)
	}
	if err := os.RemoveAll(filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	if got := usable(); got != 0 {
		t.Errorf("%d are usable without modules", got)
	}
}

// A kernel that is given or kept is at hand; that of the machine under test may be.
func TestAtHand(t *testing.T) {
	machine := slices.ContainsFunc(hostSources("/"), (*source).usable)
	dir := t.TempDir()
	if got := AtHand(Options{Cache: dir}); got != machine {
		t.Errorf("nothing kept: got %v; want %v", got, machine)
	}
	if _, err := os.Stat(filepath.Join(dir, kernels)); err == nil {
		t.Error("to look made a folder")
	}
	if !AtHand(Options{Cache: dir, Kernel: "vmlinuz"}) {
		t.Error("one that is given is not at hand")
	}
	kept := filepath.Join(dir, kernels, "key")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(kept, "about.json"), []byte(`{"layout": "`+layout+`", "release": "6.1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if !AtHand(Options{Cache: dir}) {
		t.Error("one that is kept is not at hand")
	}
}
