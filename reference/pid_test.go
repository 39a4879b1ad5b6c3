package reference

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCreatePIDNamespace(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	var out strings.Builder
	child := exec.Command("/bin/sh", "-c", "echo $$ $PPID; exit 42")
	child.Stdout = &out
	status, err := New().CreatePIDNamespace(child)
	if status != 42 || err != nil {
		t.Errorf("got status %d, %v; want 42", status, err)
	}
	if got, want := out.String(), "1 0\n"; got != want {
		t.Errorf("pid and parent inside: got %q; want %q", got, want)
	}
	if child.Process.Pid == 1 {
		t.Error("pid outside: got 1")
	}
}

func TestCreatePIDNamespaceAsksForNothingElse(t *testing.T) {
	home := namespacesOf(t, "/proc/self")
	for name, id := range home {
		var out strings.Builder
		child := exec.Command("readlink", "/proc/self/ns/"+name)
		child.Stdout = &out
		_, err := New().CreatePIDNamespace(child)
		must(t, err)
		// This proc belongs to our PID namespace, so self is a link to our
		// number of the child: it works from inside too.
		if inside := strings.TrimSpace(out.String()); (inside != id) != (name == "pid") {
			t.Errorf("%s: got %s inside, %s outside", name, inside, id)
		}
	}
}

func TestCreatePIDNamespaceKeepsAttributes(t *testing.T) {
	attr := &syscall.SysProcAttr{Setsid: true}
	child := exec.Command("/bin/sh", "-c", `read pid comm state ppid pgrp session rest </proc/self/stat; test $session = $pid`)
	child.SysProcAttr = attr
	status, err := New().CreatePIDNamespace(child)
	if status != 0 || err != nil {
		t.Errorf("got status %d, %v; want 0: the session is gone", status, err)
	}
	if attr.Cloneflags != 0 {
		t.Errorf("caller's attributes: got flags %#x; want them untouched", attr.Cloneflags)
	}
}

func TestCreatePIDNamespaceErrors(t *testing.T) {
	leavesNothing(t)
	status, err := New().CreatePIDNamespace(nil)
	if wantErrno(t, err, unix.EINVAL); status != -1 {
		t.Errorf("nil child: got status %d; want -1", status)
	}
	status, err = New().CreatePIDNamespace(exec.Command("/nonexistent"))
	if wantErrno(t, err, unix.ENOENT); status != -1 {
		t.Errorf("no such program: got status %d; want -1", status)
	}
	// PID 1 does not die of its own signals: somebody outside has to help.
	child := exec.Command("/bin/sh", "-c", "echo ready; sleep 1000")
	ready, err := child.StdoutPipe()
	must(t, err)
	go func() {
		ready.Read(make([]byte, 1))
		for _, pid := range children(t) {
			number, _ := strconv.Atoi(pid)
			unix.Kill(number, unix.SIGKILL)
		}
	}()
	if status, err = New().CreatePIDNamespace(child); status != -1 || err == nil {
		t.Errorf("killed: got status %d, %v; want -1 and an error", status, err)
	}
}

func TestCreatePIDNamespaceRefused(t *testing.T) {
	leavesNothing(t)
	limit(t, "max_pid_namespaces")
	status, err := New().CreatePIDNamespace(exec.Command("/bin/true"))
	if wantErrno(t, err, unix.ENOSPC); status != -1 {
		t.Errorf("got status %d; want -1", status)
	}
}

// limit has the kernel refuse more namespaces of a kind until the test ends.
func limit(t *testing.T, name string) {
	t.Helper()
	path := "/proc/sys/user/" + name
	before, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte("0"), 0))
	t.Cleanup(func() { must(t, os.WriteFile(path, before, 0)) })
}

func TestIsContainerInit(t *testing.T) {
	if New().IsContainerInit() {
		t.Error("got true; want false: the test box has another init")
	}
}

// A child of somebody else that has ended stays his to reap, whatever we wait
// for meanwhile.
func TestBystanderIsNotReaped(t *testing.T) {
	bystander := exec.Command("/bin/sh", "-c", "exit 3")
	must(t, bystander.Start())
	must(t, unix.Waitid(unix.P_PID, bystander.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil))

	if status, err := New().CreatePIDNamespace(exec.Command("/bin/true")); status != 0 || err != nil {
		t.Errorf("pid namespace: got %d, %v", status, err)
	}
	if status, _ := run(t, config("exit 4")); status != 4 {
		t.Errorf("container: got status %d; want 4", status)
	}
	cfg := config("sleep 1000")
	must(t, New().ContainerCreate(cfg))
	must(t, New().ContainerStop(cfg))
	must(t, New().ContainerCleanup(cfg))

	if err := bystander.Wait(); bystander.ProcessState == nil || bystander.ProcessState.ExitCode() != 3 {
		t.Errorf("bystander: got %v; want its status 3", err)
	}
}
