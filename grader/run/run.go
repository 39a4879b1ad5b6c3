// Package run takes scenarios over sandboxes: a few workers, each with a sandbox
// of its own, deadlines behind the sandboxes' own, and one more try for a fault
// that was ours. It knows neither what a scenario asks nor what is right.
package run

import (
	"context"
	"fmt"
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
	Tries  int              // 0 if it was not run, 2 after what may have been a harness fault
	Before error            // why it was tried a second time
}

// Progress is told about each job as it ends, from several goroutines.
type Progress interface {
	// Done is called once for each job that has come to an end; i is its index.
	Done(i int, r Result)
}

// Options say where and how wide to run.
type Options struct {
	Opener   sandbox.Opener
	Jobs     int      // sandboxes side by side; 0 means as many as the opener says
	Progress Progress // may be nil
	// Hopeless tells of a record that any other scenario of its driver would end like
	// that, whatever it asks. After a few such, and none that is not, the others
	// get the same without being run. May be nil.
	Hopeless func(*evidence.Record) bool
}

// Scenarios runs every job and returns the results in the order of the jobs. A
// harness fault is tried once more in a fresh sandbox, and so is a driver that
// was killed, by whomever; what the submission surely did is never tried again.
// When ctx ends, what is under way is killed and the remaining results carry the
// context's cause as their fault.
func Scenarios(ctx context.Context, jobs []Job, o Options) []Result {
	results := make([]Result, len(jobs))
	h := &hope{hopeless: o.Hopeless}
	do := func(w *worker, i int) {
		if results[i].Record = h.lost(jobs[i]); results[i].Record == nil {
			results[i] = w.do(ctx, jobs[i])
			h.learn(jobs[i], results[i])
		}
		if o.Progress != nil {
			o.Progress.Done(i, results[i])
		}
	}
	inStep(ctx, o, len(jobs), do)
	for i := range results {
		if results[i].Err == nil && results[i].Record == nil {
			results[i].Err = fmt.Errorf("run %s: %w", jobs[i].Scenario.ID, context.Cause(ctx))
		}
	}
	return results
}

// inStep has a few workers take one job after another.
func inStep(ctx context.Context, o Options, n int, do func(w *worker, i int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	width, _ := o.width()
	for slot := range min(width, n) {
		workers.Go(func() {
			w := &worker{opener: o.Opener, slot: slot}
			defer w.close()
			for i := range next {
				do(w, i)
			}
		})
	}
	feed(ctx, next, n)
	workers.Wait()
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

// widest is more than any machine can take.
const widest = 1 << 16

func (o Options) width() (work, wait int) {
	work, wait = o.Opener.Width()
	if o.Jobs > 0 {
		work = min(o.Jobs, widest)
	}
	return work, wait
}
