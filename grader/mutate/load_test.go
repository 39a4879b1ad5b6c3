package mutate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// pid is a reference of two files.
var pid = submission.Files{
	"pid.go": []byte(`package reference

import (
	"fmt"
	"os"
)

func a() error { return fmt.Errorf("a") }

func b() error { return fmt.Errorf("b") }

func isInit() bool { return os.Getpid() == 1 }
`),
	"net.go": []byte("package reference\n\nimport \"strings\"\n\nvar up = strings.ToUpper\n"),
}

const good = `id: good
origin: [mutant A, pitfall 1]
class: logic
title: {fr: t, en: t}
thought: {fr: t, en: t}
wrong: {fr: t, en: t}
edits: [{file: pid.go, from: "== 1", to: "== 2"}]
fails: {truman_container: [pid_isolation], ex02: [pid]}
kills: [pid.child_is_init]
`

// small is an exercise of one row.
const small = `name: %s
draft: true
rows:
  - id: %s
    points: 100
    title: {fr: t, en: t}
    asks: {fr: t, en: t}
    expected: {fr: t, en: t}
    scenarios: [pid.child_is_init]
scenarios:
  - id: pid.child_is_init
    title: {fr: t, en: t}
    steps: [{create_pid_namespace: {}}]
    expect: [{that: call.ok, hint: {fr: h, en: h}, lesson: {fr: l, en: l}}]
`

func exercises(t *testing.T) (all []*spec.Exercise) {
	t.Helper()
	for name, row := range map[string]string{"truman_container": "pid_isolation", "ex02": "pid"} {
		ex, err := spec.Load(fstest.MapFS{"x.yaml": {Data: fmt.Appendf(nil, small, name, row)}}, "x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ex)
	}
	return all
}

// load loads one mutant, and with extra an alternative.
func load(t *testing.T, mutant, alternative string) (*Catalog, error) {
	t.Helper()
	s := Source{
		Reference: pid, Exercises: exercises(t),
		Mutants: Place{fstest.MapFS{"pid/good.yaml": {Data: []byte(mutant)}}, "mutants"},
	}
	if alternative != "" {
		s.Alternatives = Place{fstest.MapFS{"other.yaml": {Data: []byte(alternative)}}, "alternatives"}
	}
	return Load(s)
}

func TestLoad(t *testing.T) {
	c, err := load(t, good, "id: other\ntitle: {fr: t, en: t}\nthought: {fr: t, en: t}\nedits: [{file: new.go, to: \"package reference\"}]\nbonus: none\n")
	if err != nil {
		t.Fatal(err)
	}
	m, a := c.Mutants[0], c.Alternatives[0]
	if m.File != "mutants/pid/good.yaml" || len(m.Origin) != 2 || m.Fails["ex02"][0] != "pid" || m.Place().Line != 7 {
		t.Errorf("mutant %+v at %v; want what its file says, at line 7", m, m.Place())
	}
	if a.ID != "other" || a.Dir || a.Bonus != "none" {
		t.Errorf("alternative %+v; want what its file says", a)
	}
}

// TestNoFileOfMutants: a device without an end would take all memory, and a link to
// nowhere is a mutant less that nobody would miss.
func TestNoFileOfMutants(t *testing.T) {
	for target, want := range map[string]string{
		"/dev/zero": "mutants/bad.yaml: this is no regular file; give a readable YAML file",
		"nowhere":   "mutants/bad.yaml: no such file or directory; give a readable YAML file",
	} {
		dir := t.TempDir()
		if err := os.Symlink(target, filepath.Join(dir, "bad.yaml")); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Source{Reference: pid, Exercises: exercises(t), Mutants: Place{os.DirFS(dir), "mutants"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("link to %s: got %v; want %s", target, err, want)
		}
	}
}

func TestBlocksMayBeginWithATab(t *testing.T) {
	text := strings.Replace(good, `edits: [{file: pid.go, from: "== 1", to: "== 2"}]`, `edits:
  - file: pid.go
    from: |
      	"fmt"
      	"os"
    to: |-
      	"os"
  - from: |
        	x
    to: ""
    file: net.go`, 1)
	c, err := load(t, text, "")
	if err != nil {
		t.Fatal(err)
	}
	edits := c.Mutants[0].Edits
	if edits[0].From != "\t\"fmt\"\n\t\"os\"\n" || edits[0].To != "\t\"os\"" || edits[1].From != "\tx\n" {
		t.Errorf("edits %+v; want tabs kept", edits)
	}
}

func TestLoadTellsAllThatIsWrong(t *testing.T) {
	tests := []struct{ name, from, to, want string }{
		{"unknown key", "class:", "clas:", `mutants/pid/good.yaml:3:1: unknown key "clas" in the document; did you mean class?`},
		{"missing translation", "wrong: {fr: t, en: t}", "wrong: {fr: t}", "good.yaml:6:8: wrong lacks its en text"},
		{"unknown class", "logic", "logik", `3:8: unknown class "logik"; did you mean logic?`},
		{"unknown origin", "mutant A", "mutant F", `unknown origin "mutant F"`},
		{"origin of another type", "[mutant A, pitfall 1]", "{a: b}", "2:9: origin must be a list, found a map"},
		{"no origin", "origin: [mutant A, pitfall 1]", "origin: []", "does not tell where it comes from"},
		{"unknown row", "[pid]", "[pit]", `8:51: unknown row of ex02 "pit"; did you mean pid?`},
		{"row twice", "[pid]", "[pid, pid]", "row pid is named twice"},
		{"unknown exercise", "ex02:", "ex03:", `unknown exercise "ex03"`},
		{"unknown scenario", "pid.child_is_init", "pid.child_is_innit", `9:9: unknown scenario "pid.child_is_innit"; did you mean pid.child_is_init?`},
		{"unknown rule", "kills:", "norm: [memorie]\nkills:", `unknown rule of the norm "memorie"`},
		{"other id", "id: good", "id: better", `1:5: the id "better" is not the file's name`},
		{"bad id", "id: good", "id: Good!", `the id "Good!" is no name`},
		{"no edits", `edits: [{file: pid.go, from: "== 1", to: "== 2"}]`, "", "it changes nothing"},
		{"no change", `"== 2"`, `"== 1"`, "from and to are the same"},
		{"a test", "file: pid.go", "file: pid_test.go", "is no Go file of the reference's package"},
		{"nth and all", `to: "== 2"`, `to: "== 2", nth: 1, all: true`, "nth below 1, or together with all"},
		{"func and from", `to: "== 2"`, `to: "== 2", func: a`, "func together with from"},
		{"no YAML", "id: good", "id: [", "good.yaml:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(good, test.from, test.to, 1)
			if text == good {
				t.Fatalf("%q is not there to be replaced", test.from)
			}
			_, err := load(t, text, "")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want ...%s...", err, test.want)
			}
		})
	}
}

func TestLoadTellsOfSeveralFilesAtOnce(t *testing.T) {
	_, err := Load(Source{
		Reference: pid, Exercises: exercises(t),
		Mutants: Place{fstest.MapFS{
			"a/good.yaml":      {Data: []byte(good)},
			"b/good.yaml":      {Data: []byte(good)},
			"b/reference.yaml": {Data: []byte(strings.Replace(good, "id: good", "id: reference", 1))},
			"c.yml":            {Data: []byte(good)},
		}, "m"},
	})
	for _, want := range []string{
		`m/b/good.yaml:1:5: the id "good" is taken by m/a/good.yaml`,
		`m/b/reference.yaml:1:5: the id "reference" is taken by the reference`, "m/c.yml: its name does not end in .yaml",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %s", err, want)
		}
	}
}

func TestEditsThatDoNotApply(t *testing.T) {
	tests := []struct {
		name string
		edit Edit
		want string
	}{
		{"gone", Edit{File: "pid.go", From: "os.Getpid() == 7"}, "the text is not in pid.go"},
		{"nearest", Edit{File: "pid.go", From: `func a() error { return fmt.Errorf("c") }`}, `the nearest is pid.go:8`},
		{"blanks", Edit{File: "pid.go", From: "func a() error { return\n"}, "its first line looks like pid.go:8"},
		{"twice", Edit{File: "pid.go", From: "fmt.Errorf"}, "in pid.go 2 times"},
		{"nth", Edit{File: "pid.go", From: "fmt.Errorf", Nth: 3}, "in pid.go 2 times only"},
		{"file", Edit{File: "pit.go", From: "x"}, "no file pit.go; did you mean pid.go?"},
		{"function", Edit{File: "pid.go", Func: "isInitt", To: "x"}, "no function isInitt; did you mean isInit?"},
		{"there", Edit{File: "pid.go", To: "x"}, "there already"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &Mutant{File: "m.yaml", Edits: []Edit{test.edit}}
			if _, err := m.Apply(pid); err == nil || !strings.HasPrefix(err.Error(), "m.yaml") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want ...%s...", err, test.want)
			}
		})
	}
}

func TestEditsMendImports(t *testing.T) {
	m := &Mutant{Edits: []Edit{
		{File: "pid.go", From: "os.Getpid() == 1", To: "strings.Contains(name, strconv.Itoa(2))"},
		{File: "pid.go", From: "fmt.Errorf", To: "errors.New", All: true},
		{File: "name.go", To: "package reference\n\nvar name = runtime.GOOS\n"},
	}}
	files, err := m.Apply(pid)
	if err != nil {
		t.Fatal(err)
	}
	want := `package reference; import "errors"; import "strconv"; import "strings"

import (
	_ "fmt"
	_ "os"
)
`
	if got := string(files["pid.go"]); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", got, want)
	}
	if got := string(files["name.go"]); !strings.HasPrefix(got, `package reference; import "runtime"`) {
		t.Errorf("got\n%s\nwant runtime imported", got)
	}
	if string(pid["pid.go"]) == string(files["pid.go"]) {
		t.Error("the reference itself was changed")
	}
	if spans := m.Spans(pid); len(spans) != 3 || string(pid["pid.go"][spans[0].Start:spans[0].End]) != "os.Getpid() == 1" {
		t.Errorf("spans %v; want the first around the edited text", spans)
	}
}

func TestEditReplacesAFunction(t *testing.T) {
	old := "package p\n\n// b is wrong.\nfunc (t) b() int {\n\treturn 1\n}\n\nfunc c() {}\n"
	m := &Mutant{Edits: []Edit{{File: "p.go", Func: "b", To: "func (t) b() int { return 2 }\n"}}}
	files, err := m.Apply(submission.Files{"p.go": []byte(old)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(files["p.go"]), "package p\n\nfunc (t) b() int { return 2 }\n\nfunc c() {}\n"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if spans := m.Spans(submission.Files{"p.go": []byte(old)}); len(spans) != 1 || old[spans[0].Start:spans[0].End] != old[11:len(old)-14] {
		t.Errorf("spans %v; want the function with its comment", spans)
	}
}

func TestGraph(t *testing.T) {
	text := `package p

import "moulinette/grader/contract"

type rt struct{}

var table = build()

func build() int { return 1 }

const one, two = 1, 2

func New() contract.Runtime { return rt{} }
func (rt) CreatePIDNamespace() { helper() }
func (rt) ContainerEntry()     { inside() }
func (rt) ContainerCreate()    { contract.EntryCommand(nil) }
func (rt) MountProc()          { _ = kind{} }
func helper() int              { return one }
func inside()                  {}
func alone()                   {}

type kind struct{}

func (kind) String() string { return "kind" }
`
	tests := []struct {
		name, from, to string
		calls          []string
		want           bool
	}{
		{"nothing", "", "", []string{"create_pid_namespace"}, false},
		{"called", "helper() }", "helper(); helper() }", []string{"create_pid_namespace"}, true},
		{"not called", "helper() }", "helper(); helper() }", []string{"mount_proc"}, false},
		{"through a helper and a constant", "1, 2", "2, 2", []string{"create_pid_namespace"}, true},
		{"in the container", "inside() }", "}", []string{"container_create"}, true},
		{"by fmt", `"kind"`, `"other"`, []string{"mount_proc"}, true},
		{"before main", "return 1", "return 2", []string{"interface_up"}, true},
		{"by nobody", "alone()                   {}", "alone() { panic(0) }", []string{"create_pid_namespace", "container_create", "mount_proc"}, false},
		{"by the demo", "alone()                   {}", "alone() { panic(0) }", []string{"demo"}, true},
		{"gone", "func (rt) MountProc()          { _ = kind{} }", "", []string{"mount_proc"}, true},
		{"a build constraint", "package p", "//go:build linux\n\npackage p", []string{"interface_up"}, true},
		{"no Go", "type rt", "tipe rt", []string{"interface_up"}, true},
		{"executes itself", "{ helper() }", `{ run("/proc/self/exe") }`, []string{"interface_up"}, true},
	}
	before := NewGraph(submission.Files{"p.go": []byte(text)})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changed := strings.Replace(text, test.from, test.to, 1)
			after := NewGraph(submission.Files{"p.go": []byte(changed)})
			names, known := before.Changed(after)
			var calls []string
			for _, call := range test.calls {
				calls = append(calls, CallName(call))
			}
			if got := !known || before.Reaches(calls, names) || after.Reaches(calls, names); got != test.want {
				t.Errorf("%v reach %v (known %t): %t; want %t", test.calls, names, known, got, test.want)
			}
		})
	}
}

// The catalog of the repository is whole, and every edit applies.
func TestOurCatalog(t *testing.T) {
	ref, exercises := both(t), published(t)
	c, err := Load(Source{
		Reference: ref, Exercises: exercises,
		Mutants:      Place{os.DirFS("../../mutants"), "mutants"},
		Alternatives: Place{os.DirFS("../../reference/alternatives"), "reference/alternatives"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Mutants {
		if _, err := m.Apply(ref); err != nil {
			t.Error(err)
		}
		for _, row := range lost(m, exercises) {
			if !slices.ContainsFunc(row.Scenarios, func(id string) bool { return slices.Contains(m.Kills, id) }) {
				t.Errorf("%s names no kill in the row %s", m.ID, row.ID)
			}
		}
	}
	for _, a := range c.Alternatives {
		if _, err := a.Apply(ref); err != nil && !a.Dir {
			t.Error(err)
		}
	}
}

// lost are the rows that a mutant names.
func lost(m *Mutant, exercises []*spec.Exercise) (rows []spec.Row) {
	for _, ex := range exercises {
		for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
			if slices.Contains(m.Fails[ex.Name], row.ID) {
				rows = append(rows, row)
			}
		}
	}
	return rows
}
