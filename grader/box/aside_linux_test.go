package box

import (
	"os"
	"os/exec"
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

// The members of a group go aside if they are those who wait for the grader; where
// somebody else is in it, nobody is moved.
func TestStepAside(t *testing.T) {
	for _, test := range []struct {
		name, members string
		moved         string // last, for a plain file keeps what was written last
	}{
		{"the grader alone", "7\n", "7"},
		{"and the shell that waits for it", "5\n7\n", "7"},
		{"somebody else", "5\n6\n7\n", ""},
		{"somebody out of sight", "0\n7\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := scope(t, test.members)
			stepAside(dir, []int{7, 5, 1})
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
	stepAside(dir, []int{7})
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

func TestLineage(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "echo $$; read end")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := lineage(cmd.Process.Pid)
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the end of its input is no success of read
	if len(line) < 2 || line[0] != cmd.Process.Pid || line[1] != os.Getpid() {
		t.Errorf("%v; want the child, then %d, and so on", line, os.Getpid())
	}
}
