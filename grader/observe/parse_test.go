package observe

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moulinette/grader/evidence"
)

func TestParseMounts(t *testing.T) {
	good := "36 35 98:0 /r\\040x /mnt\\134y rw,ro shared:7 master:3 propagate_from:2 - ext4  rw\n"
	bad := "36 35 98:0 /\n-\n \n" + strings.Repeat("z", 70_000) + "\n"
	want := evidence.Mount{
		ID: 36, Parent: 35, Device: "98:0", Root: "/r x", Target: `/mnt\y`, Type: "ext4",
		Options: []string{"rw", "ro"}, Shared: 7, Master: 3, Propagation: "slave+shared",
	}
	for _, text := range []string{good + good, bad + good + bad + good} {
		if diff := cmp.Diff(parseMounts([]byte(text)), []evidence.Mount{want, want}); diff != "" {
			t.Errorf("got - want +\n%s", diff)
		}
	}
	many := strings.Repeat(good, maxMounts+5)
	equal(t, "bounded", len(parseMounts([]byte(many))), maxMounts)
	equal(t, "bounded among bad ones", len(parseMounts([]byte(bad+many))), maxMounts)
}

func TestThrough(t *testing.T) {
	parent := idMap{{Inside: 0, Outside: 100_000, Count: 1000}, {Inside: 5000, Outside: 300_000, Count: 10}}
	child := idMap{{Inside: 0, Outside: 100_999, Count: 1}, {Inside: 9, Outside: 300_009, Count: 1}, {Inside: 10, Outside: 7, Count: 1}}
	want := idMap{{Inside: 0, Outside: 999, Count: 1}, {Inside: 9, Outside: 5009, Count: 1}, {Inside: 10, Outside: 7, Count: 1}}
	if diff := cmp.Diff(child.through(parent), want); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
	equal(t, "mapped", parent.seenAs(300_003), 5003)
	equal(t, "unmapped", parent.seenAs(101_000), overflowID)
}

// TestOldStatus is a kernel that does not count filters.
func TestOldStatus(t *testing.T) {
	for text, want := range map[string]int{
		"Seccomp:\t2\n": 1, "Seccomp:\t0\n": 0, "Seccomp:\t2\nSeccomp_filters:\t3\n": 3, "": 0,
	} {
		st := parseStatus([]byte(text))
		equal(t, text, st.filterCount(), want)
	}
}

func TestCapNames(t *testing.T) {
	if got, want := capNames(1<<21|1<<0|1<<63), []string{"63", "CHOWN", "SYS_ADMIN"}; !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

func FuzzParsers(f *testing.F) {
	for _, name := range []string{"status", "uid_map", "mountinfo", "cmdline"} {
		data, err := os.ReadFile("/proc/self/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("1 2 0:3 / / rw - a b c\n1 2 03 / / rw shared: unbindable - a  \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		st := parseStatus(data)
		_, _, _ = st.self(), st.filterCount(), capSets{}.of(st)
		m := parseIDMap(data)
		if got := m.through(m); len(got) != len(m) || len(m) > maxMapLines {
			t.Errorf("map: %d lines through itself: %d", len(m), len(got))
		}
		for _, mount := range parseMounts(data) {
			if mount.Propagation == "" || mount.Options == nil {
				t.Errorf("mount: %+v", mount)
			}
		}
		if args := arguments(data); len(args) > maxArgs {
			t.Errorf("%d arguments", len(args))
		}
	})
}
