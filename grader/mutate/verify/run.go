package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"runtime"
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
				if string(other.text) != string(s.text) {
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

// side does something to each of many, as many side by side as there are CPUs.
func side[T any](all []T, do func(i int, of T)) { abreast(runtime.NumCPU(), all, do) }

// abreast does something to each of many, so many side by side.
func abreast[T any](width int, all []T, do func(i int, of T)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(width, len(all)) {
		workers.Go(func() {
			for i := range next {
				do(i, all[i])
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	workers.Wait()
}

// stint is how many scenarios are run in one sandbox at most, where others could
// run them as well.
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
	var stints sync.WaitGroup
	for at := 0; at < len(cells); {
		begin, driver := at, cells[at].solution.driver
		var jobs []run.Job
		for ; at < len(cells) && at-begin < stint && cells[at].solution.driver == driver; at++ {
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
	rec := v.kept.find(s.key, sc.text)
	if rec == nil {
		return false
	}
	rec.Given = sc.given
	s.records[sc.ID] = rec
	return true
}

// edits tells whether s is its reference but for some edits.
func (s *Solution) edits() bool {
	return s.Kind == Mutant || s.Kind == Alternative && !s.Alternative.Dir
}

// made are those edits.
func (s *Solution) made() []mutate.Edit {
	if s.Mutant != nil {
		return s.Mutant.Edits
	}
	return s.Alternative.Edits
}

// change is what tells a solution from its reference.
type change struct {
	names  map[string]bool   // of declarations that differ
	known  bool              // nothing else does
	before mutate.Difference // as it stands in the reference
	after  mutate.Difference // and in the solution
}

func (s *Solution) compare() *change {
	c := &change{before: s.base.graph.Difference(s.graph), after: s.graph.Difference(s.base.graph)}
	c.names, c.known = s.base.graph.Changed(s.graph)
	return c
}

// difference notes in which scenarios s could be seen to be other than its
// reference: not in those that come to nothing that was changed.
func (v *verification) difference(s *Solution) {
	if v.Matrix == All || !s.edits() {
		return
	}
	base, c := s.base.graph, s.change()
	if !c.known {
		return
	}
	calls := func(sc *shared, names map[string]bool) bool {
		return base.Reaches(sc.calls, names) || s.graph.Reaches(sc.calls, names)
	}
	s.differs = map[*shared]bool{}
	for _, sc := range v.scenarios {
		s.differs[sc] = calls(sc, c.names) && (calls(sc, c.before.Names) || v.sights[s.base].comesTo(sc, base, c.before.Pieces))
	}
}

// differsIn tells whether a scenario could show s to be other than its reference.
func (s *Solution) differsIn(sc *shared) bool { return s.differs == nil || s.differs[sc] }

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
