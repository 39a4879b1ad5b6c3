package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moulinette/grader/lack"
)

// extracted answers what the guest would boot of a kernel.
func extracted(t testing.TB, data []byte) ([]byte, error) {
	t.Helper()
	src := bytes.NewReader(data)
	k, err := readKernel("vmlinuz", src, int64(len(data)))
	if err != nil {
		return nil, err
	}
	dst, err := os.Create(filepath.Join(t.TempDir(), "kernel"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := k.extract(src, int64(len(data)), dst); err != nil {
		return nil, err
	}
	got, err := os.ReadFile(dst.Name())
	if err != nil {
		t.Fatal(err)
	}
	return got, nil
}

func TestExtract(t *testing.T) {
	pvh, bare := elfKernel(notePVH), elfKernel(note("GNU\x00", 18, nil))
	kernels := map[string]struct{ image, want []byte }{}
	for name, pack := range packings {
		image := bz(pack(t, pvh))
		kernels[name] = struct{ image, want []byte }{image, pvh}
		image = bz(pack(t, bare))
		kernels[name+" without PVH"] = struct{ image, want []byte }{image, image}
	}
	lzo := bz([]byte("\x89LZO\x00\r\n\x1a\n, which nobody here reads"))
	kernels["unknown packing"] = struct{ image, want []byte }{lzo, lzo}
	plain := append(elfKernel(notePVH), "Linux version 6.1.0 (me)"...)
	kernels["ELF"] = struct{ image, want []byte }{plain, plain}
	for name, k := range kernels {
		t.Run(name, func(t *testing.T) {
			if got, err := extracted(t, k.image); err != nil || !bytes.Equal(got, k.want) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(k.want))
			}
		})
	}
}

func TestRelease(t *testing.T) {
	far := append(elfKernel(notePVH), make([]byte, 3<<20)...)
	for name, k := range map[string]struct {
		image []byte
		want  string
	}{
		"bzImage": {bz(make([]byte, 100)), testRelease},
		"ELF":     {append(far, "Linux version 5.4.0-x (me)\n"...), "5.4.0-x"},
	} {
		got, err := readKernel(name, bytes.NewReader(k.image), int64(len(k.image)))
		if err != nil || got.release != k.want {
			t.Errorf("%s: got %+v, %v; want %s", name, got, err, k.want)
		}
	}
}

// TestRefused holds that what cannot boot is refused with the file, the cause
// and a cure.
func TestRefused(t *testing.T) {
	whole := bz(packings["gzip"](t, elfKernel(notePVH)))
	change := func(at int, to ...byte) []byte {
		image := bytes.Clone(whole)
		copy(image[at:], to)
		return image
	}
	lying := bz(binary.LittleEndian.AppendUint32(packings["zstd"](t, elfKernel(notePVH)), 5))
	arm := make([]byte, 0x300)
	copy(arm[0x38:], "ARM\x64")
	for name, k := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":             {nil, "lacks the boot protocol"},
		"text":              {bytes.Repeat([]byte("kernel "), 1000), "lacks the boot protocol"},
		"header cut":        {whole[:0x220], "truncated"},
		"payload cut":       {whole[:len(whole)-100], "truncated"},
		"huge payload":      {change(0x24c, 0xff, 0xff, 0xff, 0xff), "truncated"},
		"no payload":        {change(0x24c, 0, 0, 0, 0), "truncated"},
		"old protocol":      {change(0x206, 0x00, 0x02), "boot protocol 2.0"},
		"32 bits":           {change(0x236, 0), "32 bits"},
		"zImage":            {change(0x211, 0), "zImage"},
		"no release":        {change(0x300, 0), "release"},
		"path for release":  {change(0x300, []byte("6/../../etc ")...), "release"},
		"damaged payload":   {change(0x700, 1, 2, 3, 4, 5, 6, 7, 8), "damaged"},
		"lies of its size":  {lying, "damaged"},
		"arm64":             {arm, "arm64"},
		"EFI zboot":         {append([]byte("MZ\x00\x00zimg"), make([]byte, 0x300)...), "another architecture"},
		"ELF without PVH":   {elfKernel(nil), "PVH"},
		"ELF of arm64":      {elfFile(elf.ET_EXEC, elf.EM_AARCH64, notePVH, ""), "no kernel for x86-64"},
		"ELF cut":           {elfKernel(notePVH)[:100], "EOF"},
		"ELF without words": {elfKernel(notePVH), "release"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := extracted(t, k.image)
			var refused *Unusable
			if !errors.As(err, &refused) || !strings.Contains(refused.cause.en, k.want) || refused.Path != "vmlinuz" || refused.cure.en == "" {
				t.Fatalf("got %v; want it unusable: %s", err, k.want)
			}
			if fr := lack.In("fr", fmt.Errorf("kernel: %w", err)); !strings.HasPrefix(fr, "vmlinuz : ") || !strings.HasSuffix(fr, " ; "+cureKernel.fr) || strings.Contains(fr, "%!") {
				t.Errorf("in French: %s", fr)
			}
		})
	}
}

// A disk that is full is no fault of the kernel's.
func TestFullDiskIsNoDamage(t *testing.T) {
	data := bz(packings["gzip"](t, elfKernel(notePVH)))
	src := bytes.NewReader(data)
	k, err := readKernel("vmlinuz", src, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var refused *Unusable
	if err := k.extract(src, int64(len(data)), full); !errors.Is(err, syscall.ENOSPC) || errors.As(err, &refused) {
		t.Errorf("got %v; want no space", err)
	}
}

// TestUnpackIsBounded: a few bytes may unpack to any number.
func TestUnpackIsBounded(t *testing.T) {
	bomb := packings["gzip"](t, make([]byte, 4<<20))
	image := bz(append(bomb[:len(bomb)-4], 0, 0, 1, 0)) // announces 64 KiB
	dst := &counter{}
	k, err := readKernel("vmlinuz", bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.unpackTo(bytes.NewReader(image), dst); err == nil || dst.n > 1<<16+1 {
		t.Errorf("got %d bytes, %v; want an error after 64 KiB", dst.n, err)
	}
	if _, err := readAll(bytes.NewReader(make([]byte, 11)), 10); !errors.Is(err, errTooBig) {
		t.Errorf("11 bytes of 10: %v", err)
	}
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) { c.n += len(p); return len(p), nil }

// FuzzKernel: whatever a kernel says of itself, reading it ends, within bounds.
func FuzzKernel(f *testing.F) {
	f.Add(bz([]byte("\x1f\x8b short")))
	f.Add(bz([]byte("\xfd7zXZ\x00 short")))
	f.Add(bz([]byte("\x28\xb5\x2f\xfd short")))
	f.Add(bz([]byte("\x02\x21\x4c\x18 short")))
	f.Add(append(elfKernel(notePVH)[:400], "Linux version 1.2.3 "...))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := bytes.NewReader(data)
		k, err := readKernel("fuzz", src, int64(len(data)))
		if err != nil {
			return
		}
		if !release.MatchString(k.release) {
			t.Fatalf("release %q", k.release)
		}
		if k.form == bzImage {
			_, _ = k.unpackTo(src, &counter{})
		}
	})
}
