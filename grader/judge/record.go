// Package judge knows right from wrong, and nothing else: it is a pure function
// from a spec and records to a sheet. The same record gives the same verdict on
// any machine.
//
// What a record proves, in this order: that the harness did its work (or it is
// a harness fault), that this host can show it (or it is not judged), that the
// submission came to the end (or it failed there), and only then what the
// expectations say.
package judge

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// Record judges what one scenario left behind. A nil record is a harness
// fault.
func Record(sc *spec.Scenario, rec *evidence.Record) Scenario {
	s := Scenario{ID: sc.ID, Title: sc.Title, Expectations: unjudged(sc)}
	if rec == nil {
		return s.ended(HarnessFault, noRecord())
	}
	s.Millis, s.Trace, s.Stderr = rec.Millis, trace(rec), printed(rec.Output.Stderr)
	verdict, reason := ending(sc, rec)
	if verdict == Pass {
		var wrong error
		if s.Expectations, wrong = expectations(sc, rec); wrong != nil {
			return s.ended(HarnessFault, harness("the spec: "+wrong.Error()))
		}
		verdict, reason = standing(sc, rec)
	}
	if i := slices.IndexFunc(s.Expectations, func(e Expectation) bool { return !e.OK }); verdict == Pass && i >= 0 {
		verdict, reason = Fail, cmp.Or(stub(rec), s.Expectations[i].unreached(rec))
	}
	if verdict == Fail && !reason.IsZero() && reason == stub(rec) {
		s.Expectations = unjudged(sc) // what is not written explains them all
	}
	if due := excuses(sc, rec); verdict == Fail && len(due) > 0 {
		verdict, reason = NotJudged, withheld(due)
	}
	return s.ended(verdict, reason)
}

func (s Scenario) ended(verdict Verdict, reason spec.Text) Scenario {
	s.Verdict, s.Reason = verdict, reason
	return s
}

// unjudged lists what would have been looked at.
func unjudged(sc *spec.Scenario) []Expectation {
	list := make([]Expectation, len(sc.Expect))
	for i, e := range sc.Expect {
		list[i] = Expectation{That: e.That, Hint: e.Hint, Lesson: e.Lesson, Read: e.Read, Go: e.Go}
	}
	return list
}

// expectations fail if one of them would whatever was handed in.
func expectations(sc *spec.Scenario, rec *evidence.Record) ([]Expectation, error) {
	list, env := unjudged(sc), sc.Env(rec)
	failed := false
	for i := range list {
		ok, got, err := sc.Judge(i, env)
		if err != nil {
			return unjudged(sc), err
		}
		if !ok && failed && unwitnessed(list[i].That, rec) {
			continue
		}
		list[i].Judged, list[i].OK, list[i].Got = true, ok, got
		if !ok {
			list[i].explain(sc, rec)
		}
		failed = failed || !ok
	}
	return list, nil
}

// witness is what a probe has shown by living.
var witness = regexp.MustCompile(`\b(?:probe|probes\.(\w+))\.(?:process|acts|files)\b`)

// unwitnessed tells whether an expectation rests on a probe that nobody saw. If
// something before it failed, that is what went wrong: nothing can be said of how
// a program behaved that never ran, least of all that mount got through.
func unwitnessed(that string, rec *evidence.Record) bool {
	return slices.ContainsFunc(witness.FindAllStringSubmatch(that, -1), func(m []string) bool {
		return !rec.Probes[cmp.Or(m[1], "probe")].Seen
	})
}

// ending tells whether the expectations can be looked at; if not, why.
func ending(sc *spec.Scenario, rec *evidence.Record) (Verdict, spec.Text) {
	if what := unsound(sc, rec); what != "" {
		return HarnessFault, harness(what)
	}
	switch rec.End.Outcome {
	case evidence.Completed:
	case evidence.Unavailable:
		return NotJudged, unavailable(rec.End.Missing)
	case evidence.Broken:
		return HarnessFault, harness(rec.End.Reason)
	default:
		return Fail, followed(broke(sc, rec), ruined(rec))
	}
	if name := missing(rec); name != "" {
		return Fail, unimplemented(name)
	}
	if what := incomplete(sc, rec); what != "" {
		return HarnessFault, harness(what)
	}
	return Pass, spec.Text{}
}

// unsound tells why a record cannot be what it should be.
func unsound(sc *spec.Scenario, rec *evidence.Record) string {
	switch rec.End.Outcome {
	case evidence.Completed, evidence.Exited, evidence.Hung, evidence.Flooded, evidence.Exhausted,
		evidence.Babbled, evidence.Spoiled, evidence.Unavailable, evidence.Broken:
	default:
		return fmt.Sprintf("the record has the unknown outcome %q", string(rec.End.Outcome))
	}
	switch {
	case rec.Version != evidence.Version:
		return fmt.Sprintf("the record has version %d, not %d", rec.Version, evidence.Version)
	case rec.Scenario != sc.ID:
		return fmt.Sprintf("the record is of scenario %q", rec.Scenario)
	case len(sc.Expect) == 0:
		return "the scenario expects nothing"
	}
	return ""
}

// missing names the first call that is not implemented.
func missing(rec *evidence.Record) string {
	for _, label := range rec.Order {
		if c := rec.Calls[label]; c.Missing {
			return c.Name
		}
	}
	return ""
}

// stub is about the first call that failed as the C skeleton's functions do. The
// kernel knows this error, too: it explains a failure, and decides nothing.
func stub(rec *evidence.Record) spec.Text {
	for _, label := range rec.Order {
		if c := rec.Calls[label]; c.Failed && c.Errno == "ENOSYS" {
			return stubbed(c.Name)
		}
	}
	return spec.Text{}
}

// incomplete tells what a completed record lacks.
func incomplete(sc *spec.Scenario, rec *evidence.Record) string {
	for _, moment := range []string{"before", "after"} {
		if _, ok := rec.At[moment]; !ok {
			return "the record lacks the snapshot " + moment
		}
	}
	run, _ := sc.Resolve(rec.Seed)
	for _, step := range run.Steps {
		call, called := rec.Calls[step.As]
		_, observed := rec.At[step.As]
		if step.Call != "" && !called || step.Observe && !observed {
			return "the record lacks the step " + step.As
		}
		if step.Times > 1 && call.OK && call.Grown.Calls == 0 {
			return "the record does not tell what " + step.As + " left behind"
		}
	}
	for i, f := range run.Faults {
		if fired(rec, run.Faults, i) < 0 {
			return "the record does not tell whether the fault " + f.Effect + " fired"
		}
	}
	return ""
}

// fired is how often fault i struck, -1 if the record does not tell. A record lists faults
// as the scenario does: of two with one effect, each on its path, each has struck by itself.
func fired(rec *evidence.Record, faults []scenario.Fault, i int) int {
	if i >= len(rec.Faults) || rec.Faults[i].Effect != faults[i].Effect {
		return -1
	}
	return rec.Faults[i].Fired
}

// standing tells what speaks against the submission, whatever the expectations
// say.
func standing(sc *spec.Scenario, rec *evidence.Record) (Verdict, spec.Text) {
	for _, label := range rec.Order {
		if c := rec.Calls[label]; c.Panic != "" {
			return Fail, panicked(c)
		}
	}
	for _, name := range sortedKeys(rec.Probes) {
		if p := rec.Probes[name]; p.Impostor != "" {
			return Fail, impostor(name, p.Impostor)
		}
	}
	run, _ := sc.Resolve(rec.Seed)
	for i, f := range run.Faults {
		if fired(rec, run.Faults, i) <= 0 && !f.Spare {
			return Fail, cmp.Or(stub(rec), followed(neverAsked(f), gaveUp(rec)))
		}
	}
	return Pass, spec.Text{}
}

// tail is the end of what was printed, for a reader.
func tail(text string) string {
	const most = 2000
	if len(text) > most {
		text = "..." + text[len(text)-most:]
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
