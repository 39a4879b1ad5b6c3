package fingerprint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAnotherSession(t *testing.T) {
	const own = "4:memory:/sessions/ours\n3:cpuset:/\n0::/\n"
	for group, want := range map[string]bool{
		"/sys/fs/cgroup/memory/sessions":             false,
		"/sys/fs/cgroup/memory/sessions/ours":        false,
		"/sys/fs/cgroup/memory/sessions/ours/inside": false,
		"/sys/fs/cgroup/memory/sessions/theirs":      true,
		"/sys/fs/cgroup/memory/more":                 false,
		"/sys/fs/cgroup/cpuset/more":                 false,
	} {
		if got := anotherSession(group, own); got != want {
			t.Errorf("anotherSession(%s) = %v; want %v", group, got, want)
		}
	}
}

// A group that was left is found in whichever hierarchy it lies, and however deep.
func TestGroups(t *testing.T) {
	const dead = 1 << 22 // above the highest pid there is
	above := ""
	for _, tree := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		if dir := filepath.Join(tree, "moulinette-test-groups"); os.Mkdir(dir, 0o755) == nil {
			above = dir
			break
		}
	}
	if above == "" {
		t.Skip("no cgroup can be made here")
	}
	deep := filepath.Join(above, "1", "2", "3", "4")
	left, used := filepath.Join(deep, fmt.Sprintf("moulinette-%d-0-0", dead)), filepath.Join(deep, fmt.Sprintf("moulinette-%d-0-0", os.Getpid()))
	t.Cleanup(func() {
		_ = os.Remove(used)
		for dir := left; len(dir) >= len(above); dir = filepath.Dir(dir) {
			_ = os.Remove(dir)
		}
	})
	if err := errors.Join(os.MkdirAll(left, 0o755), os.Mkdir(used, 0o755)); err != nil {
		t.Fatal(err)
	}
	if got := Groups(map[int]bool{dead: true, os.Getpid(): true}); !slices.Equal(got, []string{left}) {
		t.Errorf("Groups = %q; want %q, and none of an agent that lives", got, left)
	}
}
