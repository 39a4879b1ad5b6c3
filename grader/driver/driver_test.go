package driver

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

func TestEveryCallIsKnown(t *testing.T) {
	got, want := slices.Sorted(maps.Keys(calls)), slices.Sorted(maps.Keys(scenario.Calls()))
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("calls: %s", diff)
	}
}

func TestReplies(t *testing.T) {
	s := ready(t, "")
	tests := []struct {
		name string
		req  scenario.Request
		want scenario.Reply
	}{
		{"bool", scenario.Request{Call: "is_container_init"}, scenario.Reply{Value: 1}},
		{"exit status", scenario.Request{Call: "create_pid_namespace", Probe: "exit7"}, scenario.Reply{Value: 7}},
		{
			"null",
			scenario.Request{Call: "create_pid_namespace", Args: scenario.Args{Null: true}},
			scenario.Reply{Failed: true, Value: -1, Errno: "EINVAL", Error: "nil child: invalid argument"},
		},
		{
			"missing",
			scenario.Request{Call: "create_network_namespace"},
			scenario.Reply{Failed: true, Missing: true, Error: "not implemented"},
		},
		{
			"missing bonus; a status of zero reads as an exit",
			scenario.Request{Call: "container_create_secure"},
			scenario.Reply{Failed: true, Missing: true, Exited: true, Error: "not implemented"},
		},
		{
			"missing bonus in its face",
			scenario.Request{Call: "setup_seccomp_filter"},
			scenario.Reply{Failed: true, Missing: true, Error: "not implemented"},
		},
		{
			"times",
			scenario.Request{Call: "create_veth_pair", Times: 5, Args: scenario.Args{A: "a", B: "b"}},
			scenario.Reply{Failed: true, FailedAt: 3, Errno: "EEXIST", Error: "third call with a b: file exists"},
		},
		{"unknown call", scenario.Request{Call: "fly"}, scenario.Reply{Failed: true, Fault: `unknown call "fly"`}},
		{
			"unknown process",
			scenario.Request{Call: "deny_setgroups", Args: scenario.Args{Process: "nobody"}},
			scenario.Reply{Failed: true, Fault: `no process "nobody" in this world`},
		},
		{
			"pid",
			scenario.Request{Call: "deny_setgroups", Args: scenario.Args{PID: -1}},
			scenario.Reply{Failed: true, Error: "pid -1"},
		},
		{
			"face that fails",
			scenario.Request{Call: "drop_capabilities"},
			scenario.Reply{Failed: true, Errno: "EPERM", Error: "keep nothing: operation not permitted"},
		},
		{
			"face that becomes the probe",
			scenario.Request{Call: "drop_capabilities", Probe: "exit7", Args: scenario.Args{Keep: []string{"CAP_KILL"}}},
			scenario.Reply{Value: 7, Exited: true, Status: 7},
		},
		{
			"face leaves no trace in the environment",
			scenario.Request{Call: "drop_capabilities", Probe: "thread", Args: scenario.Args{Keep: []string{"bpf"}}},
			scenario.Reply{Exited: true},
		},
		{
			"probe of a face is killed",
			scenario.Request{Call: "drop_capabilities", Probe: "die", Args: scenario.Args{Keep: []string{"chown"}}},
			scenario.Reply{Value: -1, Signal: 9},
		},
		{
			"unknown capability",
			scenario.Request{Call: "drop_capabilities", Args: scenario.Args{Keep: []string{"fly"}}},
			scenario.Reply{Failed: true, Fault: `unknown capability "fly"`},
		},
	}
	for _, test := range tests {
		if diff := cmp.Diff(s.ask(test.req), test.want); diff != "" {
			t.Errorf("%s (-got +want): %s", test.name, diff)
		}
	}
}

func TestPanicIsAReply(t *testing.T) {
	s := ready(t, "")
	got := s.ask(scenario.Request{Call: "interface_up"})
	if !got.Failed || !strings.HasPrefix(got.Panic, "up\x1b[31m\uFFFD\n") || !strings.Contains(got.Panic, "play_test.go") {
		t.Errorf("got %+v; want a panic with its place", got)
	}
	if strings.Contains(got.Panic, "debug.Stack") {
		t.Errorf("the shim's own frames show: %s", got.Panic)
	}
	if got := s.ask(scenario.Request{Call: "is_container_init"}); got.Value != 1 {
		t.Errorf("after a panic: got %+v; want the next answer", got)
	}
}

func TestTextIsBounded(t *testing.T) {
	s := ready(t, "")
	got := s.ask(scenario.Request{Call: "make_mount_shared", Args: scenario.Args{Path: "é"}})
	if len(got.Error) > maxText+8 {
		t.Errorf("got %d bytes; want at most %d", len(got.Error), maxText)
	}
}

func TestNewThatFails(t *testing.T) {
	for submission, want := range map[string]string{"panics": "in New", "nil": "New returned nil"} {
		if got := open(t, submission).read(); !got.Failed || !strings.HasPrefix(got.Panic, want) {
			t.Errorf("%s: got %+v; want panic %q", submission, got, want)
		}
	}
}

func TestContainerKeepsItsConfig(t *testing.T) {
	s := ready(t, "")
	flags := []string{"pid", "net"}
	got := s.ask(scenario.Request{Call: "container_init", Args: scenario.Args{Config: &scenario.Config{Flags: flags, CloneFlags: 1 << 26}}})
	want := scenario.Reply{PID: -1, Hostname: "container", Flags: 0x64000000, Exited: true}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("init: %s", diff)
	}
	if got = s.ask(scenario.Request{Call: "container_create", Probe: "exit7"}); got.Failed || got.PID <= 0 {
		t.Fatalf("create: got %+v", got)
	}
	got = s.ask(scenario.Request{Call: "container_wait"})
	got.PID = 0
	want = scenario.Reply{Hostname: "container", Flags: 0x64000000, Exited: true, Status: 7, Value: 7}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("wait: %s", diff)
	}
	got = s.ask(scenario.Request{Call: "container_init", Args: scenario.Args{Null: true}})
	if diff := cmp.Diff(got, scenario.Reply{Failed: true, Errno: "EINVAL", Error: "invalid argument"}); diff != "" {
		t.Errorf("null: %s", diff)
	}
}

// A config that declines our command has none, whatever comes later.
func TestContainerWithoutCommand(t *testing.T) {
	s := ready(t, "")
	s.ask(scenario.Request{Call: "container_init", Args: scenario.Args{Config: &scenario.Config{NoCmd: true}}})
	got := s.ask(scenario.Request{Call: "container_create", Probe: "exit7"})
	if !got.Failed || got.Errno != "EINVAL" {
		t.Errorf("create: got %+v; want the submission to have been handed no command", got)
	}
}

func TestContainerKilledBySignal(t *testing.T) {
	s := ready(t, "")
	args := scenario.Args{Container: "other"}
	s.ask(scenario.Request{Call: "container_create", Probe: "die", Args: args})
	got := s.ask(scenario.Request{Call: "container_wait", Args: args})
	if got.Signal != 9 || got.Exited || !got.Failed {
		t.Errorf("got %+v; want signal 9", got)
	}
}

func TestSeccompNames(t *testing.T) {
	s := ready(t, "secure")
	got := s.ask(scenario.Request{Call: "setup_seccomp_filter", Args: scenario.Args{Allowed: []string{"read", "write"}}})
	if want := "2 allowed, read true, mount false"; got.Error != want {
		t.Errorf("allowed: got %+v; want %q", got, want)
	}
	got = s.ask(scenario.Request{Call: "setup_seccomp_filter", Args: scenario.Args{AllowedAllBut: []string{"mount"}}})
	if !strings.HasSuffix(got.Error, "read true, mount false") {
		t.Errorf("all but: got %+v", got)
	}
	got = s.ask(scenario.Request{Call: "setup_seccomp_filter", Args: scenario.Args{Allowed: []string{"raed"}}})
	if want := `unknown system call "raed"`; got.Fault != want {
		t.Errorf("typing error: got %+v; want fault %q", got, want)
	}
}

// Who has written one half of the bonus must not hear that both are missing.
func TestHalfOfTheBonus(t *testing.T) {
	s := ready(t, "half-secure")
	if got := s.ask(scenario.Request{Call: "container_create_secure"}); got.Missing || got.Errno != "EBUSY" {
		t.Errorf("container_create_secure: got %+v; want EBUSY", got)
	}
	if got := s.ask(scenario.Request{Call: "setup_seccomp_filter"}); !got.Missing {
		t.Errorf("setup_seccomp_filter: got %+v; want missing", got)
	}
}

func TestSyscallTable(t *testing.T) {
	numbers, err := syscallNumbers(runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"read": unix.SYS_READ, "mount": unix.SYS_MOUNT, "clone3": unix.SYS_CLONE3, "seccomp": unix.SYS_SECCOMP,
		"mount_setattr": unix.SYS_MOUNT_SETATTR, "io_uring_setup": unix.SYS_IO_URING_SETUP, "listns": unix.SYS_LISTNS,
	} {
		if numbers[name] != want {
			t.Errorf("%s: got %d; want %d", name, numbers[name], want)
		}
	}
}

func TestCapabilityMask(t *testing.T) {
	got, err := capabilityMask([]string{"CAP_SYS_ADMIN", "kill", "checkpoint_restore"})
	want := uint64(1)<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_KILL | 1<<unix.CAP_CHECKPOINT_RESTORE
	if err != nil || got != want {
		t.Errorf("got %#x, %v; want %#x", got, err, want)
	}
}

func TestBystanderIsAZombie(t *testing.T) {
	s := ready(t, "")
	got := s.ask(scenario.Request{Call: "world", Bystander: true})
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", got.Pids["bystander"]))
	if err != nil || !strings.Contains(string(stat), ") Z ") {
		t.Errorf("got %+v, %q, %v; want a zombie", got, stat, err)
	}
}

func TestTargetHasItsCapabilities(t *testing.T) {
	s := ready(t, "")
	got := s.ask(scenario.Request{Call: "world", Targets: []scenario.Target{{Name: "wait:user", Flags: []string{"user", "uts"}}}})
	if got.Failed {
		t.Skip("no user namespaces here: ", got.Fault)
	}
	pid := got.Pids["wait:user"]
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), fmt.Sprintf("CapEff:\t%016x", uint64(1)<<len(allCapabilities())-1)) {
		t.Errorf("got %s; want all capabilities", status)
	}
	reply := s.ask(scenario.Request{Call: "deny_setgroups", Args: scenario.Args{Process: "wait:user"}})
	if want := fmt.Sprintf("pid %d", pid); reply.Error != want {
		t.Errorf("got %+v; want %q", reply, want)
	}
}

// TestNothingLeaks: whatever the driver holds between requests is blamed on the
// submission.
func TestNothingLeaks(t *testing.T) {
	s := ready(t, "secure")
	before := held(t, s.cmd.Process.Pid)
	for _, req := range []scenario.Request{
		{Call: "is_container_init", Times: 64},
		{Call: "create_pid_namespace", Probe: "exit7", Times: 8},
		{Call: "drop_capabilities", Probe: "exit7", Args: scenario.Args{Keep: []string{"kill"}}, Times: 8},
		{Call: "setup_seccomp_filter"},
		{Call: "container_create", Probe: "exit7"},
		{Call: "container_wait"},
		{Call: "interface_up", Times: 64},
	} {
		s.ask(req)
	}
	if diff := cmp.Diff(held(t, s.cmd.Process.Pid), before); diff != "" {
		t.Errorf("after the calls (-got +want): %s", diff)
	}
}

// held lists descriptors and children.
func held(t *testing.T, pid int) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+" "+target)
	}
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range children {
		text, err := os.ReadFile(file)
		if err == nil && len(text) > 0 {
			all = append(all, "children "+string(text))
		}
	}
	return all
}

// TestChannelStaysWithTheDriver: a child must not be able to answer.
func TestChannelStaysWithTheDriver(t *testing.T) {
	s := ready(t, "")
	got := s.ask(scenario.Request{Call: "world", Targets: []scenario.Target{{Name: "wait"}}})
	pid := got.Pids["wait"]
	if pid == 0 {
		t.Fatalf("got %+v; want a target", got)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && filepath.Base(exe) == "probe" {
			break
		}
	}
	if target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/3", pid)); err == nil && strings.HasPrefix(target, "socket:") {
		t.Errorf("descriptor 3 of a child is %s; want none", target)
	}
}

func TestDemoGoesOn(t *testing.T) {
	var out strings.Builder
	err := demo(contract.Unimplemented{}, &out) // it starts nothing: a child of this process would be the tests again
	if !errors.Is(err, contract.ErrNotImplemented) {
		t.Errorf("got %v; want not implemented", err)
	}
	for _, title := range []string{"1. Namespaces", "5. User namespace", "6. A simple container"} {
		if !strings.Contains(out.String(), title) {
			t.Errorf("demo does not get to %q:\n%s", title, out.String())
		}
	}
}
