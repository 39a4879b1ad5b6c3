package box

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
	"moulinette/grader/scenario"
)

// Box is one open set of namespaces with our init in it, and once launched the
// driver.
type Box struct {
	Init    int      // host pid of the box's init
	Driver  int      // host pid of the driver, after Launch
	Stdout  *os.File // read end, as Stderr; who takes it over leaves nil
	Stderr  *os.File
	Channel *net.UnixConn
	Sockets []*net.UnixListener // where probes of this box check in, besides Template.Socket
	Copies  []Inode             // of our binary, in the box's roots

	t         *Template
	init      *puppet.Puppet
	control   *net.UnixConn // init's
	launch    *net.UnixConn
	pidfd     *os.File // of the driver
	group     *group
	options   Options
	real      bool       // it has no user namespace
	disk      int        // MiB
	work      *os.File   // the folder /work, as the agent reaches it
	uncovered chan error // delivers once the template has no /work of this box any more
	closing   sync.Once
}

// Open makes a box and prepares its world. Its driver is not launched yet.
func (t *Template) Open(o Options) (*Box, error) {
	b, err := t.fresh(o.Limits.DiskMiB, o.Real || t.cfg.Mode == Privileged)
	if err != nil {
		return nil, fmt.Errorf("box: %w", err)
	}
	if err := b.furnish(o); err != nil {
		b.Close()
		return nil, fmt.Errorf("box: %w", err)
	}
	return b, nil
}

// Try makes a box and lets go of it. A container's root may have what the template takes
// and lack what a box does: without CAP_SYS_PTRACE it is kept out of /proc/PID/root.
func (t *Template) Try() error {
	b, err := t.Open(Options{Limits: scenario.Limits{}.WithDefaults()})
	if err != nil {
		return err
	}
	return b.Close()
}

// fresh gives a box in which nothing has happened yet: the spare one, if there
// is one of the right size and kind.
func (t *Template) fresh(disk int, real bool) (*Box, error) {
	if t.spare != nil {
		s := <-t.spare
		t.spare = nil
		if s.err == nil && s.box.disk == disk && s.box.real == real {
			return s.box, nil
		}
		if s.err == nil {
			s.box.Close()
		}
	}
	return t.newBox(disk, real)
}

// spareBox is a box made ahead of its scenario, or why it was not.
type spareBox struct {
	box *Box
	err error
}

// Prepare makes a box for the next scenario while this one runs.
func (t *Template) Prepare() {
	if t.spare != nil {
		return
	}
	t.spare = make(chan spareBox, 1)
	go func(done chan<- spareBox) {
		b, err := t.newBox(scenario.Limits{}.WithDefaults().DiskMiB, t.cfg.Mode == Privileged)
		done <- spareBox{b, err}
	}(t.spare)
}

// Prepared waits until the box that Prepare makes is there.
func (t *Template) Prepared() {
	if t.spare != nil {
		s := <-t.spare
		t.spare <- s
	}
}

// Close closes the box made ahead, and the nursery.
func (t *Template) Close() error {
	var err error
	if t.spare != nil {
		if s := <-t.spare; s.err == nil {
			err = s.box.Close()
		}
		t.spare = nil
	}
	return errors.Join(err, t.nursery.Close(), reap(t.nurse))
}

// newBox clones a box's init and has it set up what all boxes have in common.
func (t *Template) newBox(disk int, real bool) (*Box, error) {
	b := &Box{t: t, disk: disk, real: real}
	if err := b.clone(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Box) clone() error {
	var err error
	if b.group, err = b.t.cg.make(int(b.t.made.Add(1))); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	defer b.group.entered()
	inside, err := b.pipes()
	if err != nil {
		return err
	}
	if err := b.spawn(inside); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := b.writeMaps(); err != nil {
		return fmt.Errorf("maps: %w", err)
	}
	if err := b.expose(); err != nil {
		return fmt.Errorf("oom score: %w", err)
	}
	return b.play("set-up", b.setUp())
}

// furnish makes of a fresh box the one that a scenario asks for.
func (b *Box) furnish(o Options) error {
	if err := b.group.limit(o.Limits); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := b.makeRoots(o.World.Roots); err != nil {
		return err
	}
	if err := b.world(o.World); err != nil {
		return fmt.Errorf("world: %w", err)
	}
	b.options = o
	return nil
}

// pipes makes the descriptors between agent and box; the inside ends are
// returned in the order of fdInit to fdLaunch.
func (b *Box) pipes() ([]*os.File, error) {
	var inside []*os.File
	control, in, err := puppet.Pair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	b.control, inside = control, append(inside, in)
	for _, end := range []**os.File{&b.Stdout, &b.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(inside)
			return nil, err
		}
		*end, inside = r, append(inside, w)
	}
	for _, end := range []**net.UnixConn{&b.Channel, &b.launch} {
		out, in, err := Pair()
		if err != nil {
			closeAll(inside)
			return nil, err
		}
		*end, inside = out, append(inside, in)
	}
	return inside, nil
}

// Pair gives both ends of a stream: ours as a connection, and one to hand over.
func Pair() (*net.UnixConn, *os.File, error) { return puppet.Pair(unix.SOCK_STREAM) }

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// AllCapabilities lists every capability of the running kernel. The caller may
// lack some: the creator of a user namespace has them all inside.
func AllCapabilities() []uintptr {
	var caps []uintptr
	for c := range uintptr(64) {
		if _, _, errno := unix.Syscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, c, 0, 0, 0, 0); errno != 0 {
			break
		}
		caps = append(caps, c)
	}
	return caps
}

// expose makes the box what the kernel kills first when memory is full, before us
// and before whatever else runs here (proc(5), oom_score_adj).
func (b *Box) expose() error {
	return os.WriteFile("/proc/"+strconv.Itoa(b.Init)+"/oom_score_adj", []byte("1000"), 0)
}

func (b *Box) writeMaps() error {
	if b.real {
		return nil
	}
	dir := "/proc/" + strconv.Itoa(b.Init) + "/"
	line := fmt.Sprintf("0 %d %d", b.t.first, b.t.cfg.Mode.ids())
	if b.t.cfg.Mode == Single {
		if err := os.WriteFile(dir+"setgroups", []byte("deny"), 0); err != nil {
			return err
		}
	}
	for _, name := range []string{"uid_map", "gid_map"} {
		if err := os.WriteFile(dir+name, []byte(line), 0); err != nil {
			return err
		}
	}
	return nil
}

// CanClone has init start a process in new namespaces, which ends at once: does
// the host let it, whatever the driver says?
func (b *Box) CanClone(flags []string) error { return b.play("clone", canClone(flags)) }

// KillDriver kills the driver, and nobody else who may have its pid by now.
func (b *Box) KillDriver() error {
	err := unix.PidfdSendSignal(int(b.pidfd.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) { // it has ended
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

// Exit delivers how the driver ended, once.
func (b *Box) Exit() <-chan syscall.WaitStatus { return b.init.Ended() }

// Gone is closed when init has ended, and every process of the box with it.
func (b *Box) Gone() <-chan struct{} { return b.init.Gone() }

// Exhausted tells which limit of the box's cgroup was hit, or "".
func (b *Box) Exhausted() string { return b.group.exhausted() }

// Close kills every process of the box, waits until all are dead, and removes
// what the box had on the host. It may be called more than once.
func (b *Box) Close() error {
	var err error
	b.closing.Do(func() { err = b.close() })
	return err
}

func (b *Box) close() error {
	var errs []error
	if b.Init != 0 {
		// The kernel kills the whole PID namespace before its init can be
		// reaped: once that is done, nothing of the box is alive.
		errs = append(errs, unix.Kill(b.Init, unix.SIGKILL), reap(b.Init))
	}
	if b.uncovered != nil {
		errs = append(errs, <-b.uncovered)
	}
	for _, c := range []*net.UnixConn{b.control, b.Channel, b.launch} {
		if c != nil {
			c.Close()
		}
	}
	for _, f := range []*os.File{b.Stdout, b.Stderr, b.work, b.pidfd} {
		if f != nil {
			f.Close()
		}
	}
	for _, l := range b.Sockets {
		l.Close()
	}
	if err := b.group.remove(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// reap waits for a child of ours to end.
func reap(pid int) error {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("wait4", err)
		}
	}
}
