package box

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// Box is one open set of namespaces with our init in it, and once launched the
// driver.
type Box struct {
	Init    int      // host pid of the box's init
	Driver  int      // host pid of the driver, after Launch
	Stdout  *os.File // read end
	Stderr  *os.File // read end
	Channel *net.UnixConn
	Sockets []*net.UnixListener // where probes of this box check in, besides Template.Socket
	Copies  []Inode             // of our binary, in the box's roots

	t       *Template
	cmd     *exec.Cmd
	control *net.UnixConn
	launch  *net.UnixConn
	answers chan answer
	exit    chan Exit
	gone    chan struct{} // closed when init has ended
	group   *group
	real    bool     // it has no user namespace
	disk    int      // MiB
	work    *os.File // the folder /work, as the agent reaches it
	closing sync.Once
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

// Close closes the box made ahead, which has a cgroup already.
func (t *Template) Close() error {
	if t.spare == nil {
		return nil
	}
	s := <-t.spare
	t.spare = nil
	if s.err != nil {
		return nil // there is none
	}
	return s.box.Close()
}

// newBox clones a box's init and has it set up what all boxes have in common.
func (t *Template) newBox(disk int, real bool) (*Box, error) {
	b := &Box{t: t, disk: disk, real: real, answers: make(chan answer, 1), exit: make(chan Exit, 1), gone: make(chan struct{})}
	if err := b.clone(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Box) clone() error {
	inside, err := b.pipes()
	if err != nil {
		return err
	}
	defer closeAll(inside)
	if b.group, err = b.t.cg.make(int(b.t.made.Add(1))); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := b.t.on(func() error { return b.spawn(inside) }); err != nil {
		return err
	}
	if err := b.writeMaps(); err != nil {
		return fmt.Errorf("maps: %w", err)
	}
	if err := b.expose(); err != nil {
		return fmt.Errorf("oom score: %w", err)
	}
	go b.listen()
	return b.order("set-up", order{Base: &base{
		UserNS: !b.real, Ranged: b.t.cfg.Mode != Single, DiskMiB: b.disk,
	}})
}

// furnish makes of a fresh box the one that a scenario asks for.
func (b *Box) furnish(o Options) error {
	if err := b.group.limit(o.Limits); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	if err := b.makeRoots(o.World.Roots); err != nil {
		return err
	}
	return b.order("world", order{Setup: &setup{
		Ranged: b.t.cfg.Mode != Single, World: o.World, Limits: o.Limits, Faults: o.Faults, Forks: o.Forks,
		Variant: o.Variant, Bounded: o.Real,
	}})
}

// pipes makes the descriptors between agent and box; the inside ends are
// returned in the order of fdControl to fdLaunch.
func (b *Box) pipes() ([]*os.File, error) {
	var inside []*os.File
	control, in, err := socketPair()
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
		out, in, err := socketPair()
		if err != nil {
			closeAll(inside)
			return nil, err
		}
		*end, inside = out, append(inside, in)
	}
	return inside, nil
}

// socketPair gives our end as a connection, with deadlines, and the other as a
// file to inherit.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
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

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// spawn clones the box's init. It runs on the template's thread.
func (b *Box) spawn(inside []*os.File) error {
	if err := unix.Mount("work", scenario.WorkDir, "tmpfs", unix.MS_NOSUID, fmt.Sprintf("mode=0755,size=%dm", b.disk)); err != nil {
		return fmt.Errorf("mount %s: %w", scenario.WorkDir, err)
	}
	// init has its own copy from the clone on, and we a way in; the template's
	// copy goes.
	defer func() { _ = unix.Unmount(scenario.WorkDir, unix.MNT_DETACH) }()
	var err error
	if b.work, err = os.Open(scenario.WorkDir); err != nil {
		return err
	}
	b.cmd = &exec.Cmd{
		// One thread is enough for an init, and makes its start and end cheaper.
		Path: scenario.ProbePath, Args: []string{FaceInit}, Env: []string{"GOMAXPROCS=1"}, Dir: "/",
		ExtraFiles: inside, SysProcAttr: b.initAttr(),
	}
	if err := b.group.start(b.cmd.SysProcAttr, b.cmd.Start); err != nil {
		return fmt.Errorf("clone: %w", err)
	}
	b.Init = b.cmd.Process.Pid
	return nil
}

// initAttr asks for every namespace but the cgroup one, which init makes itself
// once it is in its cgroup, so that it sees itself at its root.
func (b *Box) initAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	if !b.real {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		// init is executed before its maps are written, as nobody; execve
		// keeps a nobody's capabilities only if they are ambient.
		attr.AmbientCaps = AllCapabilities()
	}
	return attr
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

// expose makes the box one that the kernel may kill when memory is full, where
// the agent is one that it may not (proc(5), oom_score_adj).
func (b *Box) expose() error {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil || !strings.HasPrefix(string(own), "-") || b.t.first == 0 && !b.real {
		return nil
	}
	return os.WriteFile("/proc/"+strconv.Itoa(b.Init)+"/oom_score_adj", []byte("0"), 0)
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

// listen sorts what init says: answers to orders, and news of the driver.
func (b *Box) listen() {
	dec := json.NewDecoder(b.control)
	for {
		var a answer
		if dec.Decode(&a) != nil {
			close(b.gone)
			close(b.answers)
			return
		}
		if a.News != nil {
			select {
			case b.exit <- *a.News:
			default:
			}
			continue
		}
		b.answers <- a
	}
}

// order gives init an order and waits for its answer.
func (b *Box) order(what string, o order) error {
	if err := b.control.SetWriteDeadline(time.Now().Add(openTimeout)); err != nil {
		return err
	}
	if err := json.NewEncoder(b.control).Encode(o); err != nil {
		return fmt.Errorf("%s: init is gone: %w", what, err)
	}
	select {
	case a, ok := <-b.answers:
		if !ok {
			return fmt.Errorf("%s: init ended", what)
		}
		if a.Error != "" {
			return fmt.Errorf("%s: %s", what, a.Error)
		}
		return nil
	case <-time.After(openTimeout):
		return fmt.Errorf("%s: no answer from init", what)
	}
}

// Host does something in the peer's namespaces.
func (b *Box) Host(h scenario.Host) error { return b.order("host", order{Host: &h}) }

// CanClone has init start a process in new namespaces, which ends at once: does
// the host let it, whatever the driver says?
func (b *Box) CanClone(flags []string) error {
	return b.order("clone", order{Clone: append([]string{}, flags...)})
}

// Exit delivers how the driver ended, once.
func (b *Box) Exit() <-chan Exit { return b.exit }

// Gone is closed when init has ended, and every process of the box with it.
func (b *Box) Gone() <-chan struct{} { return b.gone }

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
	if b.cmd != nil && b.cmd.Process != nil {
		// The kernel kills the whole PID namespace before its init can be
		// reaped: once Wait returns, nothing of the box is alive.
		if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
		_ = b.cmd.Wait()
	}
	for _, c := range []*net.UnixConn{b.control, b.Channel, b.launch} {
		if c != nil {
			c.Close()
		}
	}
	for _, f := range []*os.File{b.Stdout, b.Stderr, b.work} {
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
