package ns_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"moulinette/grader/evidence"
)

// One agent runs many scenarios, well-behaved ones and rude ones in turn; it has
// as many descriptors and threads at the end as after a few, and no more memory
// than a heap that small breathes. ENDURE sets how many (`make endure`).
func TestBoxesLeakNothing(t *testing.T) {
	n := 200
	if text := os.Getenv("ENDURE"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, built.reference)
	agent := children(t, os.Getpid())[0]
	rude := open(t, built.rude)
	once := func(i int) {
		box, call := s, call("is_container_init")
		if i%8 == 7 {
			box = rude
			call.Steps[0].Call = "print_namespace_info"
		}
		if rec := run(t, box, call); rec.End.Outcome != evidence.Completed {
			t.Fatalf("scenario %d: %+v", i, rec.End)
		}
	}
	const warm = 50
	for i := range warm {
		once(i)
	}
	before := usage(t, agent)
	for i := range n {
		once(i)
	}
	after := usage(t, agent)
	t.Logf("%d scenarios: before %+v, after %+v", n, before, after)
	if after.fds > before.fds+8 || after.threads > before.threads+8 {
		t.Errorf("after %d scenarios the agent holds %+v; had %+v", n, after, before)
	}
	if grown := after.residentKiB - before.residentKiB; grown > 16<<10 {
		t.Errorf("after %d scenarios the agent has %d KiB more", n, grown)
	}
	if left := groupsOf(agent); left > 2 { // of the box made ahead
		t.Errorf("%d control groups are left", left)
	}
}

// used is what a process holds.
type used struct{ fds, threads, residentKiB int }

func usage(t *testing.T, pid int) (u used) {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.fds = len(fds)
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		switch key {
		case "Threads":
			u.threads, _ = strconv.Atoi(number)
		case "VmRSS":
			u.residentKiB, _ = strconv.Atoi(number)
		}
	}
	return u
}

// groupsOf counts the control groups of an agent's boxes.
func groupsOf(agent int) (n int) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), fmt.Sprintf("moulinette-%d-", agent)) {
				n++
			}
		}
	}
	return n
}
