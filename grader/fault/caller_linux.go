package fault

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

// caller is the thread that waits for an answer, by its host id: its memory
// and what /proc tells of it. Everything read is good only while the
// notification is valid.
type caller int

const (
	pathRoom = 4096 // longest path
	pageSize = 4096 // smallest page: a read never crosses one
)

// read fills as much of buf as can be read at addr, page by page.
func (c caller) read(addr uint64, buf []byte) int {
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

func (c caller) readPage(addr uint64, part []byte) int {
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

func (c caller) readMem(addr uint64, part []byte) (int, error) {
	f, err := os.Open(c.proc("mem"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(part, int64(addr))
}

// text reads a C string of at most room bytes. ok is false if its memory
// cannot be read.
func (c caller) text(addr uint64, room int) (s string, ok bool) {
	buf := make([]byte, 0, min(room, 256))
	for len(buf) < room {
		at := addr + uint64(len(buf))
		n := min(room-len(buf), 256, pageSize-int(at%pageSize))
		buf = append(buf, make([]byte, n)...)
		part := buf[len(buf)-n:]
		got := c.read(at, part)
		if end := bytes.IndexByte(part[:got], 0); end >= 0 {
			return string(buf[:len(buf)-n+end]), true
		}
		if got < n {
			return "", false
		}
	}
	return string(buf), true
}

// word reads an 8-byte number, 0 if it cannot be read.
func (c caller) word(addr uint64) uint64 {
	var b [8]byte
	if c.read(addr, b[:]) < len(b) {
		return 0
	}
	return binary.LittleEndian.Uint64(b[:])
}

// proc is the path of a file about the thread.
func (c caller) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", int(c), name) }

// link reads one of the thread's links as a path below its own root; "" if it
// cannot.
func (c caller) link(name string) string {
	to, err := os.Readlink(c.proc(name))
	if err != nil {
		return ""
	}
	root, err := os.Readlink(c.proc("root"))
	if err != nil || root == "/" || !strings.HasPrefix(to, root+"/") && to != root {
		return to
	}
	return path.Join("/", to[len(root):])
}

// absolute makes a path of a call that takes a folder's descriptor (or
// AT_FDCWD) absolute in the thread's own root. Symbolic links stay as they are.
func (c caller) absolute(dirfd int32, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	from := "cwd"
	if dirfd != unix.AT_FDCWD {
		from = "fd/" + strconv.Itoa(int(dirfd))
	}
	return path.Join(c.link(from), p)
}

// status is what /proc/PID/status says, ids as the supervisor sees them.
type status struct {
	tgid     int
	nspid    []string
	uid, gid int // for files
	caps     uint64
	umask    uint32
}

func (c caller) status() (st status, err error) {
	text, err := os.ReadFile(c.proc("status"))
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
			st.tgid, _ = strconv.Atoi(f[0])
		case "NStgid":
			st.nspid = f
		case "Uid":
			st.uid, _ = strconv.Atoi(f[len(f)-1])
		case "Gid":
			st.gid, _ = strconv.Atoi(f[len(f)-1])
		case "CapEff":
			st.caps, _ = strconv.ParseUint(f[0], 16, 64)
		case "Umask":
			m, _ := strconv.ParseUint(f[0], 8, 32)
			st.umask = uint32(m)
		}
	}
	return st, nil
}

func (st status) can(capability int) bool { return st.caps&(1<<capability) != 0 }

// offspring changes with each child that the thread makes: it is in the list,
// or once it was waited for, its page faults are in the sum. Empty if it cannot
// be told.
func (c caller) offspring() string {
	children, err := os.ReadFile(c.proc(fmt.Sprintf("task/%d/children", int(c))))
	if err != nil {
		return ""
	}
	stat, err := os.ReadFile(c.proc("stat"))
	if err != nil {
		return ""
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fmt.Sprintf("%s/%s", f[8], children) // cminflt, counted from the state on
}
