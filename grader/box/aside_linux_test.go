package box

import (
	"os"
	"path/filepath"
	"testing"
)

// scope imitates a group of version 2: plain files, with these members.
func scope(t *testing.T, members string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cgroup.procs": members, "cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func procs(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The grader goes aside where it is alone; where somebody else is in its group, be it the
// shell that waits, nobody is moved.
func TestStepAside(t *testing.T) {
	for _, test := range []struct {
		name, members string
		moved         string
	}{
		{"the grader alone", "7\n", "7"},
		{"and the shell that waits for it", "5\n7\n", ""},
		{"somebody else alone", "5\n", ""},
		{"somebody out of sight", "0\n7\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := scope(t, test.members)
			stepAside(dir, "7")
			aside := filepath.Join(dir, asideName)
			if _, err := os.Stat(aside); (err == nil) != (test.moved != "") {
				t.Fatalf("%s: %v", aside, err)
			}
			if test.moved != "" && procs(t, aside) != test.moved {
				t.Errorf("moved %q; want %q", procs(t, aside), test.moved)
			}
			if got := unifiedDir(Single, filepath.Dir(dir), "/"+filepath.Base(dir)+"/"+asideName); got != dir {
				t.Errorf("boxes' groups go below %s; want %s", got, dir)
			}
		})
	}
}

// What is of no use is undone.
func TestStepAsideForNothing(t *testing.T) {
	dir := scope(t, "7\n")
	control := filepath.Join(dir, "cgroup.subtree_control")
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(control, 0o755); err != nil { // it cannot be written
		t.Fatal(err)
	}
	stepAside(dir, "7")
	if got := procs(t, dir); got != "7" {
		t.Errorf("%q is in the group; want the process moved back", got)
	}
}

func TestControls(t *testing.T) {
	dir := scope(t, "7\n")
	if !controls(dir) {
		t.Error("memory and pids are there; they were not seen")
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("cpu pids\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if controls(dir) {
		t.Error("there is no memory controller; it was seen")
	}
}
