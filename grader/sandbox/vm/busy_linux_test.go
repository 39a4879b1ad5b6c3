package vm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/sandbox/conformance"
)

// crowd is how many share the one processor with a machine.
const crowd = 9

// A host that leaves a machine no time is not held against a submission: a limit
// that it met there is a fault of the host. The same limit on a host at rest is
// what conformance's hanging driver meets.
func TestBusyHost(t *testing.T) {
	loops, err := driverOf("for {}")
	if err != nil {
		t.Fatal(err)
	}
	box := open(t, loops)
	onOneProcessor(t)
	for range crowd {
		hog := exec.Command("/bin/sh", "-c", "ulimit -t 60; while :; do :; done") // so it ends in any case
		hog.SysProcAttr = &syscall.SysProcAttr{Setsid: true}                      // a group of its own for the scheduler
		if err := hog.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hog.Process.Kill(); _ = hog.Wait() })
	}
	sc := conformance.Scenario("busy.host")
	sc.Limits.StepMS, sc.Limits.ScenarioMS = 500, 2000
	rec, err := box.Run(t.Context(), sc)
	if err == nil || !strings.Contains(err.Error(), "this host is too busy") {
		t.Errorf("got the record %+v and the error %v; want a fault of the host", rec, err)
	}
}

// onOneProcessor keeps this process, and what it starts from now on, on one.
func onOneProcessor(t *testing.T) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if all.IsSet(i) {
			one.Set(i)
			break
		}
	}
	keep := func(set *unix.CPUSet) {
		threads, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range threads {
			tid, _ := strconv.Atoi(filepath.Base(dir))
			if err := unix.SchedSetaffinity(tid, set); err != nil && !os.IsNotExist(err) && err != unix.ESRCH {
				t.Fatal(err)
			}
		}
	}
	keep(&one)
	t.Cleanup(func() { keep(&all) })
}
