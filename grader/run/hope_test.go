package run_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/run"
	"moulinette/grader/sandbox/fake"
	"moulinette/grader/scenario"
)

// What hangs before its first step hangs in each scenario: nobody waits for all of
// them. Where one of them did not, each is run.
func TestHopeless(t *testing.T) {
	for name, test := range map[string]struct {
		exception string // a scenario that ends otherwise
		least     int64  // scenarios run
		most      int64
	}{
		"all":         {"", 3, 4},
		"but one":     {"s1", 20, 20},
		"but a later": {"s19", 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ran := new(atomic.Int64)
				o := &fake.Opener{Drivers: map[string]fake.Driver{"hangs": func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
					ran.Add(1)
					if sc.ID == test.exception {
						return fake.Complete(ctx, sc)
					}
					time.Sleep(time.Second)
					return &evidence.Record{Scenario: sc.ID, End: evidence.End{Outcome: evidence.Hung, Step: "start"}}, nil
				}}}
				hung := func(r *evidence.Record) bool { return r.End.Outcome == evidence.Hung }
				progress := new(counter)
				results := run.Scenarios(t.Context(), jobs("hangs", 20), run.Options{Opener: o, Jobs: 2, Progress: progress, Hopeless: hung})
				for i, job := range jobs("hangs", 20) {
					r := results[i]
					if r.Err != nil || r.Record.Scenario != job.Scenario.ID || hung(r.Record) == (job.Scenario.ID == test.exception && r.Tries > 0) {
						t.Errorf("result %d: %+v", i, r)
					}
					if (r.Tries == 0) != (len(r.Record.Notes) > 0) {
						t.Errorf("result %d: %d tries, and %q said of it", i, r.Tries, r.Record.Notes)
					}
				}
				if n := ran.Load(); n < test.least || n > test.most || progress.done.Load() != 20 {
					t.Errorf("%d scenarios run, %d told of; want %d to %d, and 20", n, progress.done.Load(), test.least, test.most)
				}
				clean(t, o)
			})
		})
	}
}
