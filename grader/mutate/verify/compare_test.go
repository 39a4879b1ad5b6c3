package verify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/sandbox/fake"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// small has rows one (a.x, a.y), two (b.x), three (c.x, which requires one) and
// the bonus four (d.x). a.y has a reason to stay.
func small(t *testing.T) *spec.Exercise {
	t.Helper()
	text := "name: small\ndraft: true\nrows:\n"
	row := "  - {id: %s, points: %d, title: {fr: t, en: t}, asks: {fr: t, en: t}, expected: {fr: t, en: t}, scenarios: [%s]%s}\n"
	text += fmt.Sprintf(row, "one", 50, "a.x, a.y", "") + fmt.Sprintf(row, "two", 25, "b.x", "") + fmt.Sprintf(row, "three", 25, "c.x", ", requires: [one]")
	text += "bonus:\n" + fmt.Sprintf(row, "four", 10, "d.x", "") + "scenarios:\n"
	for _, id := range []string{"a.x", "a.y", "b.x", "c.x", "d.x"} {
		text += "  - id: " + id + "\n    title: {fr: t, en: t}\n    steps: [{interface_up: {iface: lo}}]\n" +
			"    expect: [{that: call.ok, hint: {fr: h, en: h}, lesson: {fr: l, en: l}}]\n"
		if id == "a.y" {
			text += "    keep: another road to the same place\n"
		}
	}
	ex, err := spec.Load(fstest.MapFS{"small.yaml": {Data: []byte(text)}}, "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

// recorded is what a scenario left behind that ended in some way: ok, fails,
// hangs, lacks (a feature) or none.
func recorded(sc *spec.Scenario, how string) *evidence.Record {
	run, _ := sc.Resolve(1)
	rec := &evidence.Record{
		Version: evidence.Version, Scenario: sc.ID, Seed: 1, End: evidence.End{Outcome: evidence.Completed},
		At:    map[string]evidence.Snapshot{"before": {}, "after": {}},
		Calls: map[string]evidence.Call{run.Steps[0].As: {Name: "interface_up", Returned: true, OK: how == "ok", Failed: how != "ok"}},
	}
	switch how {
	case "hangs":
		rec.End.Outcome = evidence.Hung
	case "lacks":
		rec.End = evidence.End{Outcome: evidence.Unavailable, Missing: "faults"}
	case "none":
		return nil
	}
	return rec
}

// tried is a verification of one solution with made-up records. how names
// scenarios that do not end well, as "a.x fails".
func tried(t *testing.T, s *Solution, how ...string) *verification {
	t.Helper()
	ex := small(t)
	v := &verification{
		Options: Options{Exercises: []*spec.Exercise{ex}, Catalog: &mutate.Catalog{}, Seed: 1},
		result:  &Result{},
	}
	if err := v.union(); err != nil {
		t.Fatal(err)
	}
	s.Cells, s.records = map[string]Cell{}, map[string]*evidence.Record{}
	for _, sc := range v.scenarios {
		end := "ok"
		for _, h := range how {
			if id, word, _ := strings.Cut(h, " "); id == sc.ID {
				end = word
			}
		}
		s.records[sc.ID] = recorded(sc.spec, end)
	}
	var err error
	s.submitted, err = submission.FromFiles("", submission.Files{"s.go": []byte("package s\n\nimport \"moulinette/grader/contract\"\n\nfunc New() contract.Runtime { return nil }\n")})
	if err != nil {
		t.Fatal(err)
	}
	v.result.Solutions = []*Solution{s}
	v.look(s)
	v.judge(s)
	v.compare(s)
	return v
}

func kinds(errors []Error) (list []string) {
	for _, e := range errors {
		list = append(list, string(e.Kind))
	}
	slices.Sort(list)
	return list
}

func TestVerdicts(t *testing.T) {
	mutant := func(rows []string, kills ...string) *Solution {
		return &Solution{ID: "m", Kind: Mutant, Mutant: &mutate.Mutant{ID: "m", Fails: map[string][]string{"small": rows}, Kills: kills}}
	}
	alternative := func(bonus string) *Solution {
		return &Solution{ID: "alt", Kind: Alternative, Alternative: &mutate.Alternative{ID: "alt", Bonus: bonus}}
	}
	tests := []struct {
		name     string
		solution *Solution
		how      []string
		want     []string
	}{
		{"reference holds", &Solution{ID: "reference", Kind: Reference}, nil, nil},
		{"reference loses a row", &Solution{ID: "reference", Kind: Reference}, []string{"b.x fails"}, []string{"lost"}},
		{"reference loses the bonus", &Solution{ID: "reference", Kind: Reference}, []string{"d.x hangs"}, []string{"lost"}},
		{"nobody saw the reference", &Solution{ID: "reference", Kind: Reference}, []string{"b.x none"}, []string{"harness_fault"}},
		{"this host cannot show it", &Solution{ID: "reference", Kind: Reference}, []string{"b.x lacks"}, []string{"not_judged"}},
		{"alternative loses the bonus", alternative(""), []string{"d.x fails"}, []string{"lost"}},
		{"alternative without bonus", alternative("none"), []string{"d.x fails"}, nil},
		{"alternative loses a row", alternative("none"), []string{"c.x fails"}, []string{"lost"}},
		{"skeleton earns nothing", &Solution{ID: "skeleton", Kind: Skeleton}, []string{"a.x fails", "b.x fails", "c.x fails", "d.x fails"}, nil},
		{"skeleton earns a row", &Solution{ID: "skeleton", Kind: Skeleton}, []string{"a.x fails", "c.x fails", "d.x fails"}, []string{"earned"}},
		{"mutant as named", mutant([]string{"two"}, "b.x"), []string{"b.x fails"}, nil},
		{"mutant hangs as named", mutant([]string{"two"}, "b.x"), []string{"b.x hangs"}, nil},
		{"mutant loses a row that another hangs on", mutant([]string{"one"}, "a.x"), []string{"a.x fails"}, nil},
		{"mutant that names what is not judged", mutant([]string{"one", "three"}, "a.x"), []string{"a.x fails"}, []string{"missing_kill"}},
		{"mutant survives", mutant([]string{"two"}, "b.x"), nil, []string{"missing_kill", "missing_kill", "survived"}},
		{"mutant loses another row", mutant([]string{"two"}, "b.x"), []string{"b.x fails", "d.x fails"}, []string{"surplus_kill"}},
		{"mutant loses another row instead", mutant([]string{"two"}, "d.x"), []string{"d.x fails"}, []string{"missing_kill", "surplus_kill"}},
		{"mutant that names no scenario", mutant([]string{"two"}), []string{"b.x fails"}, []string{"missing_kill"}},
		{"mutant dies elsewhere in its row", mutant([]string{"one"}, "a.x"), []string{"a.y fails"}, []string{"missing_kill"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := tried(t, test.solution, test.how...)
			if got := kinds(v.result.Errors); !slices.Equal(got, test.want) {
				t.Errorf("got %q; want %q: %+v", got, test.want, v.result.Errors)
			}
		})
	}
}

// A remark costs nothing, so it is no breach, neither of who earns everything nor of a
// mutant, which could not even name it.
func TestRemarksAreNoBreach(t *testing.T) {
	for rule, want := range map[string][2][]string{
		"other_import": {nil, nil}, "other_function": {nil, nil}, "hidden_warning": {nil, nil}, "way_round": {nil, {"norm"}},
		"forbidden_import": {{"norm"}, {"norm"}},
	} {
		for i, s := range []*Solution{
			{ID: "reference", Kind: Reference},
			{ID: "m", Kind: Mutant, Mutant: &mutate.Mutant{ID: "m", Fails: map[string][]string{"small": {"two"}}, Kills: []string{"b.x"}}},
		} {
			v := tried(t, s, "b.x ok")
			v.result.Errors = nil
			s.Sheets[0].Norm.Findings = []judge.Finding{{Rule: rule, Where: "a.go:1"}}
			v.norm(s)
			if got := kinds(v.result.Errors); !slices.Equal(got, want[i]) {
				t.Errorf("%s by the %s: got %q; want %q", rule, s.Kind, got, want[i])
			}
			if alive := want[i] == nil; s.Alive() != alive {
				t.Errorf("%s by the %s: alive %v; want %v", rule, s.Kind, s.Alive(), alive)
			}
		}
	}
}

func TestEveryScenarioIsNeeded(t *testing.T) {
	kill := func(ids ...string) *Solution {
		s := &Solution{Kind: Mutant, Cells: map[string]Cell{}}
		for _, id := range ids {
			s.Cells[id] = Cell{Verdict: "fail"}
		}
		return s
	}
	tests := []struct {
		name    string
		mutants []*Solution
		want    []string
	}{
		{"each kills alone", []*Solution{kill("a.x"), kill("b.x", "c.x"), kill("d.x")}, nil},
		{"never alone in its row", []*Solution{kill("a.x", "a.y"), kill("b.x"), kill("c.x", "d.x")}, []string{"a.x"}},
		{"kills nothing", []*Solution{kill("a.x"), kill("b.x"), kill("c.x")}, []string{"d.x"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := tried(t, &Solution{ID: "reference", Kind: Reference})
			v.Catalog.Mutants = []*mutate.Mutant{{}}
			v.result.Solutions = test.mutants
			v.needed()
			var got []string
			for _, e := range v.result.Errors {
				got = append(got, e.Subject)
				if e.Kind != Unneeded || e.File != "small.yaml" || e.Line == 0 {
					t.Errorf("error %+v; want its kind and place", e)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("unneeded %q; want %q", got, test.want)
			}
		})
	}
}

// A scenario of two exercises is run and judged once, so they must mean the same by it.
func TestSharedScenarios(t *testing.T) {
	for name, change := range map[string]func(*spec.Scenario){
		"":                      func(*spec.Scenario) {},
		"another expectation":   func(s *spec.Scenario) { s.Expect[0].That = "call.failed" },
		"one expectation more":  func(s *spec.Scenario) { s.Expect = append(s.Expect, s.Expect[0]) },
		"another rule":          func(s *spec.Scenario) { s.Expect[0].Rule = "memory" },
		"another need":          func(s *spec.Scenario) { s.Needs = []string{"faults"} },
		"another kind of root":  func(s *spec.Scenario) { s.Root = "real" },
		"another name for it":   func(s *spec.Scenario) { s.Title.EN = "another" },
		"other words of advice": func(s *spec.Scenario) { s.Expect[0].Hint.EN = "another" },
	} {
		one, two := small(t), small(t)
		two.Name = "other"
		change(two.Scenarios["b.x"])
		v := &verification{Options: Options{Exercises: []*spec.Exercise{one, two}, Folders: map[string]string{"other": "dir"}, Seed: 1}, result: &Result{}}
		want := ""
		if name != "" && !strings.HasPrefix(name, "another name") && !strings.HasPrefix(name, "other words") {
			want = `dir/small.yaml: scenario "b.x" differs from that of the same name in small.yaml`
		}
		err := v.union()
		if got := fmt.Sprint(err); got != cmp.Or(want, "<nil>") {
			t.Errorf("%s: got %s; want %s", name, got, want)
		}
		if _, wrong := errors.AsType[Unusable](err); err != nil && !wrong {
			t.Errorf("%s: %T; want what the asker can mend", name, err)
		}
	}
}

// A mutant that only real root shows is not tried where there is none, and
// its scenario is not asked to kill anything there.
func TestRealRootIsElsewhere(t *testing.T) {
	v := tried(t, &Solution{ID: "reference", Kind: Reference})
	v.Opener = &fake.Opener{}
	d := v.scenarios[slices.IndexFunc(v.scenarios, func(s *shared) bool { return s.ID == "d.x" })].spec
	d.Root, d.Needs = "real", []string{"real_root"}
	for kills, want := range map[string]bool{"d.x": true, "a.x d.x": false, "": false} {
		if got := v.elsewhere(&mutate.Mutant{Kills: strings.Fields(kills)}); got != want {
			t.Errorf("killed by [%s]: elsewhere %v; want %v", kills, got, want)
		}
	}
	v.Catalog.Mutants = []*mutate.Mutant{{}}
	v.result.Solutions = nil
	v.needed()
	for _, e := range v.result.Errors {
		if e.Subject == "d.x" {
			t.Errorf("%+v; want nothing asked of it here", e)
		}
	}
	if len(v.result.Errors) != 3 {
		t.Errorf("%+v; want a.x, b.x and c.x asked for", v.result.Errors)
	}
}

// Where there is real root, its scenarios make none unneeded that hosts without it
// judge a row by.
func TestRealRootReplacesNone(t *testing.T) {
	v := tried(t, &Solution{ID: "reference", Kind: Reference})
	both := &Solution{Kind: Mutant, Cells: map[string]Cell{"a.x": {Verdict: "fail"}, "a.y": {Verdict: "fail"}}}
	v.result.Solutions = []*Solution{both}
	if v.killsAlone("a.x") {
		t.Error("a.x is needed although a.y fails wherever it does")
	}
	v.scenarios[slices.IndexFunc(v.scenarios, func(s *shared) bool { return s.ID == "a.y" })].spec.Needs = []string{"real_root"}
	if !v.killsAlone("a.x") {
		t.Error("a.x is not needed although a.y is left out elsewhere")
	}
}

func TestOriginsAreCovered(t *testing.T) {
	ex := small(t)
	v := &verification{Options: Options{
		Exercises: []*spec.Exercise{ex}, Catalog: &mutate.Catalog{}, Reference: Folder{Submission: &submission.Submission{}},
	}, result: &Result{}}
	for _, origin := range mutate.Origins()[1:] {
		v.Catalog.Mutants = append(v.Catalog.Mutants, &mutate.Mutant{File: "mutants/pid/x.yaml", Origin: mutate.Words{origin}})
	}
	if v.origins(); len(v.result.Errors) > 0 {
		t.Errorf("got %+v; want nothing asked of an exercise without a list", v.result.Errors)
	}
	ex.Pack.Validation.ExpectedFail = []string{"mutant_a"}
	v.origins()
	if len(v.result.Errors) != 1 || v.result.Errors[0].Subject != "mutant A" || v.result.Errors[0].Kind != Uncovered {
		t.Errorf("got %+v; want mutant A alone", v.result.Errors)
	}
}

func TestTouched(t *testing.T) {
	o := &Options{
		Exercises: []*spec.Exercise{small(t)}, Folders: map[string]string{"small": "specs"}, Reference: Folder{Name: "./reference"},
		ReferenceC: Folder{Name: "reference/c17", Submission: &submission.Submission{}},
		Skeleton:   Folder{Name: "student", Submission: &submission.Submission{}}, SkeletonC: Folder{Name: "student/c17"},
		Catalog: &mutate.Catalog{
			Mutants: []*mutate.Mutant{
				{ID: "m1", File: "mutants/m1.yaml", Edits: []mutate.Edit{{File: "pid.go"}}, Kills: []string{"a.x"}},
				{ID: "m2", File: "mutants/m2.yaml", Edits: []mutate.Edit{{File: "net.go"}}},
				{ID: "twin", File: "mutants/twin.yaml", SameAs: "m1", Edits: []mutate.Edit{{File: "c17/linux_namespaces.c"}}},
			},
			Alternatives: []*mutate.Alternative{
				{ID: "alt", File: "reference/alternatives/alt", Dir: true},
				{ID: "edited", File: "reference/alternatives/edited.yaml"},
				{ID: "edited_c", File: "reference/alternatives/edited_c.yaml", Edits: []mutate.Edit{{File: "c17/linux_namespaces.c"}}},
			},
		},
	}
	for changed, want := range map[string]string{
		"mutants/m1.yaml": "m1 twin", "mutants/twin.yaml": "twin", "reference/net.go": "m2 edited", "reference/alternatives/alt/pid.go": "alt", "README.md": "",
		"reference/c17/linux_namespaces.h": "twin edited_c reference_c17", "reference/c17/more/x.h": "twin reference_c17", "student/pid.go": "skeleton", "student/c17/linux_namespaces.c": "skeleton",
		"specs/small.yaml": "all", "grader/box/box_linux.go": "all", "grader/box/box_test.go": "", "grader/mutate/matrix/text.go": "", "go.mod": "all",
		"grader/driver/c17/driver.c": "all", "grader/driver/c17/json.h": "all", "grader/build/stage/go.mod.txt": "all", "grader/probe/foreign_linux_amd64.s": "all",
		"grader/judge/testdata/x.json": "", "tests/script/x.txtar": "",
	} {
		ids, all := Touched(o, []string{changed})
		if all {
			ids = []string{"all"}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s touches %q; want %q", changed, got, want)
		}
	}
}

// TestInBothLanguages: what the judge says is quoted in the language of the error.
func TestInBothLanguages(t *testing.T) {
	reference := func() *Solution { return &Solution{ID: "reference", Kind: Reference} }
	for how, want := range map[string][2]string{
		"b.x hangs": {"b.x : ", "b.x: "},
		"b.x fails": {"b.x : call.ok (", "b.x: call.ok ("},
	} {
		v := tried(t, reference(), how)
		if len(v.result.Errors) != 1 {
			t.Fatalf("%s: errors %v; want one", how, v.result.Errors)
		}
		said := v.result.Errors[0].Text
		if !strings.Contains(said.FR, want[0]) || !strings.Contains(said.EN, want[1]) || strings.Contains(said.FR, want[1]) {
			t.Errorf("%s: %+v; want %q in French and %q in English", how, said, want[0], want[1])
		}
		_, fr, _ := strings.Cut(said.FR, want[0])
		if _, en, _ := strings.Cut(said.EN, want[1]); how == "b.x hangs" && fr == en {
			t.Errorf("%s: the reason is %q in both languages", how, fr)
		}
	}
}
