package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// A sandbox ends a scenario at its limits. These stand behind it, for one that
// does not: they are wide, so that a slow host does not meet them.
const (
	backstopFactor = scenario.Patience // times the scenario's own limit
	backstopExtra  = 90 * time.Second  // for making and clearing the place
	grace          = 10 * time.Second  // from cancelling, and from closing, to giving up
)

// errKilled says that the driver met with SIGKILL.
var errKilled = errors.New("driver killed")

// errLost says that a sandbox kept to none of its limits.
var errLost = errors.New("sandbox overstayed every limit")

// worker runs one job after another in a sandbox that it keeps open.
type worker struct {
	opener sandbox.Opener
	slot   int
	driver string // of box
	box    sandbox.Sandbox
}

// do runs the job, and once more if the fault was ours or may have been.
func (w *worker) do(ctx context.Context, job Job) Result {
	var r Result
	for r.Tries < 2 {
		r.Tries++
		r.Record, r.Err = w.try(ctx, job)
		if r.Err == nil && !killed(r.Record) {
			break
		}
		w.close()
		if ctx.Err() != nil {
			break
		}
		if r.Tries == 1 {
			r.Before = cmp.Or(r.Err, errKilled)
		}
	}
	return r
}

// killed tells whether the driver met with SIGKILL. A submission can do that to
// itself, and then does so again; a host that is short of memory can do it to
// whom it likes.
func killed(rec *evidence.Record) bool {
	return rec.End.Outcome == evidence.Exited && rec.End.Signal == sigkill
}

const sigkill = 9

// try runs the job in the open sandbox, which it opens if need be.
func (w *worker) try(ctx context.Context, job Job) (*evidence.Record, error) {
	if err := w.open(ctx, job.Driver); err != nil {
		return nil, fmt.Errorf("run %s: open sandbox: %w", job.Scenario.ID, err)
	}
	rec, err := bounded(ctx, w.box, job.Scenario)
	switch {
	case err != nil:
		return nil, fmt.Errorf("run %s: %w", job.Scenario.ID, err)
	case rec == nil:
		return nil, fmt.Errorf("run %s: sandbox gave no record", job.Scenario.ID)
	case rec.End.Outcome == evidence.Broken:
		return nil, fmt.Errorf("run %s: %s", job.Scenario.ID, rec.End.Reason)
	}
	return rec, nil
}

func (w *worker) open(ctx context.Context, driver string) error {
	if w.box != nil && w.driver == driver {
		return nil
	}
	w.close()
	box, err := w.opener.Open(ctx, driver, w.slot)
	if err != nil {
		return err
	}
	w.box, w.driver = box, driver
	return nil
}

// close ends the worker's sandbox. Its complaint is of no use to a verdict that
// stands already.
func (w *worker) close() {
	if w.box != nil {
		closeSoon(w.box)
		w.box = nil
	}
}

// answer is what Run returned.
type answer struct {
	rec *evidence.Record
	err error
}

// bounded runs sc and comes back in any case: a sandbox that overstays every
// limit is cancelled, then closed, then left behind.
func bounded(ctx context.Context, box sandbox.Sandbox, sc scenario.Scenario) (*evidence.Record, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, backstop(sc), errLost)
	defer cancel()
	done := make(chan answer, 1)
	go func() { done <- runOne(ctx, box, sc) }()
	select {
	case a := <-done:
		if a.err != nil && ctx.Err() != nil {
			a.err = context.Cause(ctx)
		}
		return a.rec, a.err
	case <-ctx.Done():
	}
	if !arrives(done) {
		closeSoon(box)
		arrives(done)
	}
	return nil, context.Cause(ctx)
}

// runOne makes a panic of the sandbox one more fault of the harness, so that the
// other workers can still clear up.
func runOne(ctx context.Context, box sandbox.Sandbox, sc scenario.Scenario) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{err: fmt.Errorf("sandbox panicked: %v", p)}
		}
	}()
	a.rec, a.err = box.Run(ctx, sc)
	return a
}

// closeSoon closes box, but does not wait for ever.
func closeSoon(box sandbox.Sandbox) {
	closed := make(chan answer, 1)
	go func() { closed <- answer{err: box.Close()} }()
	arrives(closed)
}

// arrives waits for an answer as long as a sandbox may take to end.
func arrives(done <-chan answer) bool {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// backstop is when even a slow sandbox must be back.
func backstop(sc scenario.Scenario) time.Duration {
	own := time.Duration(sc.Limits.WithDefaults().ScenarioMS) * time.Millisecond
	return backstopFactor*own + backstopExtra
}
