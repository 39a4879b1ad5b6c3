package box

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A child starts in its group, and the thread that started it is back where it
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
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := groupsOf(t, "thread-self")
	g, err := c.make(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := g.start(cmd.SysProcAttr, cmd.Start); err != nil {
		t.Fatal(err)
	}
	for _, dir := range g.dirs() {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if got := strings.TrimSpace(string(text)); err != nil || got != strconv.Itoa(cmd.Process.Pid) {
			t.Errorf("%s holds %q (%v); want %d", dir, got, err, cmd.Process.Pid)
		}
	}
	if after := groupsOf(t, "thread-self"); after != before {
		t.Errorf("the thread is in %q; was in %q", after, before)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := g.remove(); err != nil {
		t.Error(err)
	}
}

func groupsOf(t *testing.T, task string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + task + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
