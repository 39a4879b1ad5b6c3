package box

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Inode identifies a file: device and inode.
type Inode struct{ Dev, Ino uint64 }

func inodeOf(path string) (Inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Inode{}, os.NewSyscallError("stat", err)
	}
	return Inode{st.Dev, st.Ino}, nil
}

// Ours reports whether process pid runs the file that is our probe, or that of a
// target, and whether that still is what we put there.
func (b *Box) Ours(pid int, target bool) (runs, intact bool, err error) {
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	inode, err := inodeOf(exe)
	if err != nil {
		return false, false, err
	}
	if target && inode != b.t.guest || !target && inode != b.t.probe && !slices.Contains(b.Copies, inode) {
		return false, false, nil
	}
	if b.t.cfg.Mode != Single && !b.real {
		return true, true, nil // nobody in the box can write to our files
	}
	intact, err = sameContent(exe, b.t.self)
	return true, intact, err
}

// sameContent compares two files piece by piece: a crowd may have us do so for each of it.
func sameContent(path string, want *os.File) (bool, error) {
	got, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer got.Close()
	original := io.NewSectionReader(want, 0, math.MaxInt64)
	for a, b := make([]byte, 64<<10), make([]byte, 64<<10); ; {
		n, err := io.ReadFull(got, a)
		m, errOfOurs := io.ReadFull(original, b)
		switch {
		case !whole(err) || !whole(errOfOurs):
			return false, errors.Join(err, errOfOurs)
		case !bytes.Equal(a[:n], b[:m]):
			return false, nil
		case err != nil: // as short as the other one
			return true, nil
		}
	}
}

// whole tells of what [io.ReadFull] says whether all was read that there is.
func whole(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
