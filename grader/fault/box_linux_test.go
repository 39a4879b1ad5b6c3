package fault

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The test binary plays every part, by its first argument: the stage is on the
// host's side, in a mount namespace of its own; the box is in new namespaces
// and puts the filter on; what it becomes then acts.
const (
	asStage = "fault-test-stage"
	asBox   = "fault-test-box"
	asActor = "fault-test-actor"
	asChild = "fault-test-child" // of the actor, in namespaces of its own
)

// noNap spares the race detector's second of sleep at each process's end.
const noNap = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		part := map[string]func([]string) int{asStage: stage, asBox: box, asActor: actor, asChild: child}[os.Args[1]]
		if part != nil {
			os.Exit(part(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// must ends a part that cannot be played.
func must(err error, what string) {
	if err != nil {
		panic(fmt.Errorf("%s: %w", what, err))
	}
}

// hostTmpfs is a file system in every box, on tmpfs: of the host where the
// tests run as root, else of the box.
const hostTmpfs = "/mnt"

func world(owner int) {
	must(unix.Mount("tmpfs", hostTmpfs, "tmpfs", 0, "mode=755,size=8m"), "tmpfs")
	for _, dir := range []string{"", "root", "root/dev", "root/proc", "root/old", "root/etc", "plain", "theirs"} {
		p := filepath.Join(hostTmpfs, dir)
		must(os.MkdirAll(p, 0o755), p)
		if owner != 0 && dir != "theirs" {
			must(os.Chown(p, owner, owner), p)
		}
	}
}

// stage makes what the host's side owns, then the box.
func stage(args []string) (status int) {
	runtime.LockOSThread()
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), "private")
	world(100000)
	cmd := boxCommand(true, args)
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "control")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return 1
	}
	return 0
}

func boxCommand(root bool, args []string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", append([]string{asBox}, args...)...)
	uid, size := 100000, 65536
	if !root {
		uid, size = os.Getuid(), 1
	}
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: size}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET,
		UidMappings: maps, GidMappings: maps, GidMappingsEnableSetgroups: root,
		Credential: &syscall.Credential{NoSetGroups: !root},
		Pdeathsig:  unix.SIGKILL,
	}
	return cmd
}

// box installs the filter, hands the listener over, waits, and becomes the
// actor.
func box(args []string) (status int) {
	runtime.LockOSThread()
	// Again: it is a thread's, and this is the one that executes the actor.
	must(unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0), "die with the stage")
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), "private")
	must(unix.Mount("proc", "/proc", "proc", 0, ""), "proc")
	if args[0] == "user" {
		world(0)
	}
	l, err := install()
	must(err, "install")
	must(unix.Sendmsg(3, []byte{1}, unix.UnixRights(l), nil, 0), "send the listener")
	var b [1]byte
	_, err = unix.Read(3, b[:])
	must(err, "wait for the supervisor")
	must(unix.Close(l), "close the listener")
	must(unix.Close(3), "close the channel")
	must(unix.Exec("/proc/self/exe", append([]string{"actor", asActor}, args...), []string{noNap}), "exec")
	return 1
}

// install puts the filter on this thread and returns its listener.
func install() (listener int, err error) {
	filter, flags := Program(true)
	if slices.Contains(os.Args, "pipes under signals") {
		flags &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV // as before Linux 5.19
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(prog)))
	runtime.KeepAlive(prog)
	if e != 0 {
		return -1, e
	}
	return int(fd), nil
}

// actor makes each road named by an argument, once it is told to. Capabilities and
// ids of files are a thread's.
func actor(args []string) (status int) {
	runtime.LockOSThread()
	fmt.Println("ready")
	pause()
	for _, name := range args[1:] {
		var f func() error
		for _, all := range []map[string]func() error{roads(), deeds(), tricks(), legacyTricks()} {
			if f == nil {
				f = all[name]
			}
		}
		if f == nil {
			fmt.Println(name, "unknown")
			return 2
		}
		fmt.Println(name, errnoText(f()))
	}
	return 0
}

var fromTest = bufio.NewReader(os.Stdin)

// pause waits for the test's word.
func pause() {
	_, err := fromTest.ReadString('\n')
	must(err, "wait for the test")
}

func errnoText(err error) string {
	var e unix.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// boxed is a running box and its supervisor.
type boxed struct {
	*Supervisor
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func isRoot() bool { return os.Getuid() == 0 }

// start runs a box to the point where the actor waits to be told.
func start(t testing.TB, o Options, acts ...string) *boxed {
	t.Helper()
	b, l, control := launch(t, acts...)
	o.BoxInit = b.cmd.Process.Pid
	if isRoot() {
		o.BoxInit = firstChild(t, b.cmd.Process.Pid)
	}
	b.Supervisor = Supervise(l, o)
	control.Write([]byte{1})
	control.Close()
	t.Cleanup(b.end)
	b.line("ready")
	return b
}

// launch runs a box to the point where it has sent its listener and waits on
// the control channel.
func launch(t testing.TB, acts ...string) (b *boxed, l, control *os.File) {
	t.Helper()
	b = &boxed{t: t}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	if isRoot() {
		b.cmd = exec.Command("/proc/self/exe", append([]string{asStage, "root"}, acts...)...)
		b.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	} else {
		b.cmd = boxCommand(false, append([]string{"user"}, acts...))
	}
	b.cmd.ExtraFiles = []*os.File{theirs}
	b.cmd.Stderr = os.Stderr
	b.cmd.Env = []string{noNap}
	b.in, _ = b.cmd.StdinPipe()
	out, _ := b.cmd.StdoutPipe()
	b.out = bufio.NewScanner(out)
	runtime.LockOSThread() // Pdeathsig is the thread's
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return b, receiveListener(t, pair[0]), ours
}

func receiveListener(t testing.TB, from int) *os.File {
	t.Helper()
	oob := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(from, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		t.Fatalf("no listener came: %v", err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "listener")
}

// firstChild looks at every thread: a child is listed under the one that made it.
func firstChild(t testing.TB, pid int) int {
	t.Helper()
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		if child, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return child
		}
	}
	t.Fatal("the stage has no child")
	return 0
}

// act arms the faults and lets the actor begin.
func (b *boxed) act() *boxed {
	b.Arm()
	b.tell()
	return b
}

func (b *boxed) tell() { fmt.Fprintln(b.in, "go") }

// line expects the actor's next line.
func (b *boxed) line(want string) {
	b.t.Helper()
	if !b.out.Scan() || b.out.Text() != want {
		b.t.Fatalf("the actor said %q, want %q", b.out.Text(), want)
	}
}

// rest is what the actor still has to say, and waits for its end.
func (b *boxed) rest() (lines []string) {
	for b.out.Scan() {
		lines = append(lines, b.out.Text())
	}
	b.cmd.Wait()
	<-b.ended
	return lines
}

func (b *boxed) end() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
	b.Close()
	runtime.UnlockOSThread()
	if err := b.Result().Err; err != nil {
		b.t.Errorf("supervisor: %v", err)
	}
}

// eventually waits for something that no event tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
