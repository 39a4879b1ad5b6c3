package observe_test

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/observe"
)

// stalled is what the kernel says itself.
func stalled(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/pressure/memory")
	if errors.Is(err, fs.ErrNotExist) { // a kernel without PSI
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	total := regexp.MustCompile(`(?m)^full .*total=(\d+)$`).FindSubmatch(text)
	if total == nil {
		t.Fatalf("no full line in %q", text)
	}
	micros, err := strconv.Atoi(string(total[1]))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(micros) * time.Microsecond
}

func TestMemoryStall(t *testing.T) {
	before := stalled(t)
	got := observe.MemoryStall()
	if after := stalled(t); got < before || got > after {
		t.Errorf("%v; want between %v and %v", got, before, after)
	}
}

// What runs has run, is ready, and stands where it was put; a process that is gone has no threads.
func TestScheds(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := os.Getpid()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for id, process := range map[string]string{"self": "self", "pid": strconv.Itoa(own)} {
		threads := observe.Scheds(process)
		ready := 0
		for tid, s := range threads {
			if s.Ready {
				ready++
			}
			if n, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil && 20-n != s.Nice || s.Policy != int(attr.Policy) {
				t.Errorf("%s: nice %d, policy %d; want %d, %d", id, s.Nice, s.Policy, 20-n, attr.Policy)
			}
			if s.Ran < 0 || s.Waited < 0 || s.Ran > time.Hour {
				t.Errorf("%s: %+v", id, s)
			}
		}
		if threads[own].Ran+threads[own].Waited == 0 || ready == 0 {
			t.Errorf("%s: %+v; want a first thread that has run, and one that is ready", id, threads)
		}
	}
	if gone := observe.Scheds("0"); len(gone) != 0 {
		t.Errorf("of no process: %+v", gone)
	}
}
