package image

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Kernels and modules for tests: small, and whole enough for readers of ELF and
// of the boot protocol.

const testRelease = "6.1.0-7-test"

var notePVH = note("Xen\x00", 18, make([]byte, 8))

func note(name string, kind uint32, desc []byte) []byte {
	head := struct{ Name, Desc, Kind uint32 }{uint32(len(name)), uint32(len(desc)), kind}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, head)
	b.WriteString(name)
	b.Write(desc)
	return b.Bytes()
}

// elfFile makes one with a segment of notes and a section .modinfo.
func elfFile(kind elf.Type, machine elf.Machine, notes []byte, modinfo string) []byte {
	const header, program = 64, 56
	names := "\x00.modinfo\x00.shstrtab\x00"
	body := string(notes) + modinfo + names
	data := int64(header + program)
	at := uint64(data)
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1},
		Type:  uint16(kind), Machine: uint16(machine), Version: 1, Ehsize: header,
		Phoff: header, Phentsize: program, Phnum: 1,
		Shoff: at + uint64(len(body)), Shentsize: 64, Shnum: 3, Shstrndx: 2,
	}
	note := elf.Prog64{Type: uint32(elf.PT_NOTE), Off: at, Filesz: uint64(len(notes)), Memsz: uint64(len(notes)), Align: 4}
	at += uint64(len(notes))
	info := elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: at, Size: uint64(len(modinfo))}
	at += uint64(len(modinfo))
	strs := elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: at, Size: uint64(len(names))}
	var b bytes.Buffer
	for _, part := range []any{h, note, []byte(body), elf.Section64{}, info, strs} {
		_ = binary.Write(&b, binary.LittleEndian, part)
	}
	return b.Bytes()
}

// elfKernel is an unpacked kernel, of some size.
func elfKernel(notes []byte) []byte {
	return append(elfFile(elf.ET_EXEC, elf.EM_X86_64, notes, ""), strings.Repeat("Linux, and more of it. ", 10000)...)
}

func elfModule(release string, depends ...string) []byte {
	return elfFile(elf.ET_REL, elf.EM_X86_64, nil,
		"license=GPL\x00depends="+strings.Join(depends, ",")+"\x00vermagic="+release+" SMP mod_unload \x00")
}

// bz makes a bzImage around a packed kernel.
func bz(payload []byte) []byte {
	const setup = 2
	image := make([]byte, (setup+1)*512)
	le := binary.LittleEndian
	image[0x1f1] = setup
	copy(image[0x202:], "HdrS")
	le.PutUint16(image[0x206:], 0x20f)
	le.PutUint16(image[0x20e:], 0x100)
	image[0x211] = 1
	le.PutUint16(image[0x236:], 1)
	le.PutUint32(image[0x248:], 0)
	le.PutUint32(image[0x24c:], uint32(len(payload)))
	copy(image[0x300:], testRelease+" (someone@somewhere) #1 SMP")
	return append(append(image, payload...), "the checksum at its end"...)
}

// packings pack as the kernel's build does.
var packings = map[string]func(*testing.T, []byte) []byte{
	"gzip": func(t *testing.T, data []byte) []byte {
		return packed(t, data, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	},
	"zstd": func(t *testing.T, data []byte) []byte {
		return sized(data, packed(t, data, func(w io.Writer) io.WriteCloser {
			z, _ := zstd.NewWriter(w)
			return z
		}))
	},
	"lz4": func(t *testing.T, data []byte) []byte {
		return sized(data, packed(t, data, func(w io.Writer) io.WriteCloser {
			z := lz4.NewWriter(w)
			_ = z.Apply(lz4.LegacyOption(true))
			return z
		}))
	},
	"xz": func(t *testing.T, data []byte) []byte {
		return sized(data, runXZ(t, data, "--check=crc32", "--x86", "--lzma2=dict=32MiB"))
	},
}

func runXZ(t *testing.T, data []byte, flags ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xz", append(flags, "-c")...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal("xz:", err)
	}
	return out
}

func packed(t *testing.T, data []byte, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sized(data, packed []byte) []byte {
	return binary.LittleEndian.AppendUint32(packed, uint32(len(data)))
}

func unsized(packed []byte) []byte { return packed[:len(packed)-4] }

// moduleTree makes a folder of modules: what a guest needs, and more.
func moduleTree(t *testing.T, dir string) {
	t.Helper()
	put(t, dir, "modules.builtin", []byte("kernel/drivers/virtio/virtio.ko\nkernel/net/core.ko\n"))
	put(t, dir, "kernel/drivers/virtio/virtio_pci.ko", elfModule(testRelease, "virtio-ring", "virtio"))
	put(t, dir, "kernel/drivers/virtio/virtio-ring.ko.xz", runXZ(t, elfModule(testRelease), "--check=crc32", "--lzma2=dict=2MiB"))
	put(t, dir, "kernel/drivers/char/virtio_console.ko.zst", unsized(packings["zstd"](t, elfModule(testRelease, "virtio_ring"))))
	put(t, dir, "kernel/drivers/net/veth.ko.gz", packings["gzip"](t, elfModule(testRelease)))
	put(t, dir, "kernel/drivers/net/other.ko", []byte("never looked into"))
}

func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
