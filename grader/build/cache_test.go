package build

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moulinette/grader/submission"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the module files of the stage anew")

func TestPrune(t *testing.T) {
	c := cache{t.TempDir()}
	old := time.Now().Add(-2 * keepFor)
	for i := range keepDrivers + 5 {
		path := c.driver(fmt.Sprintf("%03d", i))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, nil, 0o755))
		used := old.Add(-time.Duration(i) * time.Minute)
		must(t, os.Chtimes(path, used, used))
	}
	last := c.driver(fmt.Sprintf("%03d", keepDrivers+4))
	sum, err := sumOf(last)
	must(t, err)
	must(t, os.WriteFile(last+sumSuffix, []byte(sum), 0o600))
	if _, ok := c.find(fmt.Sprintf("%03d", keepDrivers+4)); !ok {
		t.Fatal("not found")
	}
	c.prune()
	got := list(filepath.Join(c.dir, "drivers"), "driver")
	if len(got) != keepDrivers || filepath.Base(got[0].path) != fmt.Sprintf("%03d", keepDrivers+4) {
		t.Errorf("kept %d, newest %v; want %d, and the one just used first", len(got), got[0], keepDrivers)
	}
}

// TestSweep: the next grader removes what a killed one left, and nothing of one
// that lives.
func TestSweep(t *testing.T) {
	c := cache{t.TempDir()}
	must(t, os.MkdirAll(filepath.Join(c.dir, "tmp", "build-left", "module"), 0o700))
	running, remove, err := c.temp()
	must(t, err)
	must(t, c.claim())
	if _, err := os.Stat(filepath.Join(c.dir, "tmp", "build-left")); err == nil {
		t.Error("a killed build is still there")
	}
	if _, err := os.Stat(running); err != nil {
		t.Errorf("a running build was removed: %v", err)
	}
	remove()
	if _, err := os.Stat(running); err == nil {
		t.Error("a removed build is still there")
	}
}

// TestDamagedDriver: what was changed since it was installed is built anew.
func TestDamagedDriver(t *testing.T) {
	b := builder(t)
	runs := counted(b)
	d, err := b.Build(t.Context(), fromText(t, good))
	must(t, err)
	file, err := os.OpenFile(d.Path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = file.WriteString("x")
	must(t, errors.Join(err, file.Close()))
	again, err := b.Build(t.Context(), fromText(t, good))
	if err != nil || again.Cached || runs.Load() != 2 {
		t.Errorf("got %+v, %v after %d runs; want it built twice", again, err, runs.Load())
	}
	if _, ok := b.cache.find(d.Key); !ok {
		t.Error("the second driver is not what was installed")
	}
}

// TestCacheOfOthers: whoever can write to the cache chooses what is graded.
func TestCacheOfOthers(t *testing.T) {
	b := builder(t)
	must(t, os.Mkdir(b.Cache, 0o700))
	must(t, os.Chmod(b.Cache, 0o770))
	if _, err := b.Build(t.Context(), fromText(t, good)); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("writable by a group: got %v; want a refusal", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a folder away")
	}
	b = builder(t)
	must(t, os.Mkdir(b.Cache, 0o700))
	must(t, os.Chown(b.Cache, 61234, 61234))
	if _, err := b.Build(t.Context(), fromText(t, good)); err == nil || !strings.Contains(err.Error(), "belongs to user 61234") {
		t.Errorf("of somebody else: got %v; want a refusal", err)
	}
}

func TestPruneBySize(t *testing.T) {
	c := cache{t.TempDir()}
	old := time.Now().Add(-2 * keepFor)
	for i := range 4 {
		path := c.driver(fmt.Sprint(i))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, nil, 0o755))
		must(t, os.Truncate(path, keepBytes/3))
		used := old.Add(-time.Duration(i) * time.Minute)
		must(t, os.Chtimes(path, used, used))
	}
	c.prune()
	if got := list(filepath.Join(c.dir, "drivers"), "driver"); len(got) != 3 {
		t.Errorf("kept %d; want 3", len(got))
	}
}

// TestStageModule: the stage requires what the repository requires.
func TestStageModule(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	must(t, err)
	sum, err := os.ReadFile("../../go.sum")
	must(t, err)
	wantMod, wantSum := stageFiles(string(mod), string(sum))
	if *update {
		must(t, os.WriteFile("stage/go.mod.txt", []byte(wantMod), 0o644))
		must(t, os.WriteFile("stage/go.sum.txt", []byte(wantSum), 0o644))
		return
	}
	if diff := cmp.Diff(stageMod, wantMod); diff != "" {
		t.Errorf("stage/go.mod.txt is out of date, run with -update (-got +want): %s", diff)
	}
	if diff := cmp.Diff(stageSum, wantSum); diff != "" {
		t.Errorf("stage/go.sum.txt is out of date, run with -update (-got +want): %s", diff)
	}
}

// stageFiles keeps of the repository's files the lines about the libraries.
func stageFiles(mod, sum string) (stageMod, stageSum string) {
	isLibrary := func(line string) bool {
		fields := strings.Fields(line)
		for _, lib := range submission.Libraries() {
			if len(fields) > 1 && fields[0] == lib {
				return true
			}
		}
		return false
	}
	stageMod = "module " + submission.Module + "\n\n"
	var requires []string
	for line := range strings.Lines(mod) {
		line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "require "), " //")
		switch {
		case strings.HasPrefix(line, "go "):
			stageMod += line + "\n\nrequire (\n"
		case isLibrary(line):
			requires = append(requires, "\t"+line+"\n")
		}
	}
	slices.Sort(requires)
	stageMod += strings.Join(requires, "")
	for line := range strings.Lines(sum) {
		if isLibrary(line) {
			stageSum += line
		}
	}
	return stageMod + ")\n", stageSum
}

// TestKeyNamesEverything: no two modules share a key.
func TestKeyNamesEverything(t *testing.T) {
	base := staged{"a": []byte("1"), "b": []byte("2")}
	seen := map[string]string{base.key("go1", "amd64"): "base"}
	for name, change := range map[string]func(staged) string{
		"content": func(s staged) string { s["a"] = []byte("3"); return s.key("go1", "amd64") },
		"name":    func(s staged) string { s["c"] = s["a"]; delete(s, "a"); return s.key("go1", "amd64") },
		"border":  func(s staged) string { s["a"] = []byte("1\"b\" 1\n2"); delete(s, "b"); return s.key("go1", "amd64") },
		"version": func(s staged) string { return s.key("go2", "amd64") },
		"target":  func(s staged) string { return s.key("go1", "arm64") },
	} {
		key := change(maps.Clone(base))
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s share a key", name, other)
		}
		seen[key] = name
	}
}
