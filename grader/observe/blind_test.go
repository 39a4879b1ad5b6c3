package observe

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusing is a rule about files of processes: what one thread is told that opens them, or reads
// their links (seccomp_unotify(2)).
type refusing struct {
	name  string // the file
	pid   int    // whose; 0: everybody's
	errno unix.Errno
}

// refuser is that thread. It lasts, for who ends a thread ends what it has started.
type refuser struct {
	listener int
	errands  chan func()
	rule     atomic.Pointer[refusing]
}

var theRefuser = sync.OnceValues(func() (*refuser, error) {
	r := &refuser{errands: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		ready <- r.install()
		for errand := range r.errands {
			errand()
		}
	}()
	if err := <-ready; err != nil {
		return nil, err
	}
	go r.answer()
	return r, nil
})

// refuse has f run with files refused.
func (rule refusing) refuse(t *testing.T, f func()) {
	t.Helper()
	r, err := theRefuser()
	must(t, err)
	r.rule.Store(&rule)
	defer r.rule.Store(nil)
	done := make(chan struct{})
	r.errands <- func() { defer close(done); f() }
	<-done
}

type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type notificationAnswer struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

const (
	notifRecv = 0xc0502100
	notifSend = 0xc0182101
)

func (r *refuser) install() error {
	notify := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT, Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_READLINKAT, Jf: 1},
		notify,
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return errno
	}
	r.listener = int(fd)
	return nil
}

func (r *refuser) answer() {
	for {
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), notifRecv, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // it was interrupted, and is going to ask again
		}
		a := notificationAnswer{id: n.id, flags: 1} // SECCOMP_USER_NOTIF_FLAG_CONTINUE
		if rule := r.rule.Load(); rule != nil && rule.meant(&n) {
			a.errno, a.flags = -int32(rule.errno), 0
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), notifSend, uintptr(unsafe.Pointer(&a)))
	}
}

func (rule *refusing) meant(n *notification) bool {
	text := make([]byte, 64) // of our own memory
	remote := []unix.RemoteIovec{{Base: uintptr(n.args[1]), Len: len(text)}}
	local := []unix.Iovec{{Base: &text[0], Len: uint64(len(text))}}
	if _, err := unix.ProcessVMReadv(os.Getpid(), local, remote, 0); err != nil {
		return false
	}
	name, _, _ := bytes.Cut(text, []byte{0})
	dir, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(int32(n.args[0]))))
	return err == nil && filepath.Dir(dir) == "/proc" && string(name) == rule.name && (rule.pid == 0 || filepath.Base(dir) == strconv.Itoa(rule.pid))
}

// What a look reads of a process.
var readOfProcess = []string{
	"ns/pid", "ns/mnt", "ns/net", "ns/uts", "ns/ipc", "ns/user", "ns/cgroup", "cmdline", "setgroups", "root", "cwd",
	"mountinfo", "fd", "uid_map", "gid_map", "status",
}

// A file that cannot be read of anybody is our own misfortune, however the kernel
// puts it; nobody is seen by halves for it.
func TestUnreadable(t *testing.T) {
	b := newBox(t)
	for _, name := range readOfProcess {
		for _, errno := range []unix.Errno{unix.EACCES, unix.EPERM, unix.ESRCH, unix.ENOENT, unix.EIO} {
			r := refusing{name: name, errno: errno}
			r.refuse(t, func() {
				if _, err := b.o.Snapshot(nil); !errors.Is(err, errno) {
					t.Errorf("snapshot, %s, %v: got error %v", name, errno, err)
				}
				if _, err := b.o.Process(b.driver.pid); !errors.Is(err, errno) {
					t.Errorf("process, %s, %v: got error %v", name, errno, err)
				}
			})
		}
	}
	b.snapshot()
}

// Before a driver has begun it is our own program.
func TestUnreadableAtFirst(t *testing.T) {
	b := newBox(t)
	for _, name := range []string{"ns/user", "uid_map", "gid_map", "mountinfo", "status"} {
		r := refusing{name: name, pid: b.driver.pid, errno: unix.EACCES}
		r.refuse(t, func() {
			o, err := New(b.init.pid, b.driver.pid)
			if err == nil {
				o.Close()
			}
			if !errors.Is(err, unix.EACCES) {
				t.Errorf("%s: got error %v", name, err)
			}
		})
	}
}

// What a process alone cannot be asked for is its own doing: it has vanished, or has
// changed its credentials.
func TestUnreadableOfOne(t *testing.T) {
	b := newBox(t)
	for _, name := range readOfProcess {
		for _, errno := range []unix.Errno{unix.EACCES, unix.EPERM, unix.ESRCH, unix.ENOENT} {
			r := refusing{name: name, pid: b.driver.pid, errno: errno}
			r.refuse(t, func() {
				s, err := b.o.Snapshot(nil)
				if err != nil {
					t.Errorf("%s, %v: got error %v", name, errno, err)
				}
				if gone := name == "status"; gone != (s.Driver.PID == 0) || s.Peer.PID != b.init.pid {
					t.Errorf("%s, %v: got driver %d, init %d", name, errno, s.Driver.PID, s.Peer.PID)
				}
			})
		}
	}
}

func TestUnreadableSample(t *testing.T) {
	b := newBox(t)
	for _, name := range []string{"mountinfo", "status"} {
		r := refusing{name: name, errno: unix.EACCES}
		r.refuse(t, func() {
			if _, err := b.o.Sample(); !errors.Is(err, unix.EACCES) {
				t.Errorf("%s: got error %v", name, err)
			}
		})
	}
}

// Who has no descriptor left sees less than there is, and says so.
func TestShortage(t *testing.T) {
	b := newBox(t)
	b.snapshot()
	_ = Shortage()
	for _, name := range readOfProcess {
		for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
			r := refusing{name: name, pid: b.driver.pid, errno: errno}
			r.refuse(t, func() { _, _ = b.o.Snapshot(nil) })
			if err := Shortage(); !errors.Is(err, errno) {
				t.Errorf("%s, %v: got %v", name, errno, err)
			}
		}
	}
	b.snapshot()
	if err := Shortage(); err != nil {
		t.Errorf("with everything: %v", err)
	}
}
