// Package verify tries an exercise's grading on solutions of which the outcome
// is known: the reference and its accepted alternatives earn everything, the
// skeleton nothing, and each mutant loses the rows that it names and no other.
// It builds those of a language into one driver, runs every scenario that could
// tell them from the reference, and has the results judged as any submission's.
// What it finds is about the grading, not about a student.
package verify

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"moulinette/grader/build"
	"moulinette/grader/mutate"
	"moulinette/grader/run"
	"moulinette/grader/sandbox"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// Options say what to verify, and where.
type Options struct {
	Exercises []*spec.Exercise
	Folders   map[string]string // by exercise: the folder that its files are named from
	Catalog   *mutate.Catalog
	Reference Folder
	Skeleton  Folder // its Submission may be nil: none is tried
	// ReferenceC and SkeletonC are those in C17; a Submission may be nil.
	ReferenceC, SkeletonC Folder
	Packages              map[string]*submission.Submission // alternatives that are whole packages, by id
	Only                  []string                          // ids of mutants and alternatives; empty means all
	Builder               *build.Builder
	Opener                sandbox.Opener
	Seed                  uint64
	Jobs                  int    // sandboxes that work side by side; 0 means as many as keep the machine busy
	Records               string // folder where what was seen is kept for the next time; empty: nowhere
	Agent                 string // names the agent's content: what was seen by another does not count
	Fresh                 bool   // take nothing from Records
	Matrix                Matrix // how much is run; empty means Rows
	Progress              Progress
}

// Matrix says which cells, mutants by scenarios, are run.
type Matrix string

// Matrices.
const (
	// Rows runs what is needed to know of each mutant exactly which rows it
	// loses, and that every scenario is needed: when a row is lost its other
	// scenarios are left out, unless one of them might be seen to be needed.
	Rows Matrix = "rows"
	// Full also tells by which scenarios it loses them.
	Full Matrix = "full"
	// All also runs the scenarios that cannot differ from the reference, as
	// nothing that they call was changed.
	All Matrix = "all"
)

// Matrices are the names of all.
func Matrices() []string { return []string{string(Rows), string(Full), string(All)} }

// Progress is told how far the verification is, by several goroutines.
type Progress interface {
	run.Progress
	// Running is called when more is known of what there is to run: so many more
	// scenarios, or fewer, than was thought before. Done of all solutions have
	// been judged by then.
	Running(more, done, all int)
}

// Result is what a verification found.
type Result struct {
	Exercises []*spec.Exercise
	Catalog   *mutate.Catalog
	Scenarios []string // all that were looked at, in the order of the rows
	Solutions []*Solution
	Errors    []Error  // none: all is well
	Faults    []string // of the harness or the host
	Partial   bool     // not every cell is known
	Ran       int      // scenarios run now
	Reused    int      // seen by an earlier verification
	Inferred  int      // that cannot differ from the reference
	Company   int      // passed by several mutants together
	Skipped   int      // that could not change a row
	Absent    []Absent // what this host cannot build or show
	Building  time.Duration
	Running   time.Duration
}

// Absent is a solution that was not tried here, and why.
type Absent struct{ ID, Why string }

// Untried are the ids of all that was not tried though nothing is wrong with it.
func (r *Result) Untried() (ids []string) {
	for _, a := range r.Absent {
		ids = append(ids, a.ID)
	}
	for _, s := range r.Solutions {
		wrong := slices.ContainsFunc(r.Errors, func(e Error) bool { return e.Subject == s.ID })
		if len(s.Cells) == 0 && !wrong && !slices.Contains(ids, s.ID) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// Mutants are those of the solutions that were tried.
func (r *Result) Mutants() (all []*Solution) {
	for _, s := range r.Solutions {
		if s.Kind == Mutant {
			all = append(all, s)
		}
	}
	return all
}

// verification is one under way.
type verification struct {
	Options
	scenarios []*shared
	kept      *records
	blends    map[submission.Language]*blend
	sights    map[*Solution]*sight // by reference
	judged    sync.Map             // *evidence.Record: judge.Scenario
	crew      *run.Crew

	mu     sync.Mutex // of what follows, and of who is acquitted, while scenarios are run
	done   int        // solutions judged
	result *Result
}

// Verify verifies. The error is the host's, ours, or that ctx was cancelled.
func Verify(ctx context.Context, o Options) (*Result, error) {
	o.Matrix = cmp.Or(o.Matrix, Rows)
	v := &verification{
		Options: o, blends: map[submission.Language]*blend{}, sights: map[*Solution]*sight{},
		result: &Result{Exercises: o.Exercises, Catalog: o.Catalog, Partial: len(o.Only) > 0},
	}
	if err := v.union(); err != nil {
		return nil, err
	}
	v.kept = openRecords(o, o.Opener.Host())
	began := time.Now()
	all := v.gather()
	if err := v.build(ctx, all); err != nil {
		return nil, err
	}
	v.result.Solutions, v.result.Building = all, time.Since(began)
	began = time.Now()
	v.crew = run.NewCrew(run.Options{Opener: o.Opener, Jobs: o.Jobs, Progress: o.Progress})
	defer v.crew.Close()
	if err := v.try(ctx, all); err != nil {
		return nil, err
	}
	if err := v.witness(ctx); err != nil {
		return nil, err
	}
	v.result.Running = time.Since(began)
	v.kept.prune()
	v.count()
	v.origins()
	v.needed()
	slices.Sort(v.result.Faults)
	slices.SortStableFunc(v.result.Errors, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return v.result, nil
}

// try runs and judges: the references first, for if one does not hold nothing
// that is made of it tells anything. All others go their own ways side by side,
// so that those that wait hold up nobody.
func (v *verification) try(ctx context.Context, all []*Solution) error {
	built := those(all, func(s *Solution) bool { return s.driver != "" })
	v.done = len(all) - len(built)
	var first, rest []func() error
	var others []*Solution
	for _, s := range built {
		if s.Kind == Reference {
			first = append(first, func() error { return v.grade(ctx, s) })
		} else {
			others = append(others, s)
		}
	}
	for _, s := range v.sights {
		first = append(first, func() error { return v.explore(ctx, s) })
	}
	if err := together(first); err != nil || !v.holds() {
		return err
	}
	for _, part := range v.accompany(others) {
		rest = append(rest, func() error { return v.take(ctx, part) })
	}
	// Those with most to be run begin, so that none is left alone at the end.
	slices.SortStableFunc(others, func(a, b *Solution) int { return cmp.Compare(b.planned, a.planned) })
	for _, s := range others {
		rest = append(rest, func() error { return v.grade(ctx, s) })
	}
	return together(rest)
}

// grade runs a solution's scenarios, and holds what they show against what is
// expected of it. After a fault it does nothing.
func (v *verification) grade(ctx context.Context, s *Solution) error {
	s.company.Wait()
	if v.faulty() {
		return nil
	}
	if err := v.runAll(ctx, s); err != nil {
		return err
	}
	v.judge(s)
	v.mu.Lock()
	v.compare(s)
	v.done++
	v.mu.Unlock()
	v.forget(s)
	return nil
}

// forget lets go of the records of a solution that is judged, unless others
// share them.
func (v *verification) forget(s *Solution) {
	if s.Kind == Reference {
		return
	}
	for id, rec := range s.records {
		if c := s.Cells[id]; !c.Inferred && !c.Company {
			v.judged.Delete(rec)
		}
	}
	s.records = nil
}

func (v *verification) faulty() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.result.Faults) > 0
}

// holds tells whether the references do.
func (v *verification) holds() bool {
	if slices.ContainsFunc(v.result.Errors, func(e Error) bool { return e.Subject == mutate.Reference || e.Subject == mutate.ReferenceC }) {
		v.result.Partial = true
		return false
	}
	return len(v.result.Faults) == 0
}
