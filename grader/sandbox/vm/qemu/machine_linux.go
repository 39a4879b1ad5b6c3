package qemu

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Machine is a running QEMU.
type Machine struct {
	cmd     *exec.Cmd
	monitor *monitor
	console *console
	said    *tail // on stderr
	died    chan struct{}
	ending  sync.Once
}

// Start starts QEMU; its guest does not run before [Machine.Resume].
func Start(c Config) (*Machine, error) {
	m := &Machine{said: &tail{}, died: make(chan struct{})}
	mine, theirs, err := streams(2)
	if err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	args, files := c.args()
	m.cmd = c.limited(args)
	m.cmd.Env, m.cmd.Dir, m.cmd.Stderr = []string{}, "/", m.said
	m.cmd.ExtraFiles = append(theirs, files...)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if c.User != 0 {
		m.cmd.SysProcAttr.Credential = c.credential()
	}
	err = onKeptThread(m.cmd.Start)
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		closeAll(mine)
		return nil, fmt.Errorf("qemu: %w", err)
	}
	go m.wait()
	m.console = watch(mine[1])
	m.monitor = newMonitor(mine[0])
	if err := m.monitor.greet(); err != nil {
		m.Kill()
		return nil, fmt.Errorf("qemu: %w%s", err, m.said.after())
	}
	return m, nil
}

// credential is a user that nothing else runs as; where KVM is used, it keeps
// the group that may.
func (c Config) credential() *syscall.Credential {
	cred := &syscall.Credential{Uid: uint32(c.User), Gid: uint32(c.User)}
	var st unix.Stat_t
	if c.KVM && unix.Stat("/dev/kvm", &st) == nil {
		cred.Groups = []uint32{st.Gid}
	}
	return cred
}

// limited starts a program after limiting what it may take, whatever its guest
// makes of it. The shell does it: limits of a process that has taken on another
// user cannot be set from outside without CAP_SYS_RESOURCE, which root of a
// container lacks.
const limited = `ulimit -c 0; ulimit -n 64; ulimit -v "$1"; ulimit -f "$2"; shift 2; exec "$@"`

func (c Config) limited(args []string) *exec.Cmd {
	memory := strconv.Itoa(c.MemoryMiB<<10 + emulatorKiB)
	blocks := strconv.FormatInt((c.Writes+511)/512, 10)
	return exec.Command("/bin/sh", append([]string{"-ec", limited, "sh", memory, blocks, c.Binary}, args...)...)
}

func (m *Machine) wait() {
	_ = m.cmd.Wait()
	close(m.died)
}

// Kill ends QEMU and waits until it is gone.
func (m *Machine) Kill() {
	m.ending.Do(func() {
		_ = m.cmd.Process.Kill()
		<-m.died
		m.monitor.close()
		m.console.close()
	})
	<-m.died
}

// PID is QEMU's process id.
func (m *Machine) PID() int { return m.cmd.Process.Pid }

// Console is the end of what the guest's kernel and first process have said.
func (m *Machine) Console() string { return m.console.String() }

// Flooded is closed when the guest has said more on its console than anybody
// would read.
func (m *Machine) Flooded() <-chan struct{} { return m.console.flooded }

// End tells how QEMU ended, for a reader.
func (m *Machine) End() string {
	<-m.died
	return m.cmd.ProcessState.String() + m.said.after()
}

// keptThread runs what must be done on a thread that never ends: the
// parent-death signal of a child is bound to the thread that started it, not to
// the process (prctl(2), PR_SET_PDEATHSIG).
var keptThread = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

func onKeptThread(f func() error) error {
	done := make(chan error, 1)
	keptThread() <- func() { done <- f() }
	return <-done
}

// Stream makes a connection and the file that is its other end.
func Stream() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "grader"), os.NewFile(uintptr(fds[1]), "machine")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

func streams(n int) (mine []*net.UnixConn, theirs []*os.File, err error) {
	for range n {
		a, b, err := Stream()
		if err != nil {
			closeAll(mine)
			return nil, nil, err
		}
		mine, theirs = append(mine, a), append(theirs, b)
	}
	return mine, theirs, nil
}

func closeAll(conns []*net.UnixConn) {
	for _, c := range conns {
		c.Close()
	}
}

// errEnded says that QEMU is no longer there.
var errEnded = errors.New("it has ended")

// tail keeps the last of what somebody says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailSize is how much is kept.
const tailSize = 4096

// Write never fails and never grows beyond twice the size kept.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	p = p[max(0, n-tailSize):]
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return n, nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.text), "\uFFFD"))
}

// after is the text as the end of an error message.
func (t *tail) after() string {
	if text := t.String(); text != "" {
		return ": " + text
	}
	return ""
}
