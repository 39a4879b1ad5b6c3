package box

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// TestRoom looks at groups as the kernel shows them: the least room counts, of the own
// group and of those above it.
func TestRoom(t *testing.T) {
	v2 := hierarchy{t.TempDir(), "memory.max", "memory.current", "inactive_file"}
	put(t, v2.root, "500", "400", "anon 300\ninactive_file 50\n")
	put(t, v2.root+"/job", "max", "200", "inactive_file 10\n")
	put(t, v2.root+"/job/step", "900", "100", "")
	put(t, v2.root+"/tight", "100", "130", "inactive_file 0\n")
	for group, want := range map[string]int64{"/": 150, "/job": 150, "/job/step": 150, "/tight": 0, "/docker/seen/outside/only": 150, "/../../x": 150} {
		if free, limited := v2.room(group); free != want || !limited {
			t.Errorf("%s: %d, %v; want %d", group, free, limited, want)
		}
	}
	open := hierarchy{t.TempDir(), "memory.max", "memory.current", "inactive_file"}
	put(t, open.root, "9223372036854771712", "1", "")
	for _, h := range []hierarchy{open, {}, {root: "/nowhere"}} {
		if free, limited := h.room("/"); limited {
			t.Errorf("%q: %d where there is no limit", h.root, free)
		}
	}
}

func put(t *testing.T, dir, limit, used, stat string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"memory.max": limit, "memory.current": used, "memory.stat": stat} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRoomHere asks in a real group that has a limit.
func TestRoomHere(t *testing.T) {
	const asked, limit = "MOULINETTE_ASKED_FOR_ROOM", 512 << 20
	if os.Getenv(asked) != "" {
		if free, known := room(); !known || free <= 0 || free > limit {
			t.Fatalf("%d, %v; want something below %d", free, known, limit)
		}
		if few, none := Fit(64, limit/4), Fit(64, 2*limit); few < 1 || few > 4 || none != 1 {
			t.Errorf("there is room for %d and %d; want some of 4, and 1", few, none)
		}
		return
	}
	c := findCgroups(Root)
	defer closeAll(c.own)
	if !c.memory() {
		t.Skip("no memory can be limited")
	}
	g := &group{memoryDir: filepath.Join(c.memoryDir, fmt.Sprintf("%s%d-room-%s", cgroupPrefix, os.Getpid(), pidSpace())), unified: c.unified}
	if err := os.Mkdir(g.memoryDir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := removeGroup(g.memoryDir, sweepTimeout); err != nil {
			t.Error(err)
		}
	}()
	if err := g.limit(scenario.Limits{MemoryMiB: limit >> 20}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `echo 0 >"$0/cgroup.procs" && exec "$@"`, g.memoryDir, os.Args[0], "-test.run", "^TestRoomHere$")
	cmd.Env = append(os.Environ(), asked+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What is available on the host is there, and not all.
func TestAvailable(t *testing.T) {
	var host unix.Sysinfo_t
	if err := unix.Sysinfo(&host); err != nil {
		t.Fatal(err)
	}
	all := int64(host.Totalram) * int64(host.Unit)
	if free, known := available(); !known || free < all/1000 || free >= all {
		t.Errorf("%d bytes are available of %d", free, all)
	}
}
