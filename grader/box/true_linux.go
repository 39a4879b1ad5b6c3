package box

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"runtime"
)

// trueCode is exit(0), by architecture.
var trueCode = map[string][]byte{
	"amd64": {0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05},                              // mov eax, 60; xor edi, edi; syscall
	"arm64": {0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4}, // mov x8, 93; mov x0, 0; svc 0
}

// trueMachine is what ELF calls it, see elf(5).
var trueMachine = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// makeTrue writes the program that is for [scenario.TruePath].
func makeTrue(path string) error {
	if err := os.WriteFile(path, trueProgram(), 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o555) // whatever the umask is
}

// trueProgram is an ELF executable of one segment that holds its headers and the code.
func trueProgram() []byte {
	const base = 0x400000
	headers := uint64(binary.Size(elf.Header64{}) + binary.Size(elf.Prog64{}))
	code := trueCode[runtime.GOARCH]
	size := headers + uint64(len(code))
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(trueMachine[runtime.GOARCH]), Version: uint32(elf.EV_CURRENT),
		Entry: base + headers, Phoff: uint64(binary.Size(elf.Header64{})),
		Ehsize: uint16(binary.Size(elf.Header64{})), Phentsize: uint16(binary.Size(elf.Prog64{})), Phnum: 1,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 0x1000,
	}
	out := &bytes.Buffer{}
	for _, part := range []any{header, segment, code} {
		_ = binary.Write(out, binary.LittleEndian, part) // a buffer takes all
	}
	return out.Bytes()
}
