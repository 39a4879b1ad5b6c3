package vm

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// blank makes a file in memory (memfd_create(2)). It has no name and is gone
// with its last descriptor, so nothing is left behind however we end; and any
// user may open it through a descriptor, which QEMU as a user of its own needs.
func blank(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// seal makes what is in a blank final: clones map it as a private copy, and none
// of them, were QEMU itself overcome, can change what the next one gets.
func seal(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	return os.NewSyscallError("seal", err)
}

// again opens f once more, with an offset of its own.
func again(f *os.File) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}

// duplicate copies a file into a blank, holes and all.
func duplicate(name string, from *os.File) (*os.File, error) {
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	to, err := blank(name, info.Size())
	if err != nil {
		return nil, err
	}
	if err := copySparse(to, from, info.Size()); err != nil {
		to.Close()
		return nil, err
	}
	return to, nil
}

// copySparse copies what is data in from to the same place in to.
func copySparse(to, from *os.File, size int64) error {
	for at := int64(0); at < size; {
		start, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole up to the end
		}
		if err != nil {
			return os.NewSyscallError("seek", err)
		}
		end, err := unix.Seek(int(from.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return os.NewSyscallError("seek", err)
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, start), io.NewSectionReader(from, start, end-start)); err != nil {
			return err
		}
		at = end
	}
	return nil
}
