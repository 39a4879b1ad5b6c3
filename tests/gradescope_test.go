package tests

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// libraries are what the Makefile packs for submissions.
const libraries = "golang.org/x/net golang.org/x/sys github.com/vishvananda/netlink github.com/vishvananda/netns"

// autograder packs the archive for Gradescope and unpacks it as Gradescope does:
// everything in source, run_autograder also beside it.
func autograder(t *testing.T, example string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "moulinette-autograder-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "autograder.zip")
	must(t, exec.Command("go", "run", "../grader/cmd/autograder", "-bin", bin, "-example", example, "-o", file,
		"-libraries", libraries, "--", "--only", "pid_isolation", "--jobs", "2"))
	unpack(t, file, filepath.Join(dir, "source"))
	must(t, exec.Command("test", "-x", filepath.Join(dir, "source/setup.sh")))
	must(t, exec.Command("cp", filepath.Join(dir, "source/run_autograder"), dir))
	must(t, exec.Command("cp", "-r", "../reference/c17", filepath.Join(dir, "submission")))
	must(t, exec.Command("chmod", "755", dir))
	return dir
}

func unpack(t *testing.T, file, to string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, e := range z.File {
		path := filepath.Join(to, filepath.FromSlash(e.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		from, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, e.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// results is what Gradescope reads of results.json.
type results struct {
	Score  *int
	Output string
	Tests  []struct {
		Name, Output, Status string
		Score, MaxScore      *int
	}
	Extra struct {
		Isolation string
		Passed    *bool
		Unjudged  int
	} `json:"extra_data"`
}

// TestGradescopeWhereNothingIsAllowed runs the autograder in a container's worst
// case: an ordinary user without capabilities, where namespaces are refused. One
// row in C keeps it short: nothing has to be compiled but that.
func TestGradescopeWhereNothingIsAllowed(t *testing.T) {
	needMachines(t)
	dir := autograder(t, "../student")
	if os.Geteuid() == 0 { // the ordinary user owns it all
		must(t, exec.Command("chown", "-R", fmt.Sprintf("%d:%[1]d", ordinaryID), dir))
	}
	file := filepath.Join(dir, "results/results.json")
	cmd := confined(t, filepath.Join(dir, "run_autograder"), "--submission", filepath.Join(dir, "submission"), "--results", file)
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if r.Score == nil || *r.Score != 15 || r.Extra.Isolation != "vm" || r.Extra.Unjudged != 0 || len(r.Tests) == 0 {
		t.Errorf("got %s\n%s", data, out)
	}
	for _, test := range r.Tests {
		if test.Status != "passed" {
			t.Errorf("%s: %s", test.Name, test.Output)
		}
	}
}

// TestGradescopeSetup sets a container up, but for what apt installs, and grades the
// example there. That is in C: what is in Go would be compiled with the whole library.
func TestGradescopeSetup(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc")
	}
	dir, stubs := autograder(t, "../reference/c17"), t.TempDir()
	asked := filepath.Join(stubs, "asked")
	if err := os.WriteFile(filepath.Join(stubs, "apt-get"), fmt.Appendf(nil, "#!/bin/sh\necho \"$@\" >>%s\n", asked), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", filepath.Join(dir, "source/setup.sh"))
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+stubs, "PATH="+stubs+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r results
	_, printed, _ := strings.Cut(string(out), "\n{")
	if err := json.NewDecoder(strings.NewReader("{" + printed)).Decode(&r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Score == nil || *r.Score != 15 || len(r.Tests) == 0 {
		t.Errorf("got %+v\n%s", r, out)
	}
	if said, err := os.ReadFile(asked); err != nil || !regexp.MustCompile(`(?m)^update$\n^install .*\bgcc\b.*\bqemu-system-x86\b`).Match(said) {
		t.Errorf("apt-get was asked for %q, %v", said, err)
	}
	if left, err := os.ReadDir(stubs); err != nil || len(left) != 2 {
		t.Errorf("left in TMPDIR: %v, %v", left, err)
	}
}
