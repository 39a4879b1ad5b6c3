package judge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

const table = `name: table
title: {fr: a, en: a}
passing_score: 70
pack: {xp_base: 500, xp_bonus_multiplier: 4}
concepts: [{id: one, title: {fr: un, en: one}}, {id: two, title: {fr: deux, en: two}}]
norm:
  forbidden_programs: [docker, unshare, ip netns add]
  check_memory: true
  blocking: true
  checks: [{rule: fds, scenario: n}]
rows:
  - {id: a, title: {fr: la, en: the a}, points: 50, asks: {fr: a, en: a}, expected: {fr: a, en: a}, scenarios: [a1, a2]}
  - {id: b, title: {fr: lb, en: the b}, points: 30, asks: {fr: a, en: a}, expected: {fr: a, en: a}, requires: [a], scenarios: [b1]}
  - {id: c, title: {fr: lc, en: the c}, points: 20, asks: {fr: a, en: a}, expected: {fr: a, en: a}, requires: [b], scenarios: [c1]}
bonus:
  - {id: x, title: {fr: lx, en: the x}, points: 10, asks: {fr: a, en: a}, expected: {fr: a, en: a}, requires: [c], scenarios: [x1]}
scenarios:
`

const one = `
  - id: %s
    title: {fr: a, en: a}
    concepts: [%s]
    steps: [{make_mount_private: {path: /}, times: 2}]
    expect:
      - {that: call.ok, hint: {fr: indice, en: a hint}, lesson: {fr: une leçon, en: a lesson}, read: [mount(2)]}
`

func tableExercise(t *testing.T) *spec.Exercise {
	t.Helper()
	text := table
	for _, id := range []string{"a1", "a2", "b1", "c1", "x1", "n"} {
		concept := "one"
		if id == "b1" {
			concept = "two"
		}
		text += fmt.Sprintf(one, id, concept)
	}
	ex, err := spec.Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

// good is a record that passes; change makes another of it.
func good(id string) *evidence.Record {
	return &evidence.Record{
		Version: evidence.Version, Scenario: id, End: evidence.End{Outcome: evidence.Completed},
		Calls: map[string]evidence.Call{"make_mount_private": {Name: "make_mount_private", Returned: true, OK: true, Grown: evidence.Growth{Calls: 2}}},
		Order: []string{"make_mount_private"},
		At:    map[string]evidence.Snapshot{"before": {}, "after": {}},
	}
}

func fails(r *evidence.Record) {
	r.Calls["make_mount_private"] = evidence.Call{Name: "make_mount_private", Returned: true, Failed: true, Grown: evidence.Growth{Calls: 2}}
}

func broken(r *evidence.Record) { r.End = evidence.End{Outcome: evidence.Broken, Reason: "no disk"} }

func unavailable(r *evidence.Record) {
	r.End = evidence.End{Outcome: evidence.Unavailable, Missing: "id_range"}
}

func runs(program string, argv ...string) func(*evidence.Record) {
	return func(r *evidence.Record) {
		r.Trace = append(r.Trace, evidence.Event{Call: "execve", Path: program, Argv: argv})
	}
}

func TestExercise(t *testing.T) {
	ex := tableExercise(t)
	type change = map[string]func(*evidence.Record)
	for _, c := range []struct {
		name    string
		changes change
		only    []string
		want    string // verdicts of rows and bonus, score, unjudged, passed, XP, findings
	}{
		{"all right", nil, nil, "pass pass pass | pass | 100/100 unjudged 0 passed true xp 2000 findings 0"},
		{"bonus fails", change{"x1": fails}, nil, "pass pass pass | fail | 100/100 unjudged 0 passed true xp 500 findings 0"},
		{"last row fails", change{"c1": fails}, nil, "pass pass fail | not_judged | 80/100 unjudged 0 passed true xp 500 findings 0"},
		{"all or nothing", change{"a2": fails}, nil, "fail not_judged not_judged | not_judged | 0/100 unjudged 0 passed false xp 0 findings 0"},
		{"a required row fails, and the next too", change{"b1": fails, "c1": fails}, nil, "pass fail not_judged | not_judged | 50/100 unjudged 0 passed false xp 0 findings 0"},
		{"host cannot judge what decides", change{"b1": unavailable}, nil, "pass not_judged not_judged | not_judged | 50/100 unjudged 50 passed undecided xp 0 findings 0"},
		{"host cannot judge what does not decide", change{"c1": unavailable}, nil, "pass pass not_judged | not_judged | 80/100 unjudged 20 passed true xp 500 findings 0"},
		{"unjudged points would not be enough", change{"a1": fails, "c1": unavailable}, nil, "fail not_judged not_judged | not_judged | 0/100 unjudged 0 passed false xp 0 findings 0"},
		{"harness fault", change{"a1": broken}, nil, "harness_fault not_judged not_judged | not_judged | 0/100 unjudged 100 passed undecided xp 0 findings 0"},
		{"a failure stands beside a harness fault", change{"a1": broken, "a2": fails}, nil, "fail not_judged not_judged | not_judged | 0/100 unjudged 0 passed false xp 0 findings 0"},
		{"norm finding blocks", change{"n": fails}, nil, "pass pass pass | pass | 0/100 unjudged 0 passed false xp 0 findings 1"},
		{"norm check broken", change{"n": broken}, nil, "pass pass pass | pass | 100/100 unjudged 0 passed undecided xp 0 findings 0"},
		{"norm check not made", change{"n": unavailable}, nil, "pass pass pass | pass | 100/100 unjudged 0 passed true xp 2000 findings 0"},
		{"forbidden program", change{"a1": runs("/usr/bin/unshare", "unshare", "--pid")}, nil, "pass pass pass | pass | 0/100 unjudged 0 passed false xp 0 findings 1"},
		{"forbidden words", change{"a1": runs("/sbin/ip", "ip", "-4", "netns", "a", "x")}, nil, "pass pass pass | pass | 0/100 unjudged 0 passed false xp 0 findings 1"},
		{"forbidden through busybox", change{"a1": runs("/bin/busybox", "busybox", "unshare", "-p")}, nil, "pass pass pass | pass | 0/100 unjudged 0 passed false xp 0 findings 1"},
		{"forbidden under another argv[0]", change{"a1": runs("/usr/bin/unshare", "ls")}, nil, "pass pass pass | pass | 0/100 unjudged 0 passed false xp 0 findings 1"},
		{"tolerated ip link", change{"a1": runs("/sbin/ip", "ip", "link", "add", "netns")}, nil, "pass pass pass | pass | 100/100 unjudged 0 passed true xp 2000 findings 0"},
		{"tolerated ip netns exec", change{"a1": runs("/sbin/ip", "ip", "netns", "exec", "x", "true")}, nil, "pass pass pass | pass | 100/100 unjudged 0 passed true xp 2000 findings 0"},
		{"only a row", change{"a1": fails}, []string{"b"}, "pass |  | 30/30 unjudged 0 passed true xp 0 findings 0"},
		{"only a scenario", change{"a1": fails}, []string{"a2"}, "pass |  | 50/50 unjudged 0 passed true xp 0 findings 0"},
		{"only a check of the norm", nil, []string{"n"}, " |  | 0/0 unjudged 0 passed true xp 0 findings 0"},
		{"only one, broken", change{"n": fails}, []string{"n"}, " |  | 0/0 unjudged 0 passed false xp 0 findings 1"},
		{"only one, not made", change{"n": unavailable}, []string{"n"}, " |  | 0/0 unjudged 0 passed undecided xp 0 findings 0"},
		{"only one, by our fault", change{"n": broken}, []string{"n"}, " |  | 0/0 unjudged 0 passed undecided xp 0 findings 0"},
		{"only one, beside a forbidden program", change{"n": runs("/usr/bin/unshare", "unshare")}, []string{"n"}, " |  | 0/0 unjudged 0 passed false xp 0 findings 1"},
		{"only the bonus", change{"x1": fails}, []string{"x"}, " | fail | 0/0 unjudged 0 passed false xp 0 findings 0"},
		{"only the bonus, not judged here", change{"x1": unavailable}, []string{"x"}, " | not_judged | 0/0 unjudged 0 passed undecided xp 0 findings 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := judge.Grading{Only: c.only, Records: map[string]*evidence.Record{}}
			for _, id := range judge.Needed(ex, c.only) {
				g.Records[id] = good(id)
				if change := c.changes[id]; change != nil {
					change(g.Records[id])
				}
			}
			if got := summary(judge.Exercise(ex, g)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// A scenario that wants a real root takes points where it was played, and costs
// none where it could not be.
func TestRealRootIsExtra(t *testing.T) {
	text := table
	for _, id := range []string{"a1", "a2", "b1", "c1", "x1", "n"} {
		text += fmt.Sprintf(one, id, "one, two")
		if id == "a2" || id == "x1" {
			text = strings.TrimRight(text, "\n") + "\n    root: real\n"
		}
	}
	text = strings.Replace(text, "scenarios: [x1]", "scenarios: [x1, a1]", 1)
	ex, err := spec.Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	noRealRoot := func(r *evidence.Record) {
		r.End = evidence.End{Outcome: evidence.Unavailable, Missing: "real_root"}
	}
	for _, c := range []struct {
		name    string
		change  func(*evidence.Record)
		only    []string
		want    string
		notices int
	}{
		{"played", func(*evidence.Record) {}, nil, "pass pass pass | pass | 100/100 unjudged 0 passed true xp 2000 findings 0", 0},
		{"lost", fails, nil, "fail not_judged not_judged | not_judged | 0/100 unjudged 0 passed false xp 0 findings 0", 0},
		{"not played", noRealRoot, nil, "pass pass pass | pass | 100/100 unjudged 0 passed true xp 2000 findings 0", 1},
		{"broken", broken, nil, "harness_fault not_judged not_judged | not_judged | 0/100 unjudged 100 passed undecided xp 0 findings 0", 0},
		{"alone", noRealRoot, []string{"a2"}, "not_judged |  | 0/50 unjudged 50 passed undecided xp 0 findings 0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := judge.Grading{Only: c.only, Records: map[string]*evidence.Record{}}
			for _, id := range judge.Needed(ex, c.only) {
				g.Records[id] = good(id)
			}
			c.change(g.Records["a2"])
			if x1 := g.Records["x1"]; x1 != nil {
				c.change(x1)
			}
			sheet := judge.Exercise(ex, g)
			if got := summary(sheet); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if len(sheet.Notices) != c.notices {
				t.Errorf("notices %+v; want %d", sheet.Notices, c.notices)
			}
			for _, n := range sheet.Notices {
				if !strings.Contains(n.FR, "a2") || !strings.Contains(n.EN, "a2") || !strings.Contains(n.EN, "--isolation vm") {
					t.Errorf("notice %+v; want the scenario and the cure", n)
				}
			}
		})
	}
}

func summary(s judge.Sheet) string {
	passed := "undecided"
	if s.Passed != nil {
		passed = fmt.Sprint(*s.Passed)
	}
	return fmt.Sprintf("%s | %s | %d/%d unjudged %d passed %s xp %d findings %d",
		verdicts(s.Rows), verdicts(s.Bonus), s.Score, s.MaxScore, s.Unjudged, passed, s.XP, len(s.Norm.Findings))
}

func verdicts(rows []judge.Row) string {
	var list []string
	for _, r := range rows {
		list = append(list, string(r.Verdict))
	}
	return strings.Join(list, " ")
}

func TestNothingToRun(t *testing.T) {
	ex := tableExercise(t)
	built := judge.Exercise(ex, judge.Grading{Build: &judge.Build{Reason: spec.Text{FR: "ne compile pas", EN: "does not compile"}}})
	if got, want := summary(built), "fail fail fail | fail | 0/100 unjudged 0 passed false xp 0 findings 0"; got != want {
		t.Errorf("does not build:\n got %s\nwant %s", got, want)
	}
	lost := judge.Exercise(ex, judge.Grading{Harness: map[string]string{"a1": "agent: EOF"}})
	if got, want := summary(lost), "harness_fault not_judged not_judged | not_judged | 0/100 unjudged 100 passed undecided xp 0 findings 0"; got != want {
		t.Errorf("no records:\n got %s\nwant %s", got, want)
	}
	if len(lost.Faults) != 6 || !strings.Contains(lost.Faults[0].EN, "agent: EOF") {
		t.Errorf("got harness faults %q", lost.Faults)
	}
}

func TestConcepts(t *testing.T) {
	ex := tableExercise(t)
	g := judge.Grading{Records: map[string]*evidence.Record{}}
	for _, id := range judge.Needed(ex, nil) {
		g.Records[id] = good(id)
	}
	fails(g.Records["b1"])
	got := judge.Exercise(ex, g).Concepts
	if !got[0].Mastered || got[1].Mastered || !got[1].Judged {
		t.Errorf("got %+v", got)
	}
	unavailable(g.Records["b1"])
	if got := judge.Exercise(ex, g).Concepts; got[1].Mastered || got[1].Judged {
		t.Errorf("got %+v of what was not judged", got[1])
	}
	fails(g.Records["x1"])
	if got := judge.Exercise(ex, g).Concepts; !got[0].Mastered {
		t.Errorf("got %+v: a bonus that was left out is no gap in what the rows teach", got[0])
	}
	fails(g.Records["n"])
	if got := judge.Exercise(ex, g).Concepts; got[0].Mastered {
		t.Errorf("got %+v, and the norm was broken", got[0])
	}
	call := g.Records["n"].Calls["make_mount_private"]
	call.Grown = evidence.Growth{}
	g.Records["n"].Calls["make_mount_private"] = call
	if got := judge.Exercise(ex, g).Concepts; !got[0].Mastered {
		t.Errorf("got %+v: a check of the norm that counted nothing is no gap either", got[0])
	}
}

// TestUnfinishedWorkIsNoFinding: a norm check of a call that does not exist yet
// says nothing.
func TestUnfinishedWorkIsNoFinding(t *testing.T) {
	ex := tableExercise(t)
	rec := good("n")
	rec.Calls["make_mount_private"] = evidence.Call{Name: "make_mount_private", Returned: true, Failed: true, Missing: true}
	s := judge.Exercise(ex, judge.Grading{Records: map[string]*evidence.Record{"n": rec}})
	if len(s.Norm.Findings) != 0 {
		t.Errorf("got %+v", s.Norm.Findings)
	}
	rec = good("n")
	rec.End = evidence.End{Outcome: evidence.Exhausted, Step: "make_mount_private"}
	s = judge.Exercise(ex, judge.Grading{Records: map[string]*evidence.Record{"n": rec}})
	if len(s.Norm.Findings) != 1 || !s.Norm.Blocking {
		t.Errorf("got %+v of a submission that ate all memory", s.Norm.Findings)
	}
}

// TestCheckThatCameToNothing: who stops short of being counted is told so, unless a row
// that makes the same call tells why.
func TestCheckThatCameToNothing(t *testing.T) {
	ex := tableExercise(t)
	for name, test := range map[string]struct {
		norm, row func(*evidence.Record)
		want      string // of the finding; empty: there is none
	}{
		"it fails later":         {fallsShort, nil, "make_mount_private had failed: no. It was call no. 3 in a row: what each call leaves behind could not be counted."},
		"it is gone":             {exits, nil, "Your program ended (status 0) during the step make_mount_private, where it should have returned."},
		"it is slow":             {hangs, nil, "The step make_mount_private did not return in time (5 s for a step, 20 s for all): what does your program wait for, and who was to wake it?"},
		"a row tells":            {fallsShort, fails, ""},
		"a row tells as well":    {exits, exits, ""},
		"nothing that a row did": {fallsShort, func(r *evidence.Record) { fails(r); r.Order = nil }, "make_mount_private had failed: no. It was call no. 3 in a row: what each call leaves behind could not be counted."},
	} {
		g := judge.Grading{Records: map[string]*evidence.Record{}}
		for _, id := range judge.Needed(ex, nil) {
			g.Records[id] = good(id)
		}
		test.norm(g.Records["n"])
		if test.row != nil {
			test.row(g.Records["b1"])
		}
		s, got := judge.Exercise(ex, g), ""
		for _, f := range s.Norm.Findings {
			got += f.Message.EN
		}
		if got != test.want || s.Norm.Blocking != (test.want != "" && name != "it is slow") {
			t.Errorf("%s: blocking %v, %q; want %q", name, s.Norm.Blocking, got, test.want)
		}
	}
}

func fallsShort(r *evidence.Record) {
	r.Calls["make_mount_private"] = evidence.Call{Name: "make_mount_private", Returned: true, Failed: true, Error: "no", FailedAt: 3}
}

func hangs(r *evidence.Record) {
	r.End = evidence.End{Outcome: evidence.Hung, Step: "make_mount_private"}
}

func exits(r *evidence.Record) {
	r.End = evidence.End{Outcome: evidence.Exited, Step: "make_mount_private"}
}

// TestBrokenExpression: what fails of itself is nobody's failure.
func TestBrokenExpression(t *testing.T) {
	text := table
	for _, id := range []string{"a1", "a2", "b1", "c1", "x1", "n"} {
		text += fmt.Sprintf(one, id, "one, two")
	}
	text = strings.ReplaceAll(text, "    steps: ", "    given: {host: a b}\n    steps: ")
	text = strings.ReplaceAll(text, "that: call.ok", `that: 'call.ok && split(given.host, " ")[1] == "b"'`)
	ex, err := spec.Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rec := good("a1")
	if got := judge.Record(ex.Scenarios["a1"], rec); got.Verdict != judge.Pass {
		t.Errorf("got %s (%s); want a pass", got.Verdict, got.Reason.EN)
	}
	rec.Given = map[string]any{"host": "ab"}
	got := judge.Record(ex.Scenarios["a1"], rec)
	if want := `the spec: split(given.host, " ")[1]: index out of range`; got.Verdict != judge.HarnessFault || !strings.Contains(got.Reason.EN, want) {
		t.Errorf("got %s (%s); want a fault of ours, with %s", got.Verdict, got.Reason.EN, want)
	}
}

// TestGrowthIsTold: of a call that was repeated, were it once, the record has to
// tell what it left behind.
func TestGrowthIsTold(t *testing.T) {
	sc, rec := tableExercise(t).Scenarios["n"], good("n")
	if got := judge.Record(sc, rec); got.Verdict != judge.Pass {
		t.Fatalf("got %s (%s)", got.Verdict, got.Reason.EN)
	}
	rec.Calls["make_mount_private"] = evidence.Call{Name: "make_mount_private", Returned: true, OK: true}
	if got := judge.Record(sc, rec); got.Verdict != judge.HarnessFault {
		t.Errorf("got %s (%s)", got.Verdict, got.Reason.EN)
	}
}

// TestFindingIsExplained: what takes every point says why, and what to read.
func TestFindingIsExplained(t *testing.T) {
	rec := good("n")
	fails(rec)
	s := judge.Exercise(tableExercise(t), judge.Grading{Records: map[string]*evidence.Record{"n": rec}})
	if len(s.Norm.Findings) != 1 {
		t.Fatalf("got %+v", s.Norm.Findings)
	}
	expect := tableExercise(t).Scenarios["n"].Expect[0]
	got := s.Norm.Findings[0].Message
	for _, want := range []string{expect.Hint.EN, expect.Lesson.EN, "Read: " + expect.Read[0]} {
		if !strings.Contains(got.EN, want) {
			t.Errorf("got %q; want %q in it", got.EN, want)
		}
	}
	if !strings.Contains(got.FR, "À lire : ") {
		t.Errorf("got %q", got.FR)
	}
}

// TestEndIsTold: a label is the spec's own, and so is "start"; what ended is told
// by names that a student knows.
func TestEndIsTold(t *testing.T) {
	text := table
	for _, id := range []string{"a2", "b1", "c1", "x1", "n"} {
		text += fmt.Sprintf(one, id, "one")
	}
	text += strings.Replace(fmt.Sprintf(one, "a1", "two"), "{make_mount_private: {path: /}, times: 2}", "{make_mount_private: {path: /}, as: call}", 1)
	ex, err := spec.Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range map[string]string{
		"call":  "during the step make_mount_private (call), where",
		"start": "ended (status 0) before the first call: what does it do at its start",
	} {
		rec := good("a1")
		rec.End = evidence.End{Outcome: evidence.Exited, Step: step}
		if got := judge.Record(ex.Scenarios["a1"], rec).Reason.EN; !strings.Contains(got, want) {
			t.Errorf("got %q; want %q in it", got, want)
		}
	}
	rec := good("a1")
	rec.End = evidence.End{Outcome: evidence.Flooded, Limit: "record"}
	if got := judge.Record(ex.Scenarios["a1"], rec).Reason.EN; strings.Contains(got, "printed") {
		t.Errorf("got %q of a record that was too long", got)
	}
}

// TestCrash: who crashes learns in which call, and of C how to find the line.
func TestCrash(t *testing.T) {
	text := strings.ReplaceAll(table+fmt.Sprintf(one, "a1", "one, two"), "times: 2", "as: nothing")
	text = strings.NewReplacer("[a1, a2]", "[a1]", "[b1]", "[a1]", "[c1]", "[a1]", "[x1]", "[a1]", "scenario: n}", "scenario: a1}").Replace(text)
	ex, err := spec.Load(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for language, notices := range map[string]int{"c17": 1, "go": 0} {
		rec := good("a1")
		rec.End = evidence.End{Outcome: evidence.Exited, Step: "nothing", Exit: -1, Signal: 11}
		s := judge.Exercise(ex, judge.Grading{Language: language, Records: map[string]*evidence.Record{"a1": rec}})
		if got, want := s.Rows[0].Scenarios[0].Reason.EN, "killed by SIGSEGV during the step make_mount_private (nothing)."; !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %q; want %q", language, got, want)
		}
		if len(s.Notices) != notices {
			t.Errorf("%s: got notices %+v; want %d", language, s.Notices, notices)
		}
	}
}

// A finding of the norm is told in the words for the submission's language.
func TestNormInGo(t *testing.T) {
	ex := tableExercise(t)
	say := &ex.Scenarios["n"].Expect[0]
	say.Go = spec.Words{Lesson: spec.Text{FR: "en Go", EN: "in Go"}, Read: []string{"go doc os.File"}}
	rec := good("n")
	fails(rec)
	for language, want := range map[string]string{"go": "in Go Read: go doc os.File.", "c17": "a lesson Read: mount(2)."} {
		s := judge.Exercise(ex, judge.Grading{Language: language, Records: map[string]*evidence.Record{"n": rec}, Only: []string{"n"}})
		if len(s.Norm.Findings) != 1 || !strings.HasSuffix(s.Norm.Findings[0].Message.EN, want) {
			t.Errorf("%s: got %+v; want %s", language, s.Norm.Findings, want)
		}
	}
}
