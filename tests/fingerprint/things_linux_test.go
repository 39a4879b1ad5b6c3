package fingerprint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestConcerns(t *testing.T) {
	ours := ownGroups("4:memory:/user.slice/user-0.slice/ours\n3:cpuset:/\n0::/\n")
	for group, want := range map[string]bool{
		"":                                      true,
		"/evil":                                 true,
		"/system.slice":                         true,
		"/system.slice/cron.service":            false,
		"/user.slice/user-0.slice":              true,
		"/user.slice/user-0.slice/ours":         true,
		"/user.slice/user-0.slice/ours/a/b/c":   true,
		"/user.slice/user-0.slice/ours2":        false,
		"/user.slice/user-0.slice/theirs":       false,
		"/user.slice/user-1000.slice":           false,
		"/user.slice/user-1000.slice/x.service": false,
	} {
		if got := concerns(group, ours); got != want {
			t.Errorf("concerns(%q, %q) = %v; want %v", group, ours, got, want)
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
