package verify

import (
	"fmt"
	"slices"
	"strings"

	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

// ErrorKind is the machine field of an [Error].
type ErrorKind string

// Kinds of errors. The zero value is invalid.
const (
	EditFails    ErrorKind = "edit"          // an edit that no longer applies
	DoesNotBuild ErrorKind = "build"         // a solution that does not compile
	Lost         ErrorKind = "lost"          // the reference or an alternative loses a row
	Earned       ErrorKind = "earned"        // the skeleton earns a row
	Survived     ErrorKind = "survived"      // a mutant that earns everything
	MissingKill  ErrorKind = "missing_kill"  // a row, or a named scenario, that does not fail
	SurplusKill  ErrorKind = "surplus_kill"  // a row that fails and is not named
	WrongNorm    ErrorKind = "norm"          // other breaches of the norm than those named
	Unneeded     ErrorKind = "unneeded"      // a scenario that alone kills nothing
	Uncovered    ErrorKind = "uncovered"     // an origin of the seed list without a mutant
	NotJudged    ErrorKind = "not_judged"    // this host cannot show it
	HarnessFault ErrorKind = "harness_fault" // ours, or the host's
)

// Error is something wrong with the grading, or with what it is tried on, and
// the file to open.
type Error struct {
	Kind    ErrorKind
	Subject string // id of the solution, or of the scenario
	File    string
	Line    int // 0: the whole file
	Column  int
	Text    spec.Text
}

// Where is "file:line:column", as far as it is known.
func (e Error) Where() string {
	switch {
	case e.Line == 0:
		return e.File
	case e.Column == 0:
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}

func (v *verification) report(e Error) { v.result.Errors = append(v.result.Errors, e) }

// say reports an error about a solution; a value that is a [spec.Text] is said in
// either language.
func (v *verification) say(s *Solution, kind ErrorKind, fr, en string, values ...any) {
	v.report(Error{
		Kind: kind, Subject: s.ID, File: s.File, Line: s.Line, Column: s.Column,
		Text: spec.Text{FR: fmt.Sprintf(fr, in("fr", values)...), EN: fmt.Sprintf(en, in("en", values)...)},
	})
}

func in(language string, values []any) (said []any) {
	for _, value := range values {
		if text, ok := value.(spec.Text); ok {
			value = text.In(language)
		}
		said = append(said, value)
	}
	return said
}

// compare holds the sheets of a solution to what is expected of it.
func (v *verification) compare(s *Solution) {
	for i, sheet := range s.Sheets {
		v.faults(s, sheet)
		for _, row := range slices.Concat(sheet.Rows, sheet.Bonus) {
			v.row(s, v.Exercises[i].Name, row, slices.ContainsFunc(sheet.Bonus, func(r judge.Row) bool { return r.ID == row.ID }))
		}
	}
	v.norm(s)
	if s.Kind != Mutant {
		return
	}
	if s.Alive() {
		v.say(s, Survived, "%s survit : toutes les lignes passent", "%s survives: every row passes", s.ID)
	}
	if len(s.Mutant.Kills) == 0 && len(v.killers(s)) > 0 {
		v.say(s, MissingKill, "%s ne nomme aucun scénario qui le tue ; il y a : [%s]", "%s names no scenario that kills it; there are: [%s]", s.ID, strings.Join(v.killers(s), ", "))
	}
	for _, id := range s.Mutant.Kills {
		if c, judged := s.Cells[id]; judged && c.Verdict != judge.Fail && !v.extra(id) {
			v.say(s, MissingKill, "%s devait échouer au scénario %s, qui donne : %s", "%s was to fail the scenario %s, which says: %s", s.ID, id, string(c.Verdict))
		}
	}
}

func (v *verification) faults(s *Solution, sheet *judge.Sheet) {
	for _, fault := range sheet.Faults {
		v.say(s, HarnessFault, "%s : défaillance du correcteur : %s", "%s: harness fault: %s", s.ID, fault)
	}
}

// row holds one verdict to the one expected.
func (v *verification) row(s *Solution, exercise string, row judge.Row, bonus bool) {
	failed, expected := row.Verdict == judge.Fail, s.expected(exercise, row.ID, bonus)
	switch {
	case row.Verdict == judge.HarnessFault:
	case row.Open:
		v.say(s, NotJudged, "%s : la ligne %s de %s n'est pas jugée ici : %s", "%s: the row %s of %s is not judged here: %s",
			s.ID, row.ID, exercise, row.Reason)
	case s.Kind == Skeleton && row.Earned > 0:
		v.say(s, Earned, "le squelette gagne la ligne %s de %s", "the skeleton earns the row %s of %s", row.ID, exercise)
	case s.Kind == Mutant && expected && !failed:
		v.say(s, MissingKill, "%s devait perdre la ligne %s de %s, qui donne : %s (perdues : %s)", "%s was to lose the row %s of %s, which says: %s (lost: %s)",
			s.ID, row.ID, exercise, string(row.Verdict), v.lost(s, exercise))
	case s.Kind == Mutant && failed && !expected:
		v.say(s, SurplusKill, "%s perd aussi la ligne %s de %s, sans le dire : %s (perdues : %s)", "%s also loses the row %s of %s, which it does not name: %s (lost: %s)",
			s.ID, row.ID, exercise, why(row), v.lost(s, exercise))
	case (s.Kind == Reference || s.Kind == Alternative && expected) && row.Verdict != judge.Pass:
		v.say(s, Lost, "%s perd la ligne %s de %s : %s", "%s loses the row %s of %s: %s", s.ID, row.ID, exercise, why(row))
	}
}

// lost lists the rows of an exercise that a solution loses, as its file would.
func (v *verification) lost(s *Solution, exercise string) string {
	var rows []string
	for _, sheet := range s.Sheets {
		for _, row := range slices.Concat(sheet.Rows, sheet.Bonus) {
			if sheet.Exercise == exercise && row.Verdict == judge.Fail {
				rows = append(rows, row.ID)
			}
		}
	}
	return exercise + ": [" + strings.Join(rows, ", ") + "]"
}

// killers are the scenarios that a solution fails.
func (v *verification) killers(s *Solution) (ids []string) {
	for _, sc := range v.scenarios {
		if s.fails(sc.ID) {
			ids = append(ids, sc.ID)
		}
	}
	return ids
}

// expected tells of a mutant whether it names a row, and of an alternative
// whether it must earn it.
func (s *Solution) expected(exercise, row string, bonus bool) bool {
	switch s.Kind {
	case Mutant:
		return slices.Contains(s.Mutant.Fails[exercise], row)
	case Alternative:
		return !bonus || s.Alternative.Bonus != "none"
	default: // the reference and the skeleton are told elsewhere
		return false
	}
}

// Alive tells whether nothing noticed a mutant: no row, and no rule of the norm.
func (s *Solution) Alive() bool {
	for _, sheet := range s.Sheets {
		if len(s.breaches(sheet)) > 0 || slices.ContainsFunc(slices.Concat(sheet.Rows, sheet.Bonus), func(r judge.Row) bool { return r.Verdict == judge.Fail }) {
			return false
		}
	}
	return true
}

// why tells how a row was lost: by which scenario, and by what it saw.
func why(row judge.Row) spec.Text {
	for _, sc := range row.Scenarios {
		if sc.Verdict != judge.Fail {
			continue
		}
		if !sc.Reason.IsZero() {
			return spec.Text{FR: sc.ID + " : " + sc.Reason.FR, EN: sc.ID + ": " + sc.Reason.EN}
		}
		for _, e := range sc.Expectations {
			if e.Judged && !e.OK {
				saw := fmt.Sprintf("%s (%s)", e.That, e.Got)
				return spec.Text{FR: sc.ID + " : " + saw, EN: sc.ID + ": " + saw}
			}
		}
		return spec.Text{FR: sc.ID, EN: sc.ID}
	}
	return row.Reason
}

// norm compares the rules that are broken in any exercise.
func (v *verification) norm(s *Solution) {
	var named []string
	if s.Mutant != nil {
		named = slices.Clone(s.Mutant.Norm)
	}
	slices.Sort(named)
	broken := s.Breaches()
	if s.Kind == Skeleton || slices.Equal(broken, named) {
		return
	}
	v.say(s, WrongNorm, "%s enfreint la norme par [%s] et non par [%s]%s", "%s breaks the norm by [%s] and not by [%s]%s",
		s.ID, strings.Join(broken, " "), strings.Join(named, " "), s.evidence())
}

// evidence quotes the breaches of the norm, each once.
func (s *Solution) evidence() (said spec.Text) {
	quoted := map[spec.Text]bool{}
	for _, sheet := range s.Sheets {
		for _, f := range s.broken(sheet) {
			line := spec.Text{
				FR: fmt.Sprintf(" ; %s (%s) : %s", f.Rule, f.Where, f.Message.FR),
				EN: fmt.Sprintf("; %s (%s): %s", f.Rule, f.Where, f.Message.EN),
			}
			if !quoted[line] {
				quoted[line] = true
				said.FR, said.EN = said.FR+line.FR, said.EN+line.EN
			}
		}
	}
	return said
}

// Breaches are the rules of the norm that it was found to break, in any exercise.
func (s *Solution) Breaches() (rules []string) {
	for _, sheet := range s.Sheets {
		rules = append(rules, s.breaches(sheet)...)
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// breaches are the rules of the norm that a sheet finds broken.
func (s *Solution) breaches(sheet *judge.Sheet) (rules []string) {
	for _, f := range s.broken(sheet) {
		rules = append(rules, f.Rule)
	}
	return rules
}

// remarks are rules whose findings cost nothing, whoever they are about.
var remarks = []string{"other_import", "other_function", "hidden_warning"}

// broken are the findings of a sheet that are breaches. For a right solution a way
// round is a remark, too: what it earns the rows tell.
func (s *Solution) broken(sheet *judge.Sheet) (found []judge.Finding) {
	for _, f := range sheet.Norm.Findings {
		if !slices.Contains(remarks, f.Rule) && (f.Rule != "way_round" || s.Kind == Mutant) {
			found = append(found, f)
		}
	}
	return found
}
