package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func names(modules []*module) (names []string) {
	for _, m := range modules {
		names = append(names, m.name)
	}
	return names
}

func loadTree(t *testing.T, dir string) ([]*module, error) {
	t.Helper()
	tr, err := readTree(dir)
	if err != nil {
		return nil, err
	}
	return tr.load(testRelease)
}

func TestLoadOrder(t *testing.T) {
	dir := t.TempDir()
	moduleTree(t, dir)
	modules, err := loadTree(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"virtio_ring", "virtio_pci", "virtio_console", "veth"}
	if diff := cmp.Diff(want, names(modules)); diff != "" {
		t.Error(diff)
	}
	for _, m := range modules {
		if !bytes.HasPrefix(m.data, []byte(elf.ELFMAG)) {
			t.Errorf("%s is not unpacked", m.name)
		}
	}
}

func TestLoadTakesWhatIsWelcome(t *testing.T) {
	dir := t.TempDir()
	moduleTree(t, dir)
	put(t, dir, "kernel/net/bridge.ko", elfModule(testRelease, "stp"))
	put(t, dir, "kernel/net/stp.ko", elfModule(testRelease))
	modules, err := loadTree(t, dir)
	if got := names(modules); err != nil || !cmp.Equal(got[len(got)-2:], []string{"stp", "bridge"}) {
		t.Errorf("got %v, %v; want stp and bridge at the end", got, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		data []byte
		want string
	}{
		"of another kernel":   {"kernel/drivers/net/veth.ko.gz", packings["gzip"](t, elfModule("5.5.5")), "for 5.5.5"},
		"dependency missing":  {"kernel/drivers/virtio/virtio_pci.ko", elfModule(testRelease, "gone"), "no module gone"},
		"truncated":           {"kernel/drivers/virtio/virtio_pci.ko", elfModule(testRelease)[:200], "no module:"},
		"packed one damaged":  {"kernel/drivers/net/veth.ko.gz", []byte("\x1f\x8bnonsense"), "damaged"},
		"packed one is plain": {"kernel/drivers/net/veth.ko.gz", elfModule(testRelease), "damaged"},
		"text":                {"kernel/drivers/virtio/virtio_pci.ko", []byte("a module"), "no module:"},
		"other machine":       {"kernel/drivers/virtio/virtio_pci.ko", elfFile(elf.ET_REL, elf.EM_AARCH64, nil, "vermagic=1 \x00"), "EM_AARCH64"},
		"says nothing":        {"kernel/drivers/virtio/virtio_pci.ko", elfFile(elf.ET_REL, elf.EM_X86_64, nil, "license=GPL\x00"), "vermagic"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			moduleTree(t, dir)
			put(t, dir, c.file, c.data)
			_, err := loadTree(t, dir)
			var refused *Unusable
			if !errors.As(err, &refused) || !strings.Contains(refused.cause.en, c.want) || refused.cure.en == "" {
				t.Errorf("got %v; want it unusable: %s", err, c.want)
			}
		})
	}
}

func TestLoadRefusesAKernelWithoutAChannel(t *testing.T) {
	dir := t.TempDir()
	moduleTree(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "kernel/drivers/char")); err != nil {
		t.Fatal(err)
	}
	_, err := loadTree(t, dir)
	var refused *Unusable
	if !errors.As(err, &refused) || !strings.Contains(refused.cause.en, "virtio_console") {
		t.Errorf("got %v; want virtio_console missed", err)
	}
}

// TestLoadEndsInCircles: depmod sees to it that there are none; a hostile folder
// has seen no depmod.
func TestLoadEndsInCircles(t *testing.T) {
	dir := t.TempDir()
	moduleTree(t, dir)
	put(t, dir, "kernel/drivers/net/veth.ko.gz", packings["gzip"](t, elfModule(testRelease, "veth", "round")))
	put(t, dir, "round.ko", elfModule(testRelease, "veth"))
	modules, err := loadTree(t, dir)
	if err != nil || len(modules) != 5 {
		t.Errorf("got %v, %v", names(modules), err)
	}
}

// FuzzModinfo: whatever a module says of itself, reading it ends.
func FuzzModinfo(f *testing.F) {
	f.Add(elfModule(testRelease, "a", "b-c"))
	f.Add(elfModule("")[:150])
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := readModinfo(data)
		if err == nil && info.release == "" {
			t.Fatal("a module of no kernel")
		}
	})
}
