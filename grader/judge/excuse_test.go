package judge_test

import (
	"strings"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
)

// What the sandbox alone refuses excuses whoever was asked for it, and nobody
// else: any submission can make a call that is refused.
func TestExcuses(t *testing.T) {
	null := func(target string) evidence.Refusal { return evidence.Refusal{What: "mknod c 1:3", Target: target} }
	proc := func(target string) evidence.Refusal { return evidence.Refusal{What: "mount proc", Target: target} }
	devtmpfs := func(target string) evidence.Refusal {
		return evidence.Refusal{What: "mount devtmpfs", Target: target}
	}
	const withRoot, withoutRoot, noContainer = "container.whole_life", "container.isolated", "mount.private_one"
	for _, test := range []struct {
		scenario string
		refusal  evidence.Refusal
		excused  bool
	}{
		{withRoot, null("/work/root/dev/null"), true},
		{withRoot, null("/dev/null"), true}, // it has pivoted
		{withRoot, devtmpfs("/work/root/dev"), true},
		{withRoot, devtmpfs("/dev"), true},
		{withRoot, proc("/work/root/proc"), true},
		{withRoot, proc("/proc"), true},
		{withRoot, null("/tmp/null"), false},
		{withRoot, null("/work/root/dev"), false},
		{withRoot, null("/work/root/tmp/dev/null"), false},
		{withRoot, null("/work/root/../root2/dev/null"), false},
		{withRoot, devtmpfs("/dev/null"), false},
		{withRoot, proc("/tmp/proc"), false},
		{withoutRoot, proc("/proc"), true},
		{withoutRoot, null("/dev/null"), false}, // the host's is there
		{withoutRoot, null("/work/root/dev/null"), false},
		{withoutRoot, devtmpfs("/dev"), false},
		{noContainer, null("/dev/null"), false},
		{noContainer, null("/work/root/dev/null"), false},
		{noContainer, proc("/proc"), false},
		{noContainer, devtmpfs("/dev"), false},
	} {
		t.Run(test.scenario+" "+test.refusal.String(), func(t *testing.T) {
			sc := truman().Scenarios[test.scenario]
			rec := failed(t, test.scenario)
			rec.Withheld = []evidence.Refusal{{What: "mknod c 1:8", Target: "/elsewhere"}, test.refusal}
			want := judge.Fail
			if test.excused {
				want = judge.NotJudged
			}
			got := judge.Record(sc, rec)
			if got.Verdict != want {
				t.Errorf("got %s (%s); want %s", got.Verdict, got.Reason.EN, want)
			}
			if test.excused && (!strings.Contains(got.Reason.EN, test.refusal.String()) || strings.Contains(got.Reason.EN, "elsewhere")) {
				t.Errorf("got reason %q; want it to name the refusal that counts, and no other", got.Reason.EN)
			}
		})
	}
}

// Some failures nothing excuses.
func TestNoExcuse(t *testing.T) {
	const scenario = "container.whole_life"
	for name, spoil := range map[string]func(*evidence.Record){
		"a panic":     func(r *evidence.Record) { r.Calls["again"] = evidence.Call{Panic: "boom"} },
		"an impostor": func(r *evidence.Record) { r.Probes = map[string]evidence.Probe{"probe": {Impostor: "traced"}} },
		"a flood":     func(r *evidence.Record) { r.End.Outcome = evidence.Flooded },
		"babble":      func(r *evidence.Record) { r.End.Outcome = evidence.Babbled },
		"a call missing": func(r *evidence.Record) {
			r.Calls["again"], r.Order = evidence.Call{Name: "again", Missing: true}, []string{"again"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := failed(t, scenario)
			rec.Withheld = []evidence.Refusal{{What: "mknod c 1:3", Target: "/work/root/dev/null"}}
			spoil(rec)
			if got := judge.Record(truman().Scenarios[scenario], rec); got.Verdict != judge.Fail {
				t.Errorf("got %s (%s); want fail", got.Verdict, got.Reason.EN)
			}
		})
	}
}

// failed is a record in which every call failed.
func failed(t *testing.T, scenario string) *evidence.Record {
	t.Helper()
	sc := truman().Scenarios[scenario]
	run, _ := sc.Resolve(7)
	rec := hollowRecord(scenario, "")
	rec.Seed = 7
	for _, step := range run.Steps {
		rec.Calls[step.As] = evidence.Call{Name: step.Call, Returned: true, Failed: true, Errno: "EPERM"}
		rec.At[step.As] = evidence.Snapshot{}
	}
	if got := judge.Record(sc, rec); got.Verdict != judge.Fail {
		t.Fatalf("without a refusal: got %s (%s); want fail", got.Verdict, got.Reason.EN)
	}
	return rec
}
