// Package run takes scenarios over sandboxes: a few workers, each with a sandbox
// of its own, deadlines behind the sandboxes' own, and one more try for a fault
// that was ours. It knows neither what a scenario asks nor what is right.
package run

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// Job is one scenario to run on one driver.
type Job struct {
	Driver   string // path of the executable
	Scenario scenario.Scenario
}

// Result is what came of a job: a record of what the submission did, or the
// fault of the harness or the host that hid it.
type Result struct {
	Record *evidence.Record // set unless Err is; never one with outcome Broken
	Err    error            // harness fault; also for jobs that were cancelled
	Tries  int              // 0 if it was never begun, 2 after a harness fault
}

// Progress is told about each job as it ends, from several goroutines.
type Progress interface {
	// Done is called once for each job that was begun; i is its index.
	Done(i int, r Result)
}

// Options say where and how wide to run.
type Options struct {
	Opener   sandbox.Opener
	Jobs     int      // sandboxes side by side; 0 means one for each CPU
	Progress Progress // may be nil
}

// Scenarios runs every job and returns the results in the order of the jobs. A
// harness fault is tried once more in a fresh sandbox; whatever the submission
// did is never tried again. When ctx ends, what is under way is killed and the
// remaining results carry the context's cause as their fault.
func Scenarios(ctx context.Context, jobs []Job, o Options) []Result {
	results := make([]Result, len(jobs))
	next := make(chan int)
	var workers sync.WaitGroup
	for slot := range width(o.Jobs, len(jobs)) {
		workers.Go(func() {
			w := worker{opener: o.Opener, slot: slot}
			defer w.close()
			for i := range next {
				results[i] = w.do(ctx, jobs[i])
				if o.Progress != nil {
					o.Progress.Done(i, results[i])
				}
			}
		})
	}
	feed(ctx, next, len(jobs))
	workers.Wait()
	for i := range results {
		if results[i].Tries == 0 {
			results[i].Err = fmt.Errorf("run: not begun: %w", context.Cause(ctx))
		}
	}
	return results
}

// feed hands out the indexes of n jobs until ctx ends.
func feed(ctx context.Context, next chan<- int, n int) {
	defer close(next)
	for i := range n {
		if ctx.Err() != nil {
			return
		}
		select {
		case next <- i:
		case <-ctx.Done():
			return
		}
	}
}

func width(asked, jobs int) int {
	if asked <= 0 {
		asked = runtime.NumCPU()
	}
	return min(asked, jobs)
}
