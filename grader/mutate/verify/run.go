package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"moulinette/grader"
	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/run"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// shared is a scenario of one exercise or several.
type shared struct {
	scenario.Scenario
	spec  *spec.Scenario
	file  string // to open
	given map[string]any
	text  []byte   // of Scenario, as JSON
	calls []string // of the contract, as [mutate.Graph] takes them
}

// Unusable is what cannot be verified as it was asked for: nobody's fault but the asker's.
type Unusable string

// Error says why.
func (u Unusable) Error() string { return string(u) }

// union puts the scenarios of all exercises together, each once, in the order
// of the rows.
func (v *verification) union() error {
	known := map[string]*shared{}
	for _, ex := range v.Exercises {
		for _, id := range inOrder(ex) {
			s, err := share(ex.Scenarios[id], v.Seed)
			if err != nil {
				return err
			}
			if other := known[id]; other != nil {
				if !s.same(other) {
					return Unusable(fmt.Sprintf("%s: scenario %q differs from that of the same name in %s", path.Join(v.Folders[ex.Name], s.spec.File), id, other.file))
				}
				continue
			}
			s.file = path.Join(v.Folders[ex.Name], s.spec.File)
			known[id] = s
			v.scenarios = append(v.scenarios, s)
			v.result.Scenarios = append(v.result.Scenarios, id)
		}
	}
	return nil
}

// same tells whether two scenarios ask the same and expect the same: what is run once
// is judged once, too.
func (s *shared) same(other *shared) bool {
	alike := func(a, b spec.Expectation) bool { return a.That == b.That && a.Rule == b.Rule }
	return string(s.text) == string(other.text) && reflect.DeepEqual(s.given, other.given) && s.spec.Root == other.spec.Root &&
		slices.Equal(s.spec.Needs, other.spec.Needs) && slices.EqualFunc(s.spec.Expect, other.spec.Expect, alike)
}

// inOrder are the scenarios of an exercise in the order of its rows, those of
// the norm last.
func inOrder(ex *spec.Exercise) (ids []string) {
	for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
		ids = append(ids, row.Scenarios...)
	}
	for _, id := range judge.Needed(ex, nil) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func share(sc *spec.Scenario, seed uint64) (*shared, error) {
	s := &shared{spec: sc}
	s.Scenario, s.given = sc.Resolve(seed)
	for _, step := range s.Steps {
		if step.Call != "" {
			s.calls = append(s.calls, mutate.CallName(step.Call))
		}
	}
	return s, s.write()
}

func (s *shared) write() (err error) {
	s.text, err = json.Marshal(s.Scenario)
	return err
}

func byPath(a, b scenario.File) int { return cmp.Compare(a.Path, b.Path) }

// cell is a scenario to be run on a solution.
type cell struct {
	solution *Solution
	scenario *shared
}

// runAll fills a solution's records. Where only the rows are asked for, what a
// mutant names is run first, and of the rest what can still change a row.
func (v *verification) runAll(ctx context.Context, s *Solution) error {
	s.records = map[string]*evidence.Record{}
	var first, later []cell
	for _, c := range v.cells(s) {
		if v.Matrix != Rows || v.decides(c) {
			first = append(first, c)
		} else {
			later = append(later, c)
		}
	}
	v.expect(len(first) + len(later) - s.planned)
	if err := v.run(ctx, first); err != nil || len(later) == 0 {
		return err
	}
	open := v.undecided(s)
	needed := slices.DeleteFunc(slices.Clone(later), func(c cell) bool {
		if !open[c.scenario.ID] {
			seen := s.Cells[c.scenario.ID]
			seen.Skipped = true
			s.Cells[c.scenario.ID] = seen
		}
		return !open[c.scenario.ID]
	})
	v.expect(len(needed) - len(later))
	return v.run(ctx, needed)
}

// decides tells whether a row may be decided by this scenario alone: of a mutant
// by one that it names, of the skeleton by the first of a row.
func (v *verification) decides(c cell) bool {
	switch c.solution.Kind {
	case Mutant:
		return c.solution.Cells[c.scenario.ID].Named
	case Skeleton:
		return slices.ContainsFunc(v.Exercises, func(ex *spec.Exercise) bool {
			return slices.ContainsFunc(slices.Concat(ex.Rows, ex.Bonus), func(row spec.Row) bool {
				return len(row.Scenarios) > 0 && row.Scenarios[0] == c.scenario.ID
			})
		})
	default:
		return true
	}
}

// stint is how many scenarios are run in one sandbox at most, where others could
// run them as well. Of a few, each sandbox gets few: else one would work alone at
// the end.
const stint = 12

// run fills the records of cells.
func (v *verification) run(ctx context.Context, cells []cell) error {
	records, err := v.see(ctx, cells)
	for i, rec := range records {
		if rec != nil {
			cells[i].solution.records[cells[i].scenario.ID] = rec
		}
	}
	return err
}

// see runs cells, neighbours of the same driver in the same sandbox, and answers
// their records; nil stands for a fault.
func (v *verification) see(ctx context.Context, cells []cell) ([]*evidence.Record, error) {
	records := make([]*evidence.Record, len(cells))
	size := min(stint, 1+len(cells)/16)
	var stints sync.WaitGroup
	for at := 0; at < len(cells); {
		begin, driver := at, cells[at].solution.driver
		var jobs []run.Job
		for ; at < len(cells) && at-begin < size && cells[at].solution.driver == driver; at++ {
			job := run.Job{Driver: driver, Scenario: cells[at].scenario.Scenario}
			job.Scenario.Variant = cells[at].solution.variant
			jobs = append(jobs, job)
		}
		stints.Go(func() {
			for i, r := range v.crew.Do(ctx, jobs) {
				records[begin+i] = v.seen(cells[begin+i], r)
			}
		})
	}
	stints.Wait()
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, context.Cause(ctx)
	}
	return records, nil
}

// expect tells of so many more scenarios to be run.
func (v *verification) expect(more int) {
	if v.Progress == nil {
		return
	}
	v.mu.Lock()
	done := v.done
	v.mu.Unlock()
	v.Progress.Running(more, done, len(v.result.Solutions))
}

// undecided are the scenarios that can still change something: those of rows of
// which nothing known has failed, unless they require one that is lost; and
// those of the norm.
func (v *verification) undecided(s *Solution) map[string]bool {
	ids := map[string]bool{}
	verdicts := v.verdicts(s)
	failed := func(id string) bool { return verdicts[id].Verdict == judge.Fail }
	for _, ex := range v.Exercises {
		lost := map[string]bool{}
		table := slices.Concat(ex.Rows, ex.Bonus)
		for _, row := range table {
			lost[row.ID] = slices.ContainsFunc(row.Scenarios, failed)
		}
		for _, row := range table {
			if lost[row.ID] || slices.ContainsFunc(row.Requires, func(need string) bool { return lost[need] }) {
				continue
			}
			for _, id := range row.Scenarios {
				ids[id] = true
			}
		}
		for _, check := range ex.Norm.Checks {
			ids[check.Scenario] = true
		}
	}
	return ids
}

// count tells where each cell's verdict comes from.
func (v *verification) count() {
	for _, s := range v.result.Solutions {
		for _, c := range s.Cells {
			switch {
			case c.Inferred:
				v.result.Inferred++
			case c.Company:
				v.result.Company++
			case c.Reused:
				v.result.Reused++
			case c.Skipped:
				v.result.Skipped++
			}
		}
	}
}

// cells are the scenarios that have to be run on s, those it names first. The
// others get their record from elsewhere.
func (v *verification) cells(s *Solution) (cells []cell) {
	s.Cells = map[string]Cell{}
	for _, sc := range v.scenarios {
		c := Cell{Named: s.Mutant != nil && slices.Contains(s.Mutant.Kills, sc.ID)}
		if !s.differsIn(sc) {
			s.records[sc.ID], c.Inferred = s.base.records[sc.ID], true
		} else if rec := grader.Unavailable(sc.spec, v.Opener.Host(), v.Seed); rec != nil {
			s.records[sc.ID] = rec
		} else if s.acquitted[sc.ID] {
			s.records[sc.ID], c.Company = s.base.records[sc.ID], true
		} else if c.Reused = v.known(s, sc); !c.Reused {
			cells = append(cells, cell{s, sc})
		}
		s.Cells[sc.ID] = c
	}
	first := func(c cell) int {
		if s.Cells[c.scenario.ID].Named {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Compare(first(a), first(b)) })
	return cells
}

// known takes the record of a scenario from an earlier verification.
func (v *verification) known(s *Solution, sc *shared) bool {
	rec := v.found(s, sc)
	if rec == nil {
		return false
	}
	s.records[sc.ID] = rec
	return true
}

// seen notes what came of a run.
func (v *verification) seen(c cell, r run.Result) *evidence.Record {
	v.mu.Lock()
	v.result.Ran++
	if r.Err != nil {
		v.result.Faults = append(v.result.Faults, fmt.Sprintf("%s: %s: %v", c.solution.ID, c.scenario.ID, strings.TrimPrefix(r.Err.Error(), "run ")))
	}
	v.mu.Unlock()
	if r.Err != nil {
		return nil
	}
	v.kept.keep(c.solution.key, c.scenario.text, r.Record)
	r.Record.Given = c.scenario.given
	return r.Record
}

// judge has a solution's records judged by each exercise.
func (v *verification) judge(s *Solution) {
	verdicts := v.verdicts(s)
	for i, ex := range v.Exercises {
		sheet := judge.Exercise(ex, judge.Grading{
			Submission: s.File, Language: string(s.language), Seed: v.Seed, Records: s.records,
			Findings: s.findings[i], Judged: verdicts,
		})
		s.Sheets = append(s.Sheets, &sheet)
	}
}

// verdicts judges each record once: most are the reference's own.
func (v *verification) verdicts(s *Solution) map[string]judge.Scenario {
	all := map[string]judge.Scenario{}
	for _, sc := range v.scenarios {
		c, rec := s.Cells[sc.ID], s.records[sc.ID]
		verdict := judge.Scenario{ID: sc.ID, Title: sc.spec.Title, Verdict: judge.NotJudged}
		if !c.Skipped {
			verdict = v.verdict(sc, rec)
		}
		if rec != nil {
			c.Hung, c.Millis = rec.End.Outcome == evidence.Hung, rec.Millis
		}
		c.Verdict, all[sc.ID] = verdict.Verdict, verdict
		s.Cells[sc.ID] = c
	}
	return all
}

func (v *verification) verdict(sc *shared, rec *evidence.Record) judge.Scenario {
	if known, ok := v.judged.Load(rec); ok && rec != nil {
		return known.(judge.Scenario)
	}
	verdict := judge.Record(sc.spec, rec)
	verdict.Trace = nil
	v.judged.Store(rec, verdict)
	return verdict
}
