package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"

	"moulinette/grader/lack"
)

// form is what kind of file a kernel is.
type form int

// Forms. The zero value is invalid.
const (
	bzImage form = iota + 1 // packed, with the boot protocol's header
	vmlinux                 // ELF
)

// kernelFile is a kernel as it was found. What it says of itself has been
// checked against its size.
type kernelFile struct {
	path    string
	form    form
	release string
	// Where the packed kernel lies in a bzImage.
	payload, length int64
}

var cureKernel = text{"give --kernel a bzImage (vmlinuz) for x86-64", "donnez à --kernel un bzImage (vmlinuz) pour x86-64"}

// release is what uname -r says; it names folders.
var release = regexp.MustCompile(`^[0-9][A-Za-z0-9._+~-]{0,63}$`)

// readKernel looks what the file is, and refuses what no guest could boot.
func readKernel(path string, r io.ReaderAt, size int64) (*kernelFile, error) {
	k := &kernelFile{path: path}
	head := make([]byte, 0x260)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = head[:n]
	switch {
	case size > maxKernel:
		err = k.unusable(text{"too big for a kernel", "trop gros pour un noyau"})
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		err = k.readVmlinux(r, size)
	case n >= 0x40 && string(head[0x38:0x3c]) == "ARM\x64":
		err = k.unusable(text{"a kernel for arm64, and guests are x86-64", "un noyau pour arm64, et les machines sont x86-64"})
	case n >= 8 && string(head[:2]) == "MZ" && string(head[4:8]) == "zimg":
		err = k.unusable(text{
			"an EFI image of another architecture, and guests are x86-64",
			"une image EFI d'une autre architecture, et les machines sont x86-64",
		})
	case n < 0x206 || string(head[0x202:0x206]) != "HdrS":
		err = k.unusable(text{
			"no Linux kernel for x86: it lacks the boot protocol's header",
			"pas un noyau Linux pour x86 : l'en-tête du protocole de démarrage y manque",
		})
	case n < 0x260:
		err = k.unusable(text{"truncated: its header is not whole", "tronqué : son en-tête n'est pas entier"})
	default:
		err = k.readHeader(r, head, size)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (k *kernelFile) unusable(format text, values ...any) error {
	return &Unusable{k.path, text{fmt.Sprintf(format.en, values...), fmt.Sprintf(format.fr, values...)}, cureKernel}
}

// readHeader reads a bzImage's header, as the kernel's boot protocol lays it out.
func (k *kernelFile) readHeader(r io.ReaderAt, head []byte, size int64) error {
	le := binary.LittleEndian
	if version := le.Uint16(head[0x206:]); version < 0x20c {
		return k.unusable(text{
			"boot protocol %d.%d, and 2.12 (Linux 3.8) is the oldest that works",
			"protocole de démarrage %d.%d, et il faut au moins 2.12 (Linux 3.8)",
		}, version>>8, version&0xff)
	}
	if head[0x211]&1 == 0 {
		return k.unusable(text{"a zImage, which no 64-bit kernel is", "un zImage, ce qu'aucun noyau de 64 bits n'est"})
	}
	if le.Uint16(head[0x236:])&1 == 0 {
		return k.unusable(text{"a kernel for 32 bits, and guests are x86-64", "un noyau de 32 bits, et les machines sont x86-64"})
	}
	setup := int64(head[0x1f1])
	if setup == 0 {
		setup = 4 // for historical reasons, says the protocol
	}
	k.form = bzImage
	k.payload, k.length = (setup+1)*512+int64(le.Uint32(head[0x248:])), int64(le.Uint32(head[0x24c:]))
	if k.length < 8 || k.payload+k.length > size {
		return k.unusable(text{
			"truncated: it has %d bytes, and its packed part ends at %d",
			"tronqué : il a %d octets, et sa partie compressée finit à %d",
		}, size, k.payload+k.length)
	}
	banner := make([]byte, 65)
	n, err := r.ReadAt(banner, 0x200+int64(le.Uint16(head[0x20e:])))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return k.setRelease(banner[:n])
}

// setRelease takes the first word of the kernel's version text.
func (k *kernelFile) setRelease(banner []byte) error {
	word, _, found := bytes.Cut(banner, []byte(" "))
	if !found || !release.Match(word) {
		return k.unusable(text{"it does not say its release", "il ne dit pas sa version"})
	}
	k.release = string(word)
	return nil
}

// readVmlinux checks an unpacked kernel: QEMU boots one only by its PVH entry.
func (k *kernelFile) readVmlinux(r io.ReaderAt, size int64) error {
	k.form = vmlinux
	if err := checkPVH(r, size); err != nil {
		return &Unusable{k.path, text{err.Error(), lack.In("fr", err)}, cureKernel}
	}
	banner, err := findText(io.NewSectionReader(r, 0, size), []byte("Linux version "), 65)
	if err != nil {
		return err
	}
	return k.setRelease(banner)
}

// findText answers up to n bytes behind the first mark in r, nothing if there is
// none.
func findText(r io.Reader, mark []byte, n int) ([]byte, error) {
	const step = 1 << 20
	buffer := make([]byte, 0, 2*step)
	for {
		room := buffer[len(buffer):min(len(buffer)+step, cap(buffer))]
		got, err := io.ReadFull(r, room)
		buffer = buffer[:len(buffer)+got]
		last := err != nil
		if i := bytes.Index(buffer, mark); i >= 0 && (last || len(buffer) >= i+len(mark)+n) {
			found := buffer[i+len(mark):]
			return bytes.Clone(found[:min(n, len(found))]), nil
		}
		if last {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return nil, err
		}
		keep := min(len(buffer), len(mark)+n)
		buffer = append(buffer[:0], buffer[len(buffer)-keep:]...)
	}
}

var errNoPVH error = &lack.Error{
	EN: "an ELF kernel without a PVH entry (CONFIG_PVH), which QEMU does not boot",
	FR: "un noyau ELF sans entrée PVH (CONFIG_PVH), que QEMU ne démarre pas",
}

// checkPVH looks for the note that tells a virtual machine where to enter.
func checkPVH(r io.ReaderAt, size int64) error {
	f, err := newELF(r, size)
	if err != nil {
		return err
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC {
		return &lack.Error{
			EN: fmt.Sprintf("an ELF file (%s, %s) that is no kernel for x86-64", f.Type, f.Machine),
			FR: fmt.Sprintf("un fichier ELF (%s, %s) qui n'est pas un noyau pour x86-64", f.Type, f.Machine),
		}
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_NOTE && p.Filesz <= 1<<20 {
			notes := make([]byte, p.Filesz)
			if _, err := p.ReadAt(notes, 0); err == nil && hasPVH(notes) {
				return nil
			}
		}
	}
	return errNoPVH
}

// hasPVH walks over notes: three words, a name and a description, each padded
// to words.
func hasPVH(notes []byte) bool {
	const physicalEntry = 18 // XEN_ELFNOTE_PHYS32_ENTRY
	le := binary.LittleEndian
	for len(notes) >= 12 {
		name, desc, kind := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:])), le.Uint32(notes[8:])
		end := 12 + (name+3)&^3 + (desc+3)&^3
		if end > uint64(len(notes)) {
			return false
		}
		if kind == physicalEntry && string(notes[12:12+name]) == "Xen\x00" {
			return true
		}
		notes = notes[end:]
	}
	return false
}

// extract writes what QEMU boots fastest of the kernel to dst: the ELF file in
// it, or the kernel as it is where that cannot be had.
func (k *kernelFile) extract(src io.ReaderAt, size int64, dst *os.File) error {
	if k.form == bzImage {
		n, err := k.unpackTo(src, dst)
		if err == nil {
			err = checkPVH(dst, n)
		} else if _, disk := errors.AsType[*fs.PathError](err); disk { // a full one is no damage
			return err
		} else if !errors.Is(err, errUnknownPacking) {
			return &Unusable{k.path, because(text{"its packed part is damaged", "sa partie compressée est endommagée"}, err), cureKernel}
		}
		if err == nil {
			return nil
		}
	}
	if err := dst.Truncate(0); err != nil {
		return err
	}
	if _, err := dst.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(dst, io.NewSectionReader(src, 0, size))
	return err
}

// unpackTo unpacks the kernel. All but gzip are followed by the size of the
// unpacked kernel; gzip says it itself, at its end.
func (k *kernelFile) unpackTo(src io.ReaderAt, dst io.Writer) (int64, error) {
	var tail [4]byte
	if _, err := src.ReadAt(tail[:], k.payload+k.length-4); err != nil {
		return 0, err
	}
	magic := make([]byte, 2)
	if _, err := src.ReadAt(magic, k.payload); err != nil {
		return 0, err
	}
	length := k.length
	if string(magic) != "\x1f\x8b" {
		length -= 4
	}
	packed, err := unpack(io.NewSectionReader(src, k.payload, length))
	if err != nil {
		return 0, err
	}
	defer packed.Close()
	want := int64(binary.LittleEndian.Uint32(tail[:]))
	if want > maxKernel {
		return 0, errTooBig
	}
	n, err := io.Copy(dst, io.LimitReader(packed, want+1))
	if err == nil && n != want {
		err = fmt.Errorf("%d bytes unpacked, and %d announced", n, want)
	}
	return n, err
}

func parseELF(data []byte) (*elf.File, error) {
	return newELF(bytes.NewReader(data), int64(len(data)))
}

// newELF reads an ELF file's tables, which lie inside the file or not at all.
func newELF(r io.ReaderAt, size int64) (*elf.File, error) {
	return elf.NewFile(io.NewSectionReader(r, 0, size))
}
