// Package grader is one grading from end to end: a submission is opened and
// built, an exercise's scenarios are run on it, and what was recorded is judged.
// Everything it needs is handed to it; it reads no flag and no environment.
package grader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"moulinette/grader/build"
	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/run"
	"moulinette/grader/sandbox"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// Options say what to grade, by what, and where.
type Options struct {
	Exercise   *spec.Exercise
	Only       []string // ids of rows and scenarios; empty means all
	Submission string   // folder
	Builder    *build.Builder
	Opener     sandbox.Opener
	Seed       uint64       // of the values that scenarios draw
	Jobs       int          // sandboxes side by side; 0 means as many as keep the machine busy
	Progress   run.Progress // may be nil
	Keep       io.Writer    // gets the kept grading as JSON; may be nil
}

// Grade grades a submission. The error is a [*submission.Unusable] if there is
// nothing to grade; any other is the harness's, the host's, or that ctx was
// cancelled. Faults of single scenarios are in the sheet, and so are those that
// ctx's deadline cut off.
func Grade(ctx context.Context, o Options) (*judge.Sheet, error) {
	kept, err := collect(ctx, o)
	if err != nil {
		return nil, err
	}
	if o.Keep != nil {
		enc := json.NewEncoder(o.Keep)
		enc.SetIndent("", " ")
		if err := enc.Encode(kept); err != nil {
			return nil, fmt.Errorf("keep records: %w", err)
		}
	}
	return kept.Judge(o.Exercise), nil
}

// collect runs the scenarios and returns what is to be judged.
func collect(ctx context.Context, o Options) (*Kept, error) {
	kept := newKept(o)
	sub, err := submission.Open(o.Submission)
	if sub != nil {
		kept.describe(sub)
	}
	if kept.refused(err) {
		return kept, nil
	} else if err != nil {
		return nil, err
	}
	kept.Grading.Findings = append(kept.Grading.Findings, Findings(sub, o.Exercise.Norm)...)
	driver, err := o.Builder.Build(ctx, sub)
	kept.boxed(o.Builder, sub.Language)
	if kept.refused(err) {
		return kept, nil
	} else if err != nil {
		return nil, err
	}
	imported, err := imports(sub, driver.Object, o.Exercise.Norm)
	if err != nil {
		return nil, err
	}
	kept.Grading.Findings = append(kept.Grading.Findings, imported...)
	host := o.Opener.Host()
	ids := kept.lacking(judge.Needed(o.Exercise, o.Only), o.Exercise, host)
	jobs, given := jobsOf(o, driver.Path, ids)
	results := run.Scenarios(ctx, jobs, run.Options{Opener: o.Opener, Jobs: o.Jobs, Progress: o.Progress, Hopeless: hungAtStart})
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, context.Cause(ctx)
	}
	kept.add(jobs, given, results)
	return kept, nil
}

// hungAtStart tells whether a submission never came to be asked anything: an init
// function or New waits for ever, in each scenario alike, and for as long as its limit is.
func hungAtStart(rec *evidence.Record) bool {
	return rec.End.Outcome == evidence.Hung && rec.End.Step == "start"
}

// jobsOf makes a job of each scenario, and returns the values given to each.
func jobsOf(o Options, driver string, ids []string) ([]run.Job, []map[string]any) {
	jobs, given := make([]run.Job, len(ids)), make([]map[string]any, len(ids))
	for i, id := range ids {
		sc, values := o.Exercise.Scenarios[id].Resolve(o.Seed)
		jobs[i], given[i] = run.Job{Driver: driver, Scenario: sc}, values
	}
	return jobs, given
}
