// Package puppet makes processes that have no will: a puppet does the system
// calls that it is sent, one list at a time, and tells how they went. It is how
// the agent acts inside a box without executing anything there.
//
// A puppet is a clone of this process in which no Go code runs but a loop of raw
// system calls, for the runtime does not survive a clone. So it costs what a fork
// costs and not what the start of a Go program does, and whatever has to be
// thought about is thought about here. What is played is a [Program].
//
// The package knows nothing of boxes.
package puppet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Control is the descriptor on which a puppet hears, in the puppet.
const Control = 3

// Puppet is our hold on one.
type Puppet struct {
	conn     *net.UnixConn
	memory   uintptr
	patience time.Duration
	playing  sync.Mutex
	replies  chan reply
	ended    chan syscall.WaitStatus
	gone     chan struct{}
}

// Pair makes a connection of a type (socket(2)): our end, with deadlines, and one
// to hand over. A puppet hears on one of [unix.SOCK_SEQPACKET].
func Pair(kind int) (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

// Start clones the first puppet from the calling thread, which must be locked and
// never end: the puppet dies with it. It has no descriptors of ours but the
// first three, and its pid is returned: whoever starts it reaps it. more adds to
// what it does first.
func Start(more func(birth *Program)) (*Puppet, int, error) {
	mapped, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(memory{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, 0, fmt.Errorf("mmap: %w", err)
	}
	conn, theirs, err := Pair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, 0, err
	}
	m := (*memory)(unsafe.Pointer(&mapped[0]))
	birth, pid, err := clone(m, func(birth *Program) {
		birth.Call("die with its parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL))
		birth.hearOn(int(theirs.Fd()))
		more(birth)
	})
	theirs.Close() // before we wait: once the puppet has gone nobody must hold it
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("clone: %w", err), conn.Close())
	}
	p := hold(conn, uintptr(unsafe.Pointer(m)))
	_, err = p.answer(birth)
	return p, pid, err
}

// hearOn makes a descriptor, whatever its number, the only one beside the first
// three.
func (p *Program) hearOn(fd int) {
	high := p.Call("move the connection", unix.SYS_FCNTL, fd, unix.F_DUPFD_CLOEXEC, Control+1)
	high.Feed(p.Call("hear", unix.SYS_DUP3, 0, Control, unix.O_CLOEXEC), 0)
	p.Call("forget what was open", unix.SYS_CLOSE_RANGE, Control+1, math.MaxUint32, 0)
}

// fill is done by the parent: a pointer may be stored by Go code only.
func (m *memory) fill(birth *Program) error {
	text, err := birth.encode(uintptr(unsafe.Pointer(m)))
	if err != nil {
		return err
	}
	copy(m.order[:], text)
	m.hear = [2]unix.PollFd{{Fd: Control, Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	m.iov = unix.Iovec{Base: &m.order[0], Len: maxOrder}
	m.msg = unix.Msghdr{Iov: &m.iov, Iovlen: 1, Control: &m.rights[0]}
	return nil
}

// clone makes the child with every signal blocked: Go's handlers are of no use
// there.
func clone(m *memory, add func(birth *Program)) (*Program, int, error) {
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return nil, 0, err
	}
	// No descriptor without close-on-exec may appear meanwhile.
	syscall.ForkLock.Lock()
	birth, pid, err := cloneShed(m, add)
	syscall.ForkLock.Unlock()
	return birth, pid, errors.Join(err, unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
}

// cloneShed clones once the stack has stood still for long enough to say what
// the child keeps of it.
func cloneShed(m *memory, add func(birth *Program)) (*Program, int, error) {
	for {
		at, birth := stack(), NewProgram()
		add(birth)
		birth.shed(at)
		if err := m.fill(birth); err != nil {
			return nil, 0, err
		}
		if stack() != at {
			continue
		}
		pid, errno := cloneInto(m)
		if errno != 0 {
			return nil, 0, errno
		}
		return birth, pid, nil
	}
}

//go:norace
//go:nosplit
func cloneInto(m *memory) (int, syscall.Errno) {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		m.live()
	}
	return int(pid), errno
}

// Child is the puppet that p has cloned on the other end of conn. It is ready
// once it has told so, see [Step.Fork].
func (p *Puppet) Child(conn *net.UnixConn, birth *Program) (*Puppet, error) {
	child := hold(conn, p.memory)
	_, err := child.answer(birth)
	return child, err
}

func hold(conn *net.UnixConn, memory uintptr) *Puppet {
	p := &Puppet{
		conn: conn, memory: memory, patience: patience,
		replies: make(chan reply, 1), ended: make(chan syscall.WaitStatus, 1), gone: make(chan struct{}),
	}
	go p.listen()
	return p
}

// Play has the puppet make the calls of a program, and waits until it has. The
// puppet gets copies of the files, as its lowest free descriptors, in order.
func (p *Puppet) Play(program *Program, files ...*os.File) (int, error) {
	text, err := program.encode(p.memory)
	if err != nil {
		return 0, err
	}
	p.playing.Lock()
	defer p.playing.Unlock()
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(descriptors(files)...)
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.patience)); err != nil {
		return 0, err
	}
	_, _, err = p.conn.WriteMsgUnix(text, rights, nil)
	runtime.KeepAlive(files)
	if err != nil {
		return 0, fmt.Errorf("it is gone: %w", err)
	}
	return p.answer(program)
}

func descriptors(files []*os.File) (fds []int) {
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	return fds
}

// patience only guards against a hang of ours.
const patience = 20 * time.Second

// answer waits until the puppet has played. One that does not answer in time is let go of:
// what it said later would pass for the answer to something else.
func (p *Puppet) answer(program *Program) (int, error) {
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case r := <-p.replies:
		return int(r.value), program.failure(r)
	case <-p.gone:
		return 0, errors.New("it has ended")
	case <-timer.C:
		return 0, errors.Join(errors.New("no answer"), p.Close())
	}
}

// failure names the call at which the program stopped.
func (p *Program) failure(r reply) error {
	if r.errno == 0 {
		return nil
	}
	if int(r.index) >= len(p.names) {
		return syscall.Errno(r.errno)
	}
	return fmt.Errorf("%s: %w", p.names[r.index], syscall.Errno(r.errno))
}

// Failure reads what a child has told on another descriptor than [Control]: why
// it could not play its part.
func (p *Program) Failure(text []byte) error {
	r, ok := parse(text)
	if !ok || r.kind != kindDone || r.errno == 0 {
		return fmt.Errorf("not a word of a puppet: %q", text)
	}
	return p.failure(r)
}

// listen sorts what the puppet says until it is gone.
func (p *Puppet) listen() {
	defer close(p.gone)
	for text := make([]byte, replySize); ; {
		n, err := p.conn.Read(text)
		if err != nil {
			return
		}
		switch r, ok := parse(text[:n]); {
		case !ok:
			return
		case r.kind == kindEnded:
			select {
			case p.ended <- syscall.WaitStatus(r.value):
			default: // once is enough
			}
		default:
			p.replies <- r
		}
	}
}

func parse(text []byte) (reply, bool) {
	if len(text) != replySize {
		return reply{}, false
	}
	e := binary.NativeEndian
	return reply{
		kind: e.Uint32(text), index: e.Uint32(text[4:]), errno: e.Uint32(text[8:]), value: int32(e.Uint32(text[12:])),
	}, true
}

// Ended delivers how the watched child ended, once.
func (p *Puppet) Ended() <-chan syscall.WaitStatus { return p.ended }

// Gone is closed when the puppet has ended.
func (p *Puppet) Gone() <-chan struct{} { return p.gone }

// Close ends our hold on the puppet, and with it the puppet.
func (p *Puppet) Close() error {
	if err := p.conn.Close(); !errors.Is(err, net.ErrClosed) { // one that was let go of is closed
		return err
	}
	return nil
}
