package puppet_test

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
)

// start gives a puppet that has nothing but its connection.
func start(t testing.TB) *puppet.Puppet {
	t.Helper()
	runtime.LockOSThread()
	p, pid, err := puppet.Start(func(birth *puppet.Program) {
		mask := birth.Words(1 << (int(unix.SIGCHLD) - 1))
		birth.Call("signals", unix.SYS_SIGNALFD4, -1, mask, 8, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK).Signals()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return p
}

func TestPlay(t *testing.T) {
	p := start(t)
	path := t.TempDir() + "/file"
	program := puppet.NewProgram()
	file := program.Call("open", unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_CREAT|unix.O_WRONLY, 0o600)
	file.Feed(program.Call("write", unix.SYS_WRITE, 0, "words", 5).Least(5), 0)
	pid := program.Bytes(make([]byte, 4))
	program.Call("getpid", unix.SYS_GETPID).Keep(pid)
	program.Returns(pid)
	for range 2 {
		got, err := p.Play(program)
		if err != nil || got <= 0 || got == os.Getpid() {
			t.Fatalf("Play = %d, %v; want another pid than ours", got, err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "words" {
		t.Errorf("the file holds %q, %v; want words", text, err)
	}
}

func TestPlayStopsAtAFailure(t *testing.T) {
	p := start(t)
	program := puppet.NewProgram()
	program.Call("first", unix.SYS_MKDIRAT, unix.AT_FDCWD, "/", 0o755).Allow(unix.EEXIST)
	program.Call("second", unix.SYS_CHDIR, "/nowhere")
	program.Call("third", unix.SYS_EXIT_GROUP, 0)
	_, err := p.Play(program)
	if !errors.Is(err, unix.ENOENT) || err.Error() != "second: no such file or directory" {
		t.Errorf("Play: %v; want second: ENOENT", err)
	}
	if _, err := p.Play(puppet.NewProgram()); err != nil {
		t.Errorf("Play afterwards: %v", err)
	}
}

func TestChildren(t *testing.T) {
	p := start(t)
	program := puppet.NewProgram()
	program.Call("fork", unix.SYS_CLONE, int(unix.SIGCHLD), 0, 0, 0, 0).Watch().Fork(puppet.Control, func() {
		program.Call("exit", unix.SYS_EXIT_GROUP, 7)
	})
	if _, err := p.Play(program); err != nil {
		t.Fatal(err)
	}
	if status := <-p.Ended(); status.ExitStatus() != 7 {
		t.Errorf("status %d; want 7", status.ExitStatus())
	}
}

// A puppet that ends before it was ready is missed at once, not waited for.
func TestStillborn(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, pid, err := puppet.Start(func(birth *puppet.Program) { birth.Call("end", unix.SYS_EXIT_GROUP, 0) })
	if err == nil || err.Error() != "it has ended" {
		t.Errorf("Start: %v; want that it has ended", err)
	}
	p.Close()
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
}
