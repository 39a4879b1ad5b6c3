// Package caller is the thread that makes a system call, seen from outside while
// it waits: what it has in memory, what /proc tells of it, and how to do
// something in its stead.
//
// It knows no system call by name, nor what is made of one.
package caller

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Thread is the thread that waits for an answer, by its host id: its memory and
// what /proc tells of it. Everything read is good only while the notification is
// valid.
type Thread int

// PathRoom is the longest path.
const PathRoom = 4096

const pageSize = 4096 // the smallest page: a read never crosses one

// Read fills as much of buf as can be read at addr, page by page.
func (c Thread) Read(addr uint64, buf []byte) int {
	done := 0
	for done < len(buf) {
		at := addr + uint64(done)
		part := buf[done:min(len(buf), done+pageSize-int(at%pageSize))]
		n := c.readPage(at, part)
		done += n
		if n < len(part) {
			break
		}
	}
	return done
}

func (c Thread) readPage(addr uint64, part []byte) int {
	if addr == 0 || len(part) == 0 {
		return 0
	}
	local := []unix.Iovec{{Base: &part[0]}}
	local[0].SetLen(len(part))
	n, err := unix.ProcessVMReadv(int(c), local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(part)}}, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		n, err = c.readMem(addr, part)
	}
	if err != nil {
		return 0
	}
	return n
}

func (c Thread) readMem(addr uint64, part []byte) (int, error) {
	f, err := os.Open(c.Proc("mem"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(part, int64(addr))
}

// Text reads a C string of at most room bytes. ok is false if its memory
// cannot be read.
func (c Thread) Text(addr uint64, room int) (s string, ok bool) {
	buf := make([]byte, 0, min(room, 256))
	for len(buf) < room {
		at := addr + uint64(len(buf))
		n := min(room-len(buf), 256, pageSize-int(at%pageSize))
		buf = append(buf, make([]byte, n)...)
		part := buf[len(buf)-n:]
		got := c.Read(at, part)
		if end := bytes.IndexByte(part[:got], 0); end >= 0 {
			return string(buf[:len(buf)-n+end]), true
		}
		if got < n {
			return "", false
		}
	}
	return string(buf), true
}

// Word reads an 8-byte number, 0 if it cannot be read.
func (c Thread) Word(addr uint64) uint64 {
	var b [8]byte
	if c.Read(addr, b[:]) < len(b) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

// Proc is the path of a file about the thread.
func (c Thread) Proc(name string) string { return fmt.Sprintf("/proc/%d/%s", int(c), name) }

// Link reads one of the thread's links as a path below its own root; "" if it
// cannot.
func (c Thread) Link(name string) string {
	to, err := os.Readlink(c.Proc(name))
	if err != nil {
		return ""
	}
	root, err := os.Readlink(c.Proc("root"))
	if err != nil || root == "/" || !strings.HasPrefix(to, root+"/") && to != root {
		return to
	}
	return path.Join("/", to[len(root):])
}

// Absolute makes a path of a call that takes a folder's descriptor (or
// AT_FDCWD) absolute in the thread's own root. Symbolic links stay as they are.
func (c Thread) Absolute(dirfd int32, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	from := "cwd"
	if dirfd != unix.AT_FDCWD {
		from = "fd/" + strconv.Itoa(int(dirfd))
	}
	return path.Join(c.Link(from), p)
}

// Status is what /proc/PID/status says, ids as the supervisor sees them.
type Status struct {
	TGID     int
	NSPID    []string
	UID, GID int // for files
	caps     uint64
	Umask    uint32
}

// Status reads it.
func (c Thread) Status() (st Status, err error) {
	text, err := os.ReadFile(c.Proc("status"))
	if err != nil {
		return st, err
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		if len(f) == 0 {
			continue
		}
		switch key {
		case "Tgid":
			st.TGID, _ = strconv.Atoi(f[0])
		case "NStgid":
			st.NSPID = f
		case "Uid":
			st.UID, _ = strconv.Atoi(f[len(f)-1])
		case "Gid":
			st.GID, _ = strconv.Atoi(f[len(f)-1])
		case "CapEff":
			st.caps, _ = strconv.ParseUint(f[0], 16, 64)
		case "Umask":
			m, _ := strconv.ParseUint(f[0], 8, 32)
			st.Umask = uint32(m)
		}
	}
	return st, nil
}

// Can tells whether a capability is effective.
func (st Status) Can(capability int) bool { return st.caps&(1<<capability) != 0 }

// Offspring changes with each child that the thread makes: it is in the list,
// or once it was waited for, its page faults are in the sum. Empty if it cannot
// be told.
func (c Thread) Offspring() string {
	children, err := os.ReadFile(c.Proc(fmt.Sprintf("task/%d/children", int(c))))
	if err != nil {
		return ""
	}
	stat, err := os.ReadFile(c.Proc("stat"))
	if err != nil {
		return ""
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fmt.Sprintf("%s/%s", f[8], children) // cminflt, counted from the state on
}
