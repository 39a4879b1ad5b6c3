package observe

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// box is a set of namespaces with an init, and a driver in a mount namespace
// of its own.
type box struct {
	t            testing.TB
	sock         *net.UnixListener
	init, driver *actor
	o            *Observer
	cmd          *exec.Cmd
}

// actor is the test's end of one.
type actor struct {
	b    *box
	name string
	pid  int // as the kernel tells it to us
	own  int // as it is for its parent
	conn *net.UnixConn
	in   *json.Decoder
	out  *json.Encoder
}

// ranged tells whether we have ids to give to a box beyond our own.
func ranged() bool { return os.Getenv(asAgent) == "" && os.Getuid() == 0 }

// boxIDs are the map of a box's user namespace.
func boxIDs() syscall.SysProcIDMap {
	if ranged() {
		return syscall.SysProcIDMap{HostID: 100_000, Size: 65_536}
	}
	return syscall.SysProcIDMap{HostID: 0, Size: 1}
}

// patience is how long an actor may take to answer on a machine under load.
const patience = time.Minute

const boxFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// newBox starts one whose driver has done setup before it is first looked at.
func newBox(t testing.TB, setup ...[]string) *box {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	sock, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s"})
	must(t, err)
	must(t, os.Chmod(dir+"/s", 0o777))
	must(t, os.Mkdir(dir+"/root", 0o755))
	b := &box{t: t, sock: sock}
	b.start(dir)
	t.Cleanup(b.stop)
	b.init = b.accept("init")
	b.init.do("root", dir+"/root")
	b.init.do("sethostname", "box")
	b.driver = b.init.spawn("driver", unix.CLONE_NEWNS, "")
	for _, step := range setup {
		b.driver.do(step...)
	}
	b.o, err = New(b.init.pid, b.driver.pid)
	must(t, err)
	t.Cleanup(b.o.Close)
	return b
}

func (b *box) start(dir string) {
	b.cmd = exec.Command("/proc/self/exe", "-test.run=^$", "init")
	b.cmd.Env = []string{actorName + "=init", actorSock + "=" + dir + "/s"}
	b.cmd.Stderr = os.Stderr
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 boxFlags,
		UidMappings:                []syscall.SysProcIDMap{boxIDs()},
		GidMappings:                []syscall.SysProcIDMap{boxIDs()},
		GidMappingsEnableSetgroups: ranged(),
		Credential:                 &syscall.Credential{NoSetGroups: true},
		Pdeathsig:                  syscall.SIGKILL,
	}
	must(b.t, b.cmd.Start())
}

func (b *box) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	_ = b.sock.Close()
}

func (b *box) accept(name string) *actor {
	b.t.Helper()
	must(b.t, b.sock.SetDeadline(time.Now().Add(patience)))
	conn, err := b.sock.AcceptUnix()
	must(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close() })
	must(b.t, conn.SetDeadline(time.Now().Add(patience)))
	raw, err := conn.SyscallConn()
	must(b.t, err)
	var cred *unix.Ucred
	must(b.t, raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}))
	must(b.t, err)
	a := &actor{b: b, name: name, pid: int(cred.Pid), conn: conn, in: json.NewDecoder(conn), out: json.NewEncoder(conn)}
	if got := a.answer(); got != name {
		b.t.Fatalf("checked in: got %q; want %q", got, name)
	}
	return a
}

func (a *actor) answer() string {
	a.b.t.Helper()
	text, err := a.receive()
	if err != nil {
		a.b.t.Fatalf("%s: %v", a.name, err)
	}
	return text
}

func (a *actor) receive() (string, error) {
	var r answer
	if err := a.in.Decode(&r); err != nil {
		return "", err
	}
	if r.Error != "" {
		return r.Text, errors.New(r.Error)
	}
	return r.Text, nil
}

// do asks for something that must succeed.
func (a *actor) do(args ...string) string {
	a.b.t.Helper()
	text, err := a.try(args...)
	if err != nil {
		a.b.t.Fatalf("%s: %v: %v", a.name, args, err)
	}
	return text
}

func (a *actor) try(args ...string) (string, error) {
	if err := a.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if err := a.out.Encode(request{args}); err != nil {
		return "", err
	}
	return a.receive()
}

// exit ends an actor; its parent is to reap it.
func (a *actor) exit(status int) {
	must(a.b.t, a.out.Encode(request{[]string{"exit", strconv.Itoa(status)}}))
}

func (a *actor) spawn(name string, flags int, ids string) *actor {
	a.b.t.Helper()
	own := a.do("spawn", name, strconv.Itoa(flags), ids)
	child := a.b.accept(name)
	child.own = number(own)
	return child
}

// corpse makes a zombie child and returns its pid.
func (a *actor) corpse(name string) int {
	a.b.t.Helper()
	child := a.spawn(name, 0, "")
	child.exit(3)
	a.do("zombie", name)
	return child.pid
}

// self is what the actor sees of itself: pid, ppid, uid, gid.
func (a *actor) self() (ids []int, hostname string) {
	a.b.t.Helper()
	fields := strings.Fields(a.do("self"))
	return numbers(strings.Join(fields[:4], " ")), fields[4]
}

func (a *actor) seen() evidence.Process {
	a.b.t.Helper()
	p, err := a.b.o.Process(a.pid)
	must(a.b.t, err)
	return p
}

func (b *box) snapshot(watch ...string) evidence.Snapshot {
	b.t.Helper()
	s, err := b.o.Snapshot(watch)
	must(b.t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v; want %v", what, got, want)
	}
}

// mountAt returns the topmost mount on a target.
func mountAt(t testing.TB, p evidence.Process, target string) evidence.Mount {
	t.Helper()
	var found evidence.Mount
	for _, m := range p.Mounts {
		if m.Target == target {
			found = m
		}
	}
	if found.ID == 0 {
		t.Fatalf("no mount on %s", target)
	}
	return found
}

func linkNamed(t testing.TB, links []evidence.Link, name string) evidence.Link {
	t.Helper()
	for _, l := range links {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no link %s among %v", name, links)
	return evidence.Link{}
}
