package build

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moulinette/grader/submission"
)

var update = flag.Bool("update", false, "write the module files of the stage anew")

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
