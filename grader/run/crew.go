package run

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// waiting says how long a job may take before it counts as one that waits. A
// job that waits for its own limit needs no processor, so another may begin
// beside it; without that, a few that hang would hold up all the others.
const waiting = 700 * time.Millisecond

// Crew runs the jobs of several callers at a time: as many work as were asked
// for, and some more wait. Its sandboxes stay open from one call to the next.
type Crew struct {
	options Options
	work    chan struct{} // one for each job that works
	all     chan struct{} // one for each sandbox in use

	mu    sync.Mutex
	idle  []*worker // the one unused for longest first
	hired int
}

// NewCrew makes a crew, which has no sandbox open yet; of the options Hopeless
// does not count.
func NewCrew(o Options) *Crew {
	work, wait := o.width()
	return &Crew{options: o, work: make(chan struct{}, work), all: make(chan struct{}, work+wait)}
}

// Do runs jobs one after another in one sandbox, as [Scenarios] runs each of them:
// what it answers, and what it does when ctx ends, is the same.
func (c *Crew) Do(ctx context.Context, jobs []Job) []Result {
	results := make([]Result, len(jobs))
	c.all <- struct{}{} // before the turn, for whoever has that must not wait for others
	defer func() { <-c.all }()
	mine := turn{crew: c}
	defer mine.give()
	var w *worker
	for i, job := range jobs {
		mine.take()
		if ctx.Err() == nil && w == nil {
			w = c.hire(job.Driver)
			defer c.release(w)
		}
		results[i] = mine.one(ctx, w, job)
		if c.options.Progress != nil {
			c.options.Progress.Done(i, results[i])
		}
	}
	return results
}

// turn is the right of one caller to work.
type turn struct {
	crew *Crew
	mu   sync.Mutex
	has  bool
}

// take waits until it is the caller's turn.
func (t *turn) take() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.has {
		t.crew.work <- struct{}{}
		t.has = true
	}
}

// give lets another work.
func (t *turn) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has {
		<-t.crew.work
		t.has = false
	}
}

// one runs a job. When it has taken long enough to count as waiting, another
// caller may work.
func (t *turn) one(ctx context.Context, w *worker, job Job) Result {
	if ctx.Err() != nil {
		return Result{Err: fmt.Errorf("run %s: %w", job.Scenario.ID, context.Cause(ctx))}
	}
	defer time.AfterFunc(waiting, t.give).Stop()
	return w.do(ctx, job)
}

// hire takes an idle worker, one that has the driver in its sandbox if there is
// any, or a new one.
func (c *Crew) hire(driver string) *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.idle, func(w *worker) bool { return w.box != nil && w.driver == driver })
	if at < 0 && (len(c.idle) == 0 || c.hired < cap(c.work)) {
		c.hired++
		return &worker{opener: c.options.Opener, slot: c.hired - 1}
	}
	at = max(at, 0)
	w := c.idle[at]
	c.idle = slices.Delete(c.idle, at, at+1)
	return w
}

func (c *Crew) release(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, w)
}

// Close closes the sandboxes. No job may be under way.
func (c *Crew) Close() {
	for _, w := range c.idle {
		w.close()
	}
	c.idle = nil
}
