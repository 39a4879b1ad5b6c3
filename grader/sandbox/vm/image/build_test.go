package image

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// machine makes folders as /boot and /lib/modules are, with one kernel, and an
// agent.
func machine(t *testing.T) (root string, o Options) {
	t.Helper()
	root = t.TempDir()
	kernel := put(t, root, "boot/vmlinuz-"+testRelease, bz(packings["gzip"](t, elfKernel(notePVH))))
	moduleTree(t, filepath.Join(root, "lib/modules", testRelease))
	agent := put(t, root, "agent", elfFile(elf.ET_EXEC, elf.EM_X86_64, nil, ""))
	return root, Options{Kernel: kernel, Cache: filepath.Join(root, "cache"), Agent: agent}
}

func build(t *testing.T, o Options) *Image {
	t.Helper()
	built, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func refused(t *testing.T, o Options, want string) {
	t.Helper()
	_, err := Build(t.Context(), o)
	var u *Unusable
	if !errors.As(err, &u) || !strings.Contains(u.cause.en, want) || u.cure.en == "" || u.cause.fr == "" || u.cure.fr == "" {
		t.Errorf("got %v; want it unusable: %s", err, want)
	}
}

func TestBuildKeepsByContent(t *testing.T) {
	root, o := machine(t)
	first := build(t, o)
	before, err := os.Stat(first.Initrd)
	if err != nil {
		t.Fatal(err)
	}
	if again := build(t, o); *again != *first {
		t.Errorf("again %+v; want %+v", again, first)
	}
	after, err := os.Stat(first.Initrd)
	if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the archive was made twice")
	}
	o.Agent = put(t, root, "agent2", append(elfFile(elf.ET_EXEC, elf.EM_X86_64, nil, ""), '!'))
	other := build(t, o)
	if other.Key == first.Key || other.Initrd == first.Initrd || other.Kernel != first.Kernel {
		t.Errorf("another agent: got %+v beside %+v; want another archive with the same kernel", other, first)
	}
	put(t, root, "lib/modules/"+testRelease+"/kernel/net/bridge.ko", elfModule(testRelease))
	if more := build(t, o); more.Key == other.Key {
		t.Error("another module, and the same key")
	}
}

// TestBuildIsPrivate: others may neither read nor change what guests boot.
func TestBuildIsPrivate(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	_, o := machine(t)
	build(t, o)
	err := filepath.WalkDir(o.Cache, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := e.Info(); err != nil || info.Mode()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuildSideBySide(t *testing.T) {
	_, o := machine(t)
	var wait sync.WaitGroup
	results := make([]*Image, 8)
	for i := range results {
		wait.Go(func() {
			built, err := Build(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = built
		})
	}
	wait.Wait()
	for _, r := range results {
		if r == nil || *r != *results[0] {
			t.Errorf("got %+v and %+v", r, results[0])
		}
	}
	if left, err := os.ReadDir(filepath.Join(o.Cache, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBuildChecksTheSum(t *testing.T) {
	_, o := machine(t)
	sum, err := hashFile(o.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	o.SHA256 = strings.ToUpper(sum)
	build(t, o)
	o.SHA256 = strings.Repeat("0", 64)
	refused(t, o, "its sha256 is "+sum)
}

func TestBuildFindsModules(t *testing.T) {
	for _, place := range []string{"lib/modules/" + testRelease, "usr/lib/modules/" + testRelease, "boot/modules", "boot"} {
		root, o := machine(t)
		if err := os.RemoveAll(filepath.Join(root, "lib")); err != nil {
			t.Fatal(err)
		}
		refused(t, o, "are nowhere")
		moduleTree(t, filepath.Join(root, place))
		build(t, o)
	}
	root, o := machine(t)
	for _, dir := range []string{"/lib/modules", "/lib/modules/", "/lib/modules/" + testRelease, "/lib/modules/" + testRelease + "/"} {
		o.Modules = root + dir
		build(t, o)
	}
	o.Modules = root
	refused(t, o, "are nowhere")
}

func TestBuildRefusesAgents(t *testing.T) {
	root, o := machine(t)
	o.Agent = put(t, root, "script", []byte("#!/bin/sh"))
	refused(t, o, "no executable")
	o.Agent = put(t, root, "arm", elfFile(elf.ET_EXEC, elf.EM_AARCH64, nil, ""))
	refused(t, o, "EM_AARCH64")
	o.Agent = "/bin/sh"
	refused(t, o, "dynamically")
}

// TestHost: of this machine's kernels the newest that works is taken, and the
// cache then knows it; a given one it keeps for whoever gives it, until that is one
// of this machine's own.
func TestHost(t *testing.T) {
	root, o := machine(t)
	older := bz(packings["gzip"](t, elfKernel(notePVH)))
	put(t, root, "boot/vmlinuz-6.1.0-1-test", older)
	put(t, root, "boot/vmlinuz-6.1.0-10-test", []byte("not a kernel, and the newest"))
	build(t, o)
	s, err := openStore(o.Cache)
	if err != nil {
		t.Fatal(err)
	}
	if k := s.best(); k != nil {
		t.Errorf("a given kernel is kept for everybody: %+v", k)
	}
	k, err := s.host(root)
	if err != nil || k.Origin != o.Kernel {
		t.Fatalf("got %+v, %v; want %s", k, err, o.Kernel)
	}
	build(t, o) // which does not take it away again
	if best := s.best(); best == nil || best.key != k.key {
		t.Errorf("the cache offers %+v; want %+v", best, k)
	}
	if err := os.Rename(k.dir, filepath.Join(filepath.Dir(k.dir), unfinished[0]+"gone-"+k.key)); err != nil {
		t.Fatal(err)
	}
	if best := s.best(); best != nil {
		t.Errorf("the cache offers %+v, which is half gone", best)
	}
	if k, err = s.host(root); err != nil {
		t.Fatal(err)
	}
	o.Kernel = ""
	if built := build(t, o); built.Release != testRelease || built.Origin != k.Origin {
		t.Errorf("got %+v", built)
	}
}

func TestHostSaysWhyNot(t *testing.T) {
	root, o := machine(t)
	if err := os.RemoveAll(filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	put(t, root, "boot/vmlinuz-9", []byte("no kernel"))
	s, err := openStore(o.Cache)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.host(root)
	if k != nil || err == nil || !strings.Contains(err.Error(), "vmlinuz-9: no Linux kernel") || !strings.Contains(err.Error(), "are nowhere") {
		t.Errorf("got %+v, %v; want a reason for each kernel", k, err)
	}
}

// TestLockEndsWithItsContext: while another grader fetches, one may give up.
func TestLockEndsWithItsContext(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want it cancelled", err)
	}
	unlock()
	unlock, err = s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestCompareReleases(t *testing.T) {
	rising := []string{"0-rescue", "5.4.0-9-generic", "5.4.0-10-generic", "5.10.0-1", "6.1.0-56-cloud-amd64", "6.1.0-056-cloud-amd64x", "6.1.0-٣", "6.1.0-٣x"}
	for i, a := range rising {
		for j, b := range rising {
			if got := compareReleases(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s, %s: %d", a, b, got)
			}
		}
	}
}

func TestParseDepends(t *testing.T) {
	text := `Package: linux-image-virtual
Depends: linux-image-6.8.0-31-generic (= 6.8) | other, kmod, linux-modules-6.8.0-31-generic, linux-base (>= 4.5)

Package: linux-image-virtual
Depends: linux-image-older
`
	if got := strings.Join(parseDepends(text), " "); got != "linux-image-6.8.0-31-generic linux-modules-6.8.0-31-generic" {
		t.Errorf("got %q", got)
	}
}
