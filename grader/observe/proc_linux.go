package observe

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// proc is a hold on one process: a descriptor of its folder in /proc. When the
// process is gone every look fails, also when its pid has been given away.
type proc struct {
	pid     int
	dir     int      // O_PATH
	refused *refusal // see [Observer.blind]
}

// openProc opens a process in the /proc that root is a descriptor of.
func openProc(root, pid int) (*proc, error) {
	dir, err := openAt(root, strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return &proc{pid: pid, dir: dir}, nil
}

func (p *proc) close() { unix.Close(p.dir) }

// read returns the first limit bytes of a file, nothing if it is unreadable.
func (p *proc) read(name string, limit int) []byte {
	data, err := readAt(p.dir, name, limit)
	_ = p.ask(name, err)
	return data
}

// mountinfo is the first lines of it. All of them would take the square of the time:
// each costs the kernel the more, the more mounts there are below it.
func (p *proc) mountinfo() []byte {
	fd, err := p.open("mountinfo", unix.O_RDONLY)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	data, err := readLines(fd, maxMounts, mountsBytes)
	_ = p.ask("mountinfo", err)
	return data
}

// link is the text of a link, empty if it is unreadable.
func (p *proc) link(name string) string {
	text, err := linkAt(p.dir, name)
	_ = p.ask(name, err)
	return text
}

// ns is the inode of one of the process's namespaces, 0 if it has none (any
// more, or, for pid_for_children, yet).
func (p *proc) ns(name string) int {
	_, rest, _ := strings.Cut(p.link("ns/"+name), ":[")
	return number(strings.TrimSuffix(rest, "]"))
}

// open opens a file of the process, or what a magic link of it leads to.
func (p *proc) open(name string, flags int) (int, error) {
	fd, err := openAt(p.dir, name, flags)
	return fd, p.ask(name, err)
}

// statusBytes has room for the line of groups, of which a process can have 65,536; what
// matters stands behind it.
const statusBytes = 1 << 20

// status fails once the process is gone.
func (p *proc) status() (status, error) {
	data, err := readAt(p.dir, "status", statusBytes)
	if p.ask("status", err) != nil {
		return status{}, fmt.Errorf("process %d: status: %w", p.pid, err)
	}
	return parseStatus(data), nil
}

// settled is the status of a process that is either alive or dead: one that is
// dying is waited for, until a moment that all of a look have in common, and that is
// asked for only then.
func (p *proc) settled(until func() time.Time) (status, error) {
	st, err := p.status()
	if err != nil || !st.dying() {
		return st, err
	}
	left := time.Until(until()).Milliseconds()
	if left <= 0 {
		return st, nil
	}
	if fd, err := unix.PidfdOpen(p.pid, 0); err == nil {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left))
		unix.Close(fd)
	}
	return p.status()
}

// livingThread opens another thread of a process whose main thread has ended.
func (p *proc) livingThread() (*proc, error) {
	for _, tid := range numericNames(p.list("task", 1<<16)) {
		dir, err := openAt(p.dir, "task/"+strconv.Itoa(tid), unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			continue
		}
		thread := &proc{pid: p.pid, dir: dir}
		if st, err := thread.status(); err == nil && st.memory {
			return thread, nil
		}
		thread.close()
	}
	return nil, fmt.Errorf("process %d: no living thread: %w", p.pid, unix.ESRCH)
}

// list returns up to limit names in a folder of the process.
func (p *proc) list(name string, limit int) []string {
	names, err := listAt(p.dir, name, limit)
	_ = p.ask(name, err)
	return names
}

func openAt(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, missed(err)
		}
	}
}

func readAt(dir int, name string, limit int) ([]byte, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readAll(fd, limit)
}

func readAll(fd, limit int) ([]byte, error) { return readLines(fd, math.MaxInt, limit) }

// readLines reads a file to its end, or until there are enough lines or bytes.
func readLines(fd, lines, limit int) ([]byte, error) {
	data := make([]byte, 0, min(limit, 4<<10))
	for seen := 0; seen < lines && len(data) < limit; {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := unix.Read(fd, data[len(data):min(cap(data), limit)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return data, missed(err)
		case n == 0:
			return data, nil
		}
		seen += bytes.Count(data[len(data):len(data)+n], []byte{'\n'})
		data = data[:len(data)+n]
	}
	return data, nil
}

func linkAt(dir int, name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", missed(err)
	}
	return string(buf[:n]), nil
}

func listAt(dir int, name string, limit int) (names []string, err error) {
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for buf := make([]byte, 8<<10); len(names) < limit; {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil || n <= 0 {
			return names, missed(err)
		}
		_, _, names = unix.ParseDirent(buf[:n], limit-len(names), names)
	}
	return names, nil
}

// inode is the inode behind a descriptor, 0 if it cannot be told.
func inode(fd int) int {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return int(st.Ino)
}
