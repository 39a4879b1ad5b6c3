// Package verify tries an exercise's grading on solutions of which the outcome
// is known: the reference and its accepted alternatives earn everything, the
// skeleton nothing, and each mutant loses the rows that it names and no other.
// It builds them into one driver, runs every scenario that could tell them from
// the reference, and has the results judged as any submission's. What it finds
// is about the grading, not about a student.
package verify

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"moulinette/grader/build"
	"moulinette/grader/evidence"
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
	Jobs                  int    // sandboxes that work side by side; 0 means one for each CPU
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

// Progress is told how far the verification is.
type Progress interface {
	run.Progress
	// Running is called before scenarios are run, with their number; done of
	// all solutions have been judged by then.
	Running(scenarios, done, all int)
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
	Absent    []string // what this host cannot build or show, and why
	Building  time.Duration
	Running   time.Duration
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
	blended   *blend // nil: there is none
	choirs    []*company
	sights    map[*Solution]*sight // by reference
	records   map[*Solution]map[string]*evidence.Record
	judged    sync.Map // *evidence.Record: judge.Scenario
	done      int      // solutions judged
	result    *Result
}

// Verify verifies. The error is the host's, ours, or that ctx was cancelled.
func Verify(ctx context.Context, o Options) (*Result, error) {
	o.Matrix = cmp.Or(o.Matrix, Rows)
	v := &verification{
		Options: o, records: map[*Solution]map[string]*evidence.Record{}, sights: map[*Solution]*sight{},
		result: &Result{Exercises: o.Exercises, Catalog: o.Catalog, Partial: len(o.Only) > 0},
	}
	if err := v.union(); err != nil {
		return nil, err
	}
	v.kept = openRecords(o, o.Opener.Host())
	began := time.Now()
	all := v.gather()
	v.blended = v.blend()
	if err := v.build(ctx, all); err != nil {
		return nil, err
	}
	v.result.Solutions, v.result.Building = all, time.Since(began)
	began = time.Now()
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
	slices.SortStableFunc(v.result.Errors, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return v.result, nil
}

// atOnce bounds the solutions whose records are held at a time: a record of each
// scenario is some hundred KiB in all, and there are hundreds of mutants.
const atOnce = 64

// forget lets go of the records of a solution that is judged, unless others
// share them.
func (v *verification) forget(s *Solution) {
	if s.Kind == Reference {
		return
	}
	for id, rec := range v.records[s] {
		if c := s.Cells[id]; !c.Inferred && !c.Company {
			v.judged.Delete(rec)
		}
	}
	delete(v.records, s)
}

func isReference(id string) bool { return id == mutate.Reference || id == mutate.ReferenceC }

// try runs and judges: the references first, for if one does not hold nothing
// that is made of it tells anything.
func (v *verification) try(ctx context.Context, all []*Solution) error {
	n := slices.IndexFunc(all, func(s *Solution) bool { return s.Kind != Reference })
	if n < 0 {
		n = len(all)
	}
	groups := append([][]*Solution{all[:n]}, slices.Collect(slices.Chunk(all[n:], atOnce))...)
	for i, group := range groups {
		built := slices.DeleteFunc(slices.Clone(group), func(s *Solution) bool { return s.driver == "" })
		if err := v.runAll(ctx, built); err != nil {
			return err
		}
		side(built, func(_ int, s *Solution) { v.judge(s) })
		for _, s := range built {
			v.compare(s)
			v.forget(s)
		}
		v.done += len(group)
		if len(v.result.Faults) > 0 {
			return nil
		}
		if slices.ContainsFunc(v.result.Errors, func(e Error) bool { return isReference(e.Subject) }) {
			v.result.Partial = true
			return nil
		}
		if i == 0 {
			if err := v.explore(ctx); err != nil {
				return err
			}
			if err := v.accompany(ctx, all); err != nil {
				return err
			}
		}
	}
	return nil
}
