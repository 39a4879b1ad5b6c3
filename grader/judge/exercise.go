package judge

import (
	"cmp"
	"fmt"
	"slices"

	"moulinette/grader/evidence"
	"moulinette/grader/spec"
)

// Grading is everything that a submission's run left behind.
type Grading struct {
	Submission  string
	Content     string // a hash of what was built of it
	Language    string
	Seed        uint64
	Isolation   string
	Build       *Build                      // set when there is nothing to run
	Records     map[string]*evidence.Record // by scenario; one that is missing is a harness fault
	Harness     map[string]string           // by scenario: why the harness has no record of it
	HarnessFR   map[string]string           // the same in French, where it is said in it
	Findings    []Finding                   // of the norm, from elsewhere: the source and the executable
	Environment map[string]string
	Only        []string // ids of rows and scenarios; empty means all

	// Judged are verdicts that [Record] has given on these records already.
	Judged map[string]Scenario `json:"-"`
}

// Needed lists the scenarios to run for a grading, sorted: those of the rows,
// the bonus and the norm, or with only those of the named rows and scenarios.
func Needed(ex *spec.Exercise, only []string) []string {
	var ids []string
	for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
		ids = append(ids, chosen(row, only)...)
	}
	for _, check := range ex.Norm.Checks {
		if ex.Norm.Active(check.Rule) && (len(only) == 0 || slices.Contains(only, check.Scenario)) {
			ids = append(ids, check.Scenario)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// chosen are the scenarios of a row that are asked for.
func chosen(row spec.Row, only []string) []string {
	if len(only) == 0 || slices.Contains(only, row.ID) {
		return row.Scenarios
	}
	var some []string
	for _, id := range row.Scenarios {
		if slices.Contains(only, id) {
			some = append(some, id)
		}
	}
	return some
}

// Exercise judges a whole grading.
func Exercise(ex *spec.Exercise, g Grading) Sheet {
	sheet := Sheet{
		Exercise: ex.Name, Title: ex.Title, Submission: g.Submission, Content: g.Content, Language: g.Language, Seed: g.Seed,
		Isolation: g.Isolation, Build: g.Build, Environment: g.Environment, Partial: len(g.Only) > 0,
	}
	j := &judging{ex: ex, g: g, verdicts: map[string]Scenario{}}
	j.scenarios()
	sheet.Rows = j.rows(ex.Rows, nil)
	sheet.Bonus = j.rows(ex.Bonus, sheet.Rows)
	sheet.Norm, sheet.Notices = j.norm()
	sheet.Notices = append(sheet.Notices, j.extras()...)
	sheet.Concepts = j.concepts()
	sheet.Faults = j.faults()
	sheet.score(ex)
	if sheet.Partial && g.Build == nil && len(sheet.Rows)+len(sheet.Bonus) == 0 && !sheet.Norm.Blocking {
		sheet.Passed = j.alone()
	}
	return sheet
}

// alone is the outcome where only checks of the norm were asked for, which no row tells.
func (j *judging) alone() *bool {
	passed, open := true, len(j.verdicts) == 0
	for _, s := range j.verdicts {
		passed = passed && s.Verdict != Fail
		open = open || s.Verdict != Fail && s.Verdict != Pass
	}
	if passed && open {
		return nil
	}
	return &passed
}

// judging is one grading under way.
type judging struct {
	ex       *spec.Exercise
	g        Grading
	verdicts map[string]Scenario // by id
}

func (j *judging) scenarios() {
	for _, id := range Needed(j.ex, j.g.Only) {
		sc := j.ex.Scenarios[id]
		if sc == nil {
			j.verdicts[id] = Scenario{ID: id, Verdict: HarnessFault, Reason: noRecord()}
			continue
		}
		j.verdicts[id] = j.scenario(sc)
	}
}

func (j *judging) scenario(sc *spec.Scenario) Scenario {
	if s, done := j.g.Judged[sc.ID]; done {
		return s
	}
	if j.g.Build != nil {
		return Scenario{ID: sc.ID, Title: sc.Title, Verdict: Fail, Reason: j.g.Build.Reason, Expectations: unjudged(sc)}
	}
	rec := j.g.Records[sc.ID]
	s := Record(sc, rec)
	if why := j.g.Harness[sc.ID]; rec == nil && why != "" {
		s.Reason = failed(spec.Text{FR: cmp.Or(j.g.HarnessFR[sc.ID], why), EN: why})
	}
	return s
}

// rows judges the rows of a table. before are those of another table that they
// may require.
func (j *judging) rows(table []spec.Row, before []Row) []Row {
	verdicts := map[string]Row{}
	for _, row := range before {
		verdicts[row.ID] = row
	}
	for _, row := range table {
		if len(chosen(row, j.g.Only)) > 0 || len(j.g.Only) == 0 {
			verdicts[row.ID] = j.row(row)
		}
	}
	var rows []Row
	for _, row := range table {
		judged, ok := verdicts[row.ID]
		switch {
		case ok && j.g.Build == nil:
			rows = append(rows, j.require(judged, verdicts))
		case ok: // nothing could be run: every row fails for the same reason
			rows = append(rows, judged)
		}
	}
	return rows
}

// row judges one row by its scenarios: a failure stands whatever else happened,
// and what was not seen is never a pass. An extra scenario that this host cannot
// show is left out, if another was shown.
func (j *judging) row(row spec.Row) Row {
	r := Row{ID: row.ID, Title: row.Title, Points: row.Points}
	count, judged := map[Verdict]int{}, []Scenario(nil)
	for _, id := range chosen(row, j.g.Only) {
		s := j.verdicts[id]
		r.Scenarios = append(r.Scenarios, s)
		if !j.elsewhere(s) {
			count[s.Verdict]++
			judged = append(judged, s)
		}
	}
	if len(judged) == 0 {
		judged = r.Scenarios
		count[NotJudged] = len(judged)
	}
	for _, v := range []Verdict{Fail, HarnessFault, NotJudged} {
		if count[v] == 0 {
			continue
		}
		i := slices.IndexFunc(judged, func(s Scenario) bool { return s.Verdict == v })
		r.Verdict, r.Reason, r.Open = v, judged[i].Reason, v != Fail
		return r
	}
	if count[Pass] == 0 || count[Pass] != len(judged) {
		r.Verdict, r.Open, r.Reason = HarnessFault, true, noRecord()
		return r
	}
	r.Verdict, r.Earned = Pass, row.Points
	return r
}

// elsewhere tells whether a scenario is one more that only another host could
// show: its row does without.
func (j *judging) elsewhere(s Scenario) bool {
	sc := j.ex.Scenarios[s.ID]
	return s.Verdict == NotJudged && sc != nil && sc.Extra()
}

// extras names the scenarios that rows did without.
func (j *judging) extras() []spec.Text {
	var reasons []spec.Text
	ids := map[spec.Text][]string{}
	for _, id := range sortedKeys(j.verdicts) {
		if s := j.verdicts[id]; j.elsewhere(s) && !j.lone(id) {
			if len(ids[s.Reason]) == 0 {
				reasons = append(reasons, s.Reason)
			}
			ids[s.Reason] = append(ids[s.Reason], id)
		}
	}
	var told []spec.Text
	for _, why := range reasons {
		told = append(told, leftOut(why, ids[why]))
	}
	if j.g.Language == "c17" && slices.ContainsFunc(sortedKeys(j.verdicts), j.crashed) {
		told = append(told, crashed())
	}
	return told
}

// lone tells whether a scenario is of a row that has nothing else to be judged by: the row
// is open, and says why.
func (j *judging) lone(id string) bool {
	return slices.ContainsFunc(slices.Concat(j.ex.Rows, j.ex.Bonus), func(row spec.Row) bool {
		ids := chosen(row, j.g.Only)
		return slices.Contains(ids, id) && !slices.ContainsFunc(ids, func(other string) bool { return !j.elsewhere(j.verdicts[other]) })
	})
}

// crashed tells whether a scenario ended with a signal that memory gone wrong brings.
func (j *judging) crashed(id string) bool {
	rec := j.g.Records[id]
	return rec != nil && rec.End.Outcome == evidence.Exited && slices.Contains([]int{4, 6, 7, 8, 11}, rec.End.Signal)
}

// require takes the points of a row whose required rows were not earned,
// without calling it a failure.
func (j *judging) require(r Row, verdicts map[string]Row) Row {
	open, closed := j.unmet(r.ID, verdicts, map[string]bool{})
	switch {
	case closed != "":
		r.Verdict, r.Earned, r.Open, r.Reason = NotJudged, 0, false, requires(verdicts[closed])
	case open != "" && r.Verdict != Fail:
		r.Verdict, r.Earned, r.Open, r.Reason = NotJudged, 0, true, requires(verdicts[open])
	}
	return r
}

// unmet names a required row, however far away, that is open and one that
// failed. A row that was not asked for is not held against anybody.
func (j *judging) unmet(id string, verdicts map[string]Row, seen map[string]bool) (open, closed string) {
	for _, row := range slices.Concat(j.ex.Rows, j.ex.Bonus) {
		if row.ID != id || seen[id] {
			continue
		}
		seen[id] = true
		for _, need := range row.Requires {
			if v, known := verdicts[need]; known && v.Verdict != Pass {
				if v.Open {
					open = need
				} else {
					closed = need
				}
			}
			o, c := j.unmet(need, verdicts, seen)
			open, closed = first(open, o), first(closed, c)
		}
	}
	return open, closed
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func requires(row Row) spec.Text {
	return spec.Text{
		FR: fmt.Sprintf("Pas jugé : il faut d'abord réussir « %s ».", row.Title.FR),
		EN: fmt.Sprintf("Not judged: %q has to pass first.", row.Title.EN),
	}
}

// concepts tells what was shown of each concept. The bonus counts only for what it
// alone exercises: who leaves it out has not missed what the rows teach.
func (j *judging) concepts() []Concept {
	var list []Concept
	for _, c := range j.ex.Concepts {
		shown := Concept{ID: c.ID, Title: c.Title}
		failed := false
		for _, id := range j.exercising(c.ID) {
			verdict := j.verdicts[id].Verdict
			if verdict == Fail && j.silent(id) {
				continue
			}
			shown.Judged = shown.Judged || verdict == Pass || verdict == Fail
			failed = failed || verdict == Fail
		}
		shown.Mastered = shown.Judged && !failed
		list = append(list, shown)
	}
	return list
}

// exercising are the scenarios of a concept: those outside the bonus, if there are any.
func (j *judging) exercising(concept string) []string {
	bonus := map[string]bool{}
	for _, row := range j.ex.Bonus {
		for _, id := range row.Scenarios {
			bonus[id] = true
		}
	}
	var ids, extra []string
	for id := range j.verdicts {
		switch sc := j.ex.Scenarios[id]; {
		case sc == nil || !slices.Contains(sc.Concepts, concept):
		case bonus[id]:
			extra = append(extra, id)
		default:
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return extra
	}
	return ids
}

// faults tells of each harness fault once.
func (j *judging) faults() (list []spec.Text) {
	for _, id := range sortedKeys(j.verdicts) {
		if s := j.verdicts[id]; s.Verdict == HarnessFault {
			list = append(list, spec.Text{FR: id + ": " + s.Reason.FR, EN: id + ": " + s.Reason.EN})
		}
	}
	return list
}
