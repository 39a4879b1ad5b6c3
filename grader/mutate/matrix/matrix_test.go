package matrix_test

import (
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"time"

	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/mutate/matrix"
	"moulinette/grader/mutate/verify"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

const source = "package reference\n\nfunc pid() int { return 1 }\n"

// made is a result of which all is made up: one mutant dies, one hangs, one
// survives, one does not build.
func made() *verify.Result {
	mutant := func(id string, cells map[string]verify.Cell) *verify.Solution {
		return &verify.Solution{
			ID: id, Kind: verify.Mutant, File: "mutants/" + id + ".yaml", Line: 8, Column: 3, Cells: cells,
			Mutant: &mutate.Mutant{
				ID: id, Class: "return", Title: spec.Text{FR: "faux", EN: "wrong"},
				Edits: []mutate.Edit{{File: "pid.go", From: "return 1", To: "return 2"}},
			},
		}
	}
	broken := mutant("broken", nil)
	broken.Broken = &submission.BuildError{Findings: []submission.Finding{{EN: "undefined: x"}}}
	lost := func(s *verify.Solution) *verify.Solution {
		s.Sheets = []*judge.Sheet{{Exercise: "ex", Rows: []judge.Row{{ID: "pid", Verdict: judge.Fail}}}}
		return s
	}
	cell := func(v judge.Verdict) verify.Cell { return verify.Cell{Verdict: v, Millis: 10} }
	return &verify.Result{
		Catalog:   &mutate.Catalog{Reference: submission.Files{"pid.go": []byte(source)}},
		Exercises: []*spec.Exercise{{Name: "ex", Scenarios: map[string]*spec.Scenario{"pid.one": {ID: "pid.one", File: "pid.yaml"}, "pid.two": {ID: "pid.two", File: "pid.yaml"}}}},
		Scenarios: []string{"pid.one", "pid.two"},
		Solutions: []*verify.Solution{
			{ID: "reference", Kind: verify.Reference, File: "ref", Cells: map[string]verify.Cell{"pid.one": cell(judge.Pass), "pid.two": cell(judge.Pass)}},
			lost(mutant("dies", map[string]verify.Cell{"pid.one": {Verdict: judge.Fail, Named: true, Millis: 10}, "pid.two": {Verdict: judge.Pass, Inferred: true}})),
			lost(mutant("hangs", map[string]verify.Cell{"pid.one": {Verdict: judge.Fail, Hung: true, Millis: 5000}, "pid.two": cell(judge.Pass)})),
			mutant("survives", map[string]verify.Cell{"pid.one": cell(judge.Pass), "pid.two": cell(judge.Pass)}),
			broken,
		},
		Errors: []verify.Error{
			{Kind: verify.DoesNotBuild, Subject: "broken", File: "mutants/broken.yaml", Line: 8, Column: 3, Text: spec.Text{FR: "non", EN: "no: 100%\nx"}},
			{Kind: verify.Survived, Subject: "survives", File: "mutants/survives.yaml", Line: 8, Column: 3, Text: spec.Text{FR: "survit", EN: "survives"}},
			{Kind: verify.Unneeded, Subject: "pid.two", File: "specs/pid.yaml", Line: 4, Text: spec.Text{FR: "inutile", EN: "not needed"}},
		},
		Ran: 6, Building: time.Second, Running: 2 * time.Second,
	}
}

func write(t *testing.T, format string, r *verify.Result, o matrix.Options) string {
	t.Helper()
	var out strings.Builder
	if err := matrix.Write(&out, format, r, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestText(t *testing.T) {
	got := write(t, "text", made(), matrix.Options{})
	for _, want := range []string{
		"dies     K.", "hangs    T-", "survives --   Survived", "broken        CompileError", "pid: one two",
		"mutants/survives.yaml:8:3: survived: survives\n", "specs/pid.yaml:4: unneeded: not needed\n", "3 ERROR(S) · 2 of 3 mutants dead",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if narrow := write(t, "text", made(), matrix.Options{Width: 10, Lang: "fr"}); !strings.Contains(narrow, "dies\n  K pid.one\n") || !strings.Contains(narrow, "survit") {
		t.Errorf("narrow and French:\n%s", narrow)
	}
}

// A mutant of the norm is dead if the norm was found broken, by a scenario or in its
// text alone, and not because it says so.
func TestNormAlone(t *testing.T) {
	for _, test := range []struct {
		findings []judge.Finding
		status   matrix.Status
		summary  string
		line     string
	}{
		{[]judge.Finding{{Rule: "forbidden_import"}}, matrix.Killed, "3 of 3 mutants dead", "survives --  norm: forbidden_import"},
		{[]judge.Finding{{Rule: "other_import"}}, matrix.Survived, "2 of 3 mutants dead", "survives --  Survived"},
		{nil, matrix.Survived, "2 of 3 mutants dead", "survives --  Survived"},
	} {
		r := made()
		s := r.Solutions[3]
		s.Mutant.Norm = []string{"forbidden_import"}
		s.Sheets = []*judge.Sheet{{Exercise: "ex", Norm: judge.Norm{Findings: test.findings}}}
		if got := matrix.StatusOf(s); got != test.status {
			t.Errorf("%v: status %s; want %s", test.findings, got, test.status)
		}
		got := write(t, "text", r, matrix.Options{})
		if !strings.Contains(got, test.summary) || !strings.Contains(strings.ReplaceAll(got, "   ", "  "), test.line) {
			t.Errorf("%v: no %q, or no %q, in\n%s", test.findings, test.summary, test.line, got)
		}
	}
}

// TestReferenceDoesNotHold: it is said of a reference that was found wrong, and not
// where the chosen mutant alone could not be tried.
func TestReferenceDoesNotHold(t *testing.T) {
	for _, test := range []struct {
		name, subject string
		want          bool
	}{{"the reference does not build", "reference", true}, {"the only mutant does not build", "broken", false}} {
		r := made()
		r.Solutions = []*verify.Solution{r.Solutions[0], r.Solutions[4]}
		r.Errors = []verify.Error{{Kind: verify.DoesNotBuild, Subject: test.subject}}
		if got := strings.Contains(write(t, "text", r, matrix.Options{}), "The reference does not hold"); got != test.want {
			t.Errorf("%s: said %v; want %v", test.name, got, test.want)
		}
	}
}

func TestStryker(t *testing.T) {
	var got struct {
		SchemaVersion string
		Files         map[string]struct {
			Language, Source string
			Mutants          []struct {
				ID, Status string
				Location   struct{ Start, End struct{ Line, Column int } }
				KilledBy   []string
				CoveredBy  []string
			}
		}
		TestFiles map[string]struct{ Tests []struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(write(t, "stryker", made(), matrix.Options{})), &got); err != nil {
		t.Fatal(err)
	}
	file := got.Files["ref/pid.go"]
	if got.SchemaVersion != "2" || file.Language != "go" || file.Source != source || len(got.TestFiles["pid.yaml"].Tests) != 2 {
		t.Errorf("report %+v", got)
	}
	var status []string
	for _, m := range file.Mutants {
		status = append(status, m.ID+" "+m.Status)
		if m.Location.Start.Line != 3 || m.Location.Start.Column != 18 || m.Location.End.Column != 26 {
			t.Errorf("%s at %+v; want 3:18 to 3:26", m.ID, m.Location)
		}
	}
	if want := []string{"dies Killed", "hangs Timeout", "survives Survived", "broken CompileError"}; !slices.Equal(status, want) {
		t.Errorf("statuses %q; want %q", status, want)
	}
	if m := file.Mutants[0]; !slices.Equal(m.KilledBy, []string{"pid.one"}) || !slices.Equal(m.CoveredBy, []string{"pid.one"}) {
		t.Errorf("dies: %+v", m)
	}
}

func TestGitHub(t *testing.T) {
	want := `::error file=mutants/broken.yaml,line=8,col=3,title=build%3A broken::no: 100%25%0Ax
::error file=mutants/survives.yaml,line=8,col=3,title=survived%3A survives::survives
::error file=specs/pid.yaml,line=4,title=unneeded%3A pid.two::not needed
`
	if got := write(t, "github", made(), matrix.Options{}); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestJUnit(t *testing.T) {
	r := made()
	r.Faults = []string{"the agent is gone"}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name string `xml:"name,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(write(t, "junit", r, matrix.Options{})), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 7 || got.Failures != 3 || got.Errors != 1 {
		t.Errorf("%+v; want 7 tests, 3 failures, 1 error", got)
	}
	seen := map[string]bool{}
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			if seen[c.Name] {
				t.Errorf("the name %q comes twice", c.Name)
			}
			seen[c.Name] = true
		}
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Verified  bool
		Solutions []struct {
			ID, Kind, Status string
			Cells            map[string]struct{ Verdict string }
		}
		Errors []struct{ Kind, File string }
	}
	if err := json.Unmarshal([]byte(write(t, "json", made(), matrix.Options{})), &got); err != nil {
		t.Fatal(err)
	}
	if got.Verified || len(got.Solutions) != 5 || len(got.Errors) != 3 || got.Solutions[1].Cells["pid.one"].Verdict != "fail" || got.Solutions[1].Status != "Killed" {
		t.Errorf("got %+v", got)
	}
}

// What was not tried is told in every format: who reads one alone must not take it
// for verified.
func TestAbsent(t *testing.T) {
	r := made()
	r.Absent = []verify.Absent{{ID: "elsewhere", Why: "use --isolation vm"}, {ID: "lacks", Why: "seccomp.h: no such file"}}
	r.Solutions = append(r.Solutions,
		&verify.Solution{ID: "lacks", Kind: verify.Alternative, File: "alternatives/lacks.yaml"},
		&verify.Solution{ID: "late", Kind: verify.Mutant, File: "mutants/late.yaml", Mutant: &mutate.Mutant{ID: "late"}})
	for format, want := range map[string][]string{
		"text":   {"Not tried here: elsewhere: use --isolation vm\n", "Not tried here: lacks: seccomp.h: no such file\n", "Not tried here: 2\n"},
		"json":   {"\"absent\": [\n  \"elsewhere\",\n  \"lacks\",\n  \"late\"\n ]"},
		"github": {"::notice title=not tried%3A elsewhere::use --isolation vm\n", "::notice title=not tried%3A lacks::seccomp.h: no such file\n"},
		"junit": {
			`tests="9" failures="3" errors="0" skipped="3"`, `<skipped message="use --isolation vm">`, `<skipped message="seccomp.h: no such file">`,
			`<testcase name="late" classname="mutant" time="0.000">` + "\n      <skipped></skipped>",
		},
	} {
		got := write(t, format, r, matrix.Options{})
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: no %q in\n%s", format, part, got)
			}
		}
	}
	if got := write(t, "json", made(), matrix.Options{}); !strings.Contains(got, `"absent": []`) {
		t.Errorf("nothing absent: no empty list in\n%s", got)
	}
	r.Solutions = []*verify.Solution{r.Solutions[0], r.Solutions[6]}
	r.Errors = []verify.Error{{Kind: verify.Lost, Subject: "reference", File: "ref"}}
	if got := write(t, "github", r, matrix.Options{}); !strings.Contains(got, "::notice::The reference does not hold: nothing else was tried.\n") {
		t.Errorf("a reference that does not hold: no notice in\n%s", got)
	}
}

func TestUnknownFormat(t *testing.T) {
	if err := matrix.Write(&strings.Builder{}, "html", made(), matrix.Options{}); err == nil {
		t.Error("html was written; want an error")
	}
}
