package verify_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"

	"moulinette/grader"
	"moulinette/grader/build"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/mutate/matrix"
	"moulinette/grader/mutate/verify"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
	"moulinette/specs"
)

// dir holds what all tests share: the agent, built drivers, kept records.
var dir string

func TestMain(m *testing.M) { os.Exit(inTemp(m)) }

func inTemp(m *testing.M) int {
	var err error
	if dir, err = os.MkdirTemp("", "moulinette-verify-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "agent"), "moulinette/grader/cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build agent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// exercise is a table over some of our own scenarios, of which change may
// rewrite the expectations.
func exercise(t *testing.T, change func(id, that string) string) *spec.Exercise {
	t.Helper()
	files := fstest.MapFS{}
	concepts := map[string]bool{}
	var uses []string
	for _, area := range []string{"pid", "network", "mount", "user"} {
		name := "scenarios/" + area + ".yaml"
		text, err := fs.ReadFile(specs.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: rewritten(t, text, change)}
		uses = append(uses, name)
		for _, list := range regexp.MustCompile(`concepts: \[(.*)\]`).FindAllSubmatch(text, -1) {
			for id := range strings.SplitSeq(string(list[1]), ",") {
				concepts[strings.TrimSpace(id)] = true
			}
		}
	}
	text := "name: small\ndraft: true\nuse: [" + strings.Join(uses, ", ") + "]\nconcepts:\n"
	for _, id := range slices.Sorted(maps.Keys(concepts)) {
		text += fmt.Sprintf("  - {id: %s, title: {fr: t, en: t}}\n", id)
	}
	text += "rows:\n"
	for _, row := range []string{"pid: [pid.child_is_init, pid.refused]", "net: [net.refused_leaves_no_file, veth.name_taken]", "mnt: [mount.slave_one_way, mount.private_no_mountpoint]", "user: [user.map_once]"} {
		id, scenarios, _ := strings.Cut(row, ": ")
		text += fmt.Sprintf("  - {id: %s, points: 25, title: {fr: t, en: t}, asks: {fr: t, en: t}, expected: {fr: t, en: t}, scenarios: %s}\n", id, scenarios)
	}
	files["small.yaml"] = &fstest.MapFile{Data: []byte(text)}
	ex, err := spec.Load(files, "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

// rewritten is a file of scenarios with its expectations changed.
func rewritten(t *testing.T, text []byte, change func(id, that string) string) []byte {
	t.Helper()
	if change == nil {
		return text
	}
	var file map[string][]map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, sc := range file["scenarios"] {
		for _, e := range sc["expect"].([]any) {
			e := e.(map[string]any)
			e["that"] = change(sc["id"].(string), e["that"].(string))
		}
	}
	out, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const head = "id: %s\norigin: ours\nclass: logic\ntitle: {fr: t, en: t}\nthought: {fr: t, en: t}\nwrong: {fr: t, en: t}\n"

// mutants of the real reference, by what becomes of them.
var mutants = map[string]string{
	"dies":       "edits: [{file: netns.go, from: 'return errors.Join(err, os.Remove(path))', to: 'return err'}]\nfails: {small: [net]}\nkills: [net.refused_leaves_no_file]\n",
	"dies_too":   "edits: [{file: propagation.go, from: 'propagate(\"slave\", path, unix.MS_SLAVE)', to: 'propagate(\"slave\", path, unix.MS_PRIVATE)'}]\nfails: {small: [mnt]}\nkills: [mount.slave_one_way]\n",
	"dies_first": "edits: [{file: pid.go, from: 'attr.Cloneflags |= unix.CLONE_NEWPID', to: 'attr.Cloneflags |= unix.CLONE_NEWNS'}]\nfails: {small: [pid]}\nkills: [pid.child_is_init]\n",
	"survives":   "edits: [{file: pid.go, from: 'return -1, err', to: 'return -2, err'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"no_build":   "edits: [{file: pid.go, from: 'return -1, err', to: 'return nonsense, err'}]\nfails: {small: [pid]}\nkills: [pid.refused]\n",
	"calm":       "edits: [{file: pid.go, from: 'return exit.ExitCode(), nil', to: 'return exit.ExitCode() + 0, nil'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"quiet":      "edits: [{file: pid.go, from: 'child.SysProcAttr = &attr', to: 'child.SysProcAttr = &(attr)'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"itself":     "edits: [{file: pid.go, from: 'child.SysProcAttr = &attr', to: 'child.SysProcAttr = &attr; _ = \"/proc/self/exe\"'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"elsewhere":  "edits: [{file: pid.go, from: 'attr.Cloneflags |= unix.CLONE_NEWPID', to: 'attr.Cloneflags |= unix.CLONE_NEWNS'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"detour": "edits: [{file: netns.go, from: \"path, err := netnsPath(name)\\n\\tif err != nil {\\n\\t\\treturn err\\n\\t}\\n\\tif err := os\", to: \"path := filepath.Join(contract.NetnsDir, name)\\n\\tif err := os\"}, " +
		"{file: netns.go, from: 'return filepath.Join(contract.NetnsDir, name), nil', to: 'return filepath.Join(contract.NetnsDir, name+\"\"), nil'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"beside":  "edits: [{file: netns.go, from: 'return ns, err', to: 'return ns, (err)'}]\nfails: {small: [user]}\nkills: [user.map_once]\n",
	"no_edit": "edits: [{file: pid.go, from: 'this is not there', to: ''}]\nfails: {small: [pid]}\nkills: [pid.refused]\n",
}

// options verify some of the mutants with ex on the real reference, or on a
// changed one.
func options(t *testing.T, ex *spec.Exercise, reference *submission.Submission, ids ...string) verify.Options {
	t.Helper()
	files := fstest.MapFS{}
	for _, id := range ids {
		files[id+".yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(head, id) + mutants[id])}
	}
	catalog, err := mutate.Load(mutate.Source{
		Reference: reference.Files, Exercises: []*spec.Exercise{ex}, Mutants: mutate.Place{FS: files, Name: "mutants"},
	})
	if err != nil {
		t.Fatal(err)
	}
	opener, err := ns.New(ns.Options{Agent: filepath.Join(dir, "agent")})
	if err != nil {
		t.Skip(err)
	}
	return verify.Options{
		Exercises: []*spec.Exercise{ex}, Catalog: catalog, Reference: verify.Folder{Name: "reference", Submission: reference},
		Only:    append([]string{mutate.Reference}, ids...),
		Builder: &build.Builder{Cache: filepath.Join(dir, "cache"), Sources: grader.Sources()},
		Opener:  opener, Seed: 1, Records: filepath.Join(dir, "records"),
	}
}

// reference is ours, with a piece of text replaced.
func reference(t *testing.T, file, from, to string) *submission.Submission {
	t.Helper()
	s, err := submission.Open("../../../reference")
	if err != nil {
		t.Fatal(err)
	}
	if file == "" {
		return s
	}
	if bytes.Count(s.Files[file], []byte(from)) != 1 {
		t.Fatalf("%q is not in %s once", from, file)
	}
	s.Files[file] = bytes.Replace(s.Files[file], []byte(from), []byte(to), 1)
	return s
}

func verified(t *testing.T, o verify.Options) *verify.Result {
	t.Helper()
	r, err := verify.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) > 0 {
		t.Fatalf("harness faults %q", r.Faults)
	}
	return r
}

func told(r *verify.Result) (list []string) {
	for _, e := range r.Errors {
		list = append(list, e.Subject+" "+string(e.Kind))
	}
	slices.Sort(list)
	return list
}

func TestVerify(t *testing.T) {
	ex := exercise(t, nil)
	o := options(t, ex, reference(t, "", "", ""), "dies", "dies_too", "survives", "no_build", "no_edit")
	skeleton, err := submission.Open("../../../student")
	if err != nil {
		t.Fatal(err)
	}
	o.Skeleton = verify.Folder{Name: "student", Submission: skeleton}
	r := verified(t, o)
	want := []string{"no_build build", "no_edit edit", "survives missing_kill", "survives missing_kill", "survives survived"}
	if got := told(r); !slices.Equal(got, want) {
		t.Errorf("errors %q; want %q\n%+v", got, want, r.Errors)
	}
	status := map[string]matrix.Status{}
	for _, s := range r.Mutants() {
		status[s.ID] = matrix.StatusOf(s)
	}
	for id, want := range map[string]matrix.Status{"dies": matrix.Killed, "dies_too": matrix.Killed, "survives": matrix.Survived, "no_build": matrix.CompileError, "no_edit": matrix.CompileError} {
		if status[id] != want {
			t.Errorf("%s is %s; want %s", id, status[id], want)
		}
	}
	t.Run("what was seen is kept", func(t *testing.T) {
		again := verified(t, o)
		if again.Ran != 0 || again.Reused != r.Ran || !slices.Equal(told(again), told(r)) {
			t.Errorf("ran %d and reused %d, told %q; want 0, %d, %q", again.Ran, again.Reused, told(again), r.Ran, told(r))
		}
	})
	t.Run("what cannot differ does not", func(t *testing.T) {
		full := o
		full.Matrix = verify.All
		all := verified(t, full)
		if r.Inferred == 0 || all.Inferred != 0 {
			t.Errorf("inferred %d, then %d; want some, then none", r.Inferred, all.Inferred)
		}
		for i, s := range all.Solutions {
			for id, c := range s.Cells {
				if guess := r.Solutions[i].Cells[id]; !guess.Skipped && guess.Verdict != c.Verdict {
					t.Errorf("%s, %s: %s; inferred was %s", s.ID, id, c.Verdict, guess.Verdict)
				}
			}
		}
	})
}

// Where only rows are asked for, what cannot change one is left out, and the
// errors are the same.
func TestRowsAlone(t *testing.T) {
	o := options(t, exercise(t, nil), reference(t, "", "", ""), "dies_first", "dies", "survives")
	o.Matrix = verify.Full
	full := told(verified(t, o))
	o.Matrix, o.Fresh = verify.Rows, true
	r := verified(t, o)
	if got := told(r); !slices.Equal(got, full) || r.Skipped == 0 {
		t.Errorf("errors %q, %d scenarios skipped; want %q and some", got, r.Skipped, full)
	}
}

// Mutants are tried together where none should fail. One that does all the same
// is found, and the others of its company are not blamed.
func TestCompany(t *testing.T) {
	for _, test := range []struct {
		second  string
		company bool
		want    []string
	}{
		{"quiet", true, []string{"quiet missing_kill", "quiet missing_kill", "quiet survived"}},
		{"itself", false, []string{"itself missing_kill", "itself missing_kill", "itself survived"}}, // nobody can tell what it comes to
		{"elsewhere", false, []string{"elsewhere missing_kill", "elsewhere missing_kill", "elsewhere surplus_kill"}},
	} {
		o := options(t, exercise(t, nil), reference(t, "", "", ""), "calm", test.second)
		want := append([]string{"calm missing_kill", "calm missing_kill", "calm survived"}, test.want...)
		r := verified(t, o)
		if got := told(r); !slices.Equal(got, want) || (r.Company > 0) != test.company {
			t.Errorf("with %s: %d scenarios passed in company, errors %q; want %q", test.second, r.Company, got, want)
		}
		o.Matrix, o.Fresh = verify.Full, true
		if r := verified(t, o); r.Company > 0 || !slices.Equal(told(r), want) {
			t.Errorf("with %s, each alone: %d scenarios passed in company, errors %q; want %q", test.second, r.Company, told(r), want)
		}
	}
}

// A mutant that goes round another place of its own takes part without coming there.
func TestDetourTakesPart(t *testing.T) {
	r := verified(t, options(t, exercise(t, nil), reference(t, "", "", ""), "detour", "beside"))
	for _, s := range r.Mutants() {
		if c := s.Cells["net.refused_leaves_no_file"]; !c.Company || c.Verdict != judge.Pass {
			t.Errorf("%s: got %+v; want a pass in company", s.ID, c)
		}
	}
}

// Whoever breaks an expectation hears of it: by the reference if it is false
// now, by a mutant if it is true of everything.
func TestBrokenExpectationsAreFound(t *testing.T) {
	never := func(that string) string { return "!(" + that + ")" }
	always := func(string) string { return "after.zombies >= 0" }
	for _, test := range []struct {
		scenario string
		broken   func(string) string
		want     string
	}{
		{"pid.child_is_init", never, "reference lost"},
		{"veth.name_taken", never, "reference lost"},
		{"user.map_once", never, "reference lost"},
		{"net.refused_leaves_no_file", always, "dies survived"},
		{"mount.slave_one_way", always, "dies_too survived"},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			ex := exercise(t, func(id, that string) string {
				if id == test.scenario {
					return test.broken(that)
				}
				return that
			})
			if got := told(verified(t, options(t, ex, reference(t, "", "", ""), "dies", "dies_too"))); !slices.Contains(got, test.want) {
				t.Errorf("errors %q; want %s", got, test.want)
			}
		})
	}
}

// Whoever breaks a line of the reference's error handling hears of it.
func TestBrokenErrorHandlingIsFound(t *testing.T) {
	ex := exercise(t, nil)
	for _, test := range []struct{ file, from, to string }{
		{"netns.go", "return errors.Join(err, os.Remove(path))", "return err"},
		{"pid.go", "return -1, fmt.Errorf(\"create pid namespace: %w\", err)", "return status, nil"},
		{"propagation.go", "return fmt.Errorf(\"make mount %s %q: %w\", kind, path, err)", "_ = fmt.Sprint(kind, path, err)\n\t\treturn nil"},
		{"network.go", "return fmt.Errorf(\"create veth pair %s, %s: %w\", a, b, err)", "return nil"},
		{"user.go", "return fmt.Errorf(\"write %s %q: %w\", name, text, err)", "return nil"},
	} {
		t.Run(test.file, func(t *testing.T) {
			if got := told(verified(t, options(t, ex, reference(t, test.file, test.from, test.to)))); !slices.Contains(got, "reference lost") {
				t.Errorf("errors %q; want the reference to lose a row", got)
			}
		})
	}
}
