package box

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
	"moulinette/grader/scenario"
)

// A child starts in its group, and the puppet that started it is back where it
// was.
func TestChildStartsInItsGroup(t *testing.T) {
	v1, v2 := cgroupMounts()
	tried := 0
	for name, c := range map[string]*cgroups{
		"version 1": {memoryDir: usable(v1["memory"]), pidsDir: usable(v1["pids"])},
		"version 2": {memoryDir: usable(v2), pidsDir: usable(v2), unified: true},
	} {
		if !c.memory() {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			if !c.unified {
				c = findCgroups(Root)
			}
			inGroup(t, c)
		})
	}
	if tried == 0 {
		t.Skip("no hierarchy of control groups can be written to")
	}
}

func inGroup(t *testing.T, c *cgroups) {
	runtime.LockOSThread() // and never unlocked: the puppet dies with the thread
	parent, pid, err := puppet.Start(func(*puppet.Program) {})
	if err != nil {
		t.Fatal(err)
	}
	before := groupsOf(t, pid)
	g, err := c.make(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	child := startIn(t, g, parent)
	for _, dir := range g.dirs() {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if got := strings.TrimSpace(string(text)); err != nil || got != strconv.Itoa(child) {
			t.Errorf("%s holds %q (%v); want %d", dir, got, err, child)
		}
	}
	for _, dir := range g.dirs() { // as a submission may, whose user has the group
		if err := os.MkdirAll(filepath.Join(dir, "of", "theirs"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if after := groupsOf(t, pid); after != before {
		t.Errorf("the puppet is in %q; was in %q", after, before)
	}
	end := puppet.NewProgram()
	end.Call("kill", unix.SYS_KILL, child, int(unix.SIGKILL))
	end.Call("wait", unix.SYS_WAIT4, child, 0, 0, 0)
	_, err = parent.Play(end)
	if err := errors.Join(err, g.remove(), parent.Close(), reap(pid)); err != nil {
		t.Error(err)
	}
}

// startIn has a puppet start a child in a group that waits for its end.
func startIn(t *testing.T, g *group, parent *puppet.Puppet) int {
	t.Helper()
	p := puppet.NewProgram()
	started := p.Bytes(make([]byte, 4))
	g.start(p, int(unix.SIGCHLD), func() {
		p.Call("die with its parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL))
		p.Call("wait", unix.SYS_PPOLL, 0, 0, 0, 0, 0)
	}).Keep(started)
	p.Returns(started)
	files := []*os.File{os.Stdin, os.Stdin, os.Stdin, os.Stdin, os.Stdin} // what lies before fdGroups
	child, err := parent.Play(p, append(files, g.files()...)...)
	g.entered()
	if err != nil {
		t.Fatal(err)
	}
	return child
}

func groupsOf(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A box of version 2 does not spill into the host's swap; one of version 1 has no such
// limit.
func TestNoSwap(t *testing.T) {
	for _, unified := range []bool{true, false} {
		dir := t.TempDir()
		swap := filepath.Join(dir, "memory.swap.max")
		for _, name := range []string{"memory.max", "memory.limit_in_bytes", "pids.max", "memory.swap.max"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("max"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g := &group{memoryDir: dir, pidsDir: dir, unified: unified}
		if err := g.limit(scenario.Limits{}.WithDefaults()); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "0", false: "max"}[unified]
		if got, err := os.ReadFile(swap); err != nil || string(got) != want {
			t.Errorf("unified %t: swap %q, %v; want %q", unified, got, err, want)
		}
	}
}

// What the dead have left is removed, also by who has the pid of one of them.
func TestSweep(t *testing.T) {
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	group := func(pid int) string {
		return filepath.Join(dir, fmt.Sprintf("%s%d-1-%s", cgroupPrefix, pid, pidSpace()))
	}
	elsewhere := func(n int) string {
		return filepath.Join(dir, fmt.Sprintf("%s%d-%d-1", cgroupPrefix, dead.Process.Pid, n))
	}
	other := filepath.Join(dir, "other")
	for _, name := range []string{group(dead.Process.Pid), group(os.Getpid()), group(os.Getppid()), elsewhere(1), elsewhere(2), other} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * old)
	if err := os.Chtimes(elsewhere(2), long, long); err != nil {
		t.Fatal(err)
	}
	sweep(dir, sweepTimeout)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if want := []string{elsewhere(1), group(os.Getppid()), other}; err != nil || !slices.Equal(slices.Sorted(slices.Values(left)), slices.Sorted(slices.Values(want))) {
		t.Errorf("left %q, %v; want %q", left, err, want)
	}
}
