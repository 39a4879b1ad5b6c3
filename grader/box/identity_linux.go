package box

import (
	"bytes"
	"fmt"
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

func sameContent(path string, want *os.File) (bool, error) {
	got, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	info, err := want.Stat()
	if err != nil {
		return false, err
	}
	original := make([]byte, info.Size())
	if _, err := want.ReadAt(original, 0); err != nil {
		return false, err
	}
	return bytes.Equal(got, original), nil
}
