package judge

import (
	"slices"
	"strings"

	"moulinette/grader/evidence"
	"moulinette/grader/spec"
)

// norm gathers the findings of the source, of what was executed, and of the
// norm's own scenarios; and what could not be checked.
func (j *judging) norm() (Norm, []spec.Text) {
	n := Norm{Findings: slices.Clone(j.g.Findings)}
	for _, id := range sortedKeys(j.verdicts) {
		if rec := j.g.Records[id]; rec != nil {
			n.Findings = append(n.Findings, executed(rec, j.ex.Norm.ForbiddenPrograms, j.ex.Norm.Blocking)...)
		}
	}
	var notices []spec.Text
	for _, check := range j.ex.Norm.Checks {
		s, run := j.verdicts[check.Scenario]
		if !run || !j.ex.Norm.Active(check.Rule) || j.g.Build != nil {
			continue
		}
		found := j.findings(check, s)
		rec := j.g.Records[check.Scenario]
		slow := rec != nil && rec.End.Outcome == evidence.Hung // which is no loss: of it nothing is known
		for i := range found {
			found[i].Blocking = j.ex.Norm.Blocking && !slow
		}
		n.Findings = append(n.Findings, found...)
		if s.Verdict == NotJudged {
			notices = append(notices, unchecked(check.Rule, s.Reason))
		}
	}
	n.Findings = once(n.Findings)
	n.OK = len(n.Findings) == 0
	n.Blocking = slices.ContainsFunc(n.Findings, func(f Finding) bool { return f.Blocking })
	return n, notices
}

// findings are the failed expectations of a norm check: its hints are the
// messages. One that ate all memory has shown what it was to show; another that did not
// come to its end is a finding of its own, unless a row tells why.
func (j *judging) findings(check spec.NormCheck, s Scenario) []Finding {
	rec, sc := j.g.Records[s.ID], j.ex.Scenarios[s.ID]
	if s.Verdict != Fail || rec == nil || sc == nil {
		return nil
	}
	if stopped(rec) {
		if j.firstRule(s.ID) != check.Rule || rec.End.Outcome != evidence.Exhausted && j.toldByRows(sc, rec) {
			return nil
		}
		return []Finding{{Rule: check.Rule, Where: s.ID, Message: cutShort(rec, s.Reason)}}
	}
	var found []Finding
	for i, e := range s.Expectations {
		if rule := sc.Expect[i].Rule; e.Judged && !e.OK && (rule == "" || rule == check.Rule) {
			found = append(found, Finding{Rule: check.Rule, Where: s.ID, Message: told(e.in(j.g.Language))})
		}
	}
	return found
}

// stopped tells whether a scenario came to nothing: it did not come to its end, or a call
// failed before it had been made as often as was to be counted.
func stopped(rec *evidence.Record) bool {
	return rec.End.Outcome != evidence.Completed || fellShort(rec).Name != ""
}

// fellShort is the call that failed before anything was counted; the zero Call if none did.
func fellShort(rec *evidence.Record) evidence.Call {
	for _, label := range rec.Order {
		if c := rec.Calls[label]; !c.OK && c.Grown.Calls == 0 {
			return c
		}
	}
	return evidence.Call{}
}

// cutShort says why a check of the norm came to nothing.
func cutShort(rec *evidence.Record, why spec.Text) spec.Text {
	c := fellShort(rec)
	if !why.IsZero() || c.Name == "" {
		return why
	}
	return followed(hadFailed(c), text("C'était l'appel n° %d d'affilée : ce que chaque appel laisse derrière lui n'a pu être compté.",
		"It was call no. %d in a row: what each call leaves behind could not be counted.", max(1, c.FailedAt)))
}

// toldByRows tells whether a scenario of a row that made one of the same calls did not
// pass either: the row tells why, and costs what it costs.
func (j *judging) toldByRows(sc *spec.Scenario, rec *evidence.Record) bool {
	calls := map[string]bool{}
	asked, _ := sc.Resolve(rec.Seed)
	for _, step := range asked.Steps {
		calls[step.Call] = true
		for _, then := range step.Then {
			calls[then] = true
		}
	}
	delete(calls, "") // steps that call nothing
	makes := func(rec *evidence.Record) bool {
		return rec == nil || slices.ContainsFunc(rec.Order, func(label string) bool { return calls[rec.Calls[label].Name] })
	}
	for _, row := range slices.Concat(j.ex.Rows, j.ex.Bonus) {
		for _, id := range row.Scenarios {
			s, run := j.verdicts[id]
			if run && s.Verdict != Pass && (s.Verdict != NotJudged || !j.ex.Scenarios[id].Extra()) && makes(j.g.Records[id]) {
				return true
			}
		}
	}
	return false
}

// silent tells whether a scenario is a check of the norm that came to nothing for a
// reason that a row tells: it blames nobody, so it shows nothing of a concept either.
func (j *judging) silent(id string) bool {
	rec, sc := j.g.Records[id], j.ex.Scenarios[id]
	return rec != nil && sc != nil && stopped(rec) && rec.End.Outcome != evidence.Exhausted && j.toldByRows(sc, rec) &&
		slices.ContainsFunc(j.ex.Norm.Checks, func(c spec.NormCheck) bool { return c.Scenario == id })
}

// told is all that an expectation has to say, in one text: a finding that takes
// every point is explained no worse than a row that failed.
func told(e Expectation) spec.Text {
	fr, en := e.Hint.FR+" ("+e.Got+")", e.Hint.EN+" ("+e.Got+")"
	if !e.Lesson.IsZero() {
		fr, en = fr+" "+e.Lesson.FR, en+" "+e.Lesson.EN
	}
	if len(e.Read) > 0 {
		pages := strings.Join(e.Read, ", ")
		fr, en = fr+" À lire : "+pages+".", en+" Read: "+pages+"."
	}
	return spec.Text{FR: fr, EN: en}
}

// firstRule is the first that a scenario is checked for.
func (j *judging) firstRule(scenario string) string {
	for _, check := range j.ex.Norm.Checks {
		if check.Scenario == scenario && j.ex.Norm.Active(check.Rule) {
			return check.Rule
		}
	}
	return ""
}

func unchecked(rule string, why spec.Text) spec.Text {
	return spec.Text{FR: "Norme non vérifiée (" + rule + ") : " + why.FR, EN: "Norm not checked (" + rule + "): " + why.EN}
}

// once drops findings that say the same.
func once(found []Finding) []Finding {
	var kept []Finding
	for _, f := range found {
		if !slices.Contains(kept, f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// score adds up, and decides.
func (s *Sheet) score(ex *spec.Exercise) {
	for _, r := range s.Rows {
		s.MaxScore += r.Points
		s.Score += r.Earned
		if r.Open {
			s.Unjudged += r.Points
		}
	}
	open := 0 // points of the bonus
	for _, r := range s.Bonus {
		s.BonusMax += r.Points
		s.BonusEarned += r.Earned
		if r.Open {
			open += r.Points
		}
	}
	s.PassingScore = ex.PassingScore
	if s.Partial {
		s.PassingScore = s.MaxScore
	}
	s.Passed = s.decide(ex, open)
	if s.Norm.Blocking {
		s.Score, s.BonusEarned = 0, 0
	}
	if s.Passed != nil && *s.Passed && !s.Partial { // a part is practice
		s.XP = ex.Pack.XPBase
		if s.BonusMax > 0 && s.BonusEarned == s.BonusMax {
			s.XP *= max(1, ex.Pack.XPBonusMultiplier)
		}
	}
}

// decide is nil where points that were not judged, or a check of the norm that
// the harness failed to make, could change the outcome. open are those of the bonus,
// which decides where it is all that was asked for.
func (s *Sheet) decide(ex *spec.Exercise, open int) *bool {
	no, yes := false, true
	missed := s.BonusMax - s.BonusEarned
	switch {
	case s.Norm.Blocking || s.Build != nil || ex.Draft || len(s.Rows)+len(s.Bonus) == 0:
		return &no
	case len(s.Rows) == 0 && missed > open:
		return &no
	case len(s.Rows) == 0 && missed > 0:
		return nil
	case s.Score+s.Unjudged < s.PassingScore:
		return &no
	case s.Score < s.PassingScore:
		return nil
	case ex.Norm.Blocking && s.normFault(ex):
		return nil
	}
	return &yes
}

// normFault tells whether a blocking check is missing by our fault.
func (s *Sheet) normFault(ex *spec.Exercise) bool {
	for _, check := range ex.Norm.Checks {
		ours := func(f spec.Text) bool { return strings.HasPrefix(f.EN, check.Scenario+": ") }
		if ex.Norm.Active(check.Rule) && slices.ContainsFunc(s.Faults, ours) {
			return true
		}
	}
	return false
}
