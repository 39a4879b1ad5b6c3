package run_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/run"
	"moulinette/grader/sandbox/fake"
	"moulinette/grader/scenario"
)

// Callers share the width: what waits for its limit lets others work, and no more
// sandboxes are open than that.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var working, most atomic.Int64
		works := func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
			if n := working.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(100 * time.Millisecond)
			working.Add(-1)
			return fake.Complete(ctx, sc)
		}
		hangs := func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
			time.Sleep(time.Minute)
			return fake.Complete(ctx, sc)
		}
		o := &fake.Opener{Drivers: map[string]fake.Driver{"works": works, "hangs": hangs}}
		progress := new(counter)
		c := run.NewCrew(run.Options{Opener: o, Jobs: 2, Progress: progress})
		begin := time.Now()
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() { c.Do(t.Context(), jobs("hangs", 1)) })
		}
		for range 4 {
			callers.Go(func() {
				for i, r := range c.Do(t.Context(), jobs("works", 10)) {
					if r.Err != nil || r.Record.Scenario != fmt.Sprintf("s%d", i) {
						t.Errorf("result %d: %+v", i, r)
					}
				}
			})
		}
		callers.Wait()
		// Ten that hang one after the other would take ten minutes, two at a time five.
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("took %v: what waits holds up the others", took)
		}
		if most.Load() > 2 || progress.done.Load() != 50 {
			t.Errorf("%d at work at a time, %d told of; want 2, and 50", most.Load(), progress.done.Load())
		}
		c.Close()
		clean(t, o)
	})
}

// A sandbox is opened again only for another driver.
func TestCrewKeepsItsSandboxes(t *testing.T) {
	o := &fake.Opener{}
	c := run.NewCrew(run.Options{Opener: o, Jobs: 1})
	for _, driver := range []string{"a", "a", "b", "b", "b"} {
		if r := c.Do(t.Context(), jobs(driver, 3)); r[2].Err != nil {
			t.Error(r[2].Err)
		}
	}
	if o.Opened() != 2 {
		t.Errorf("%d sandboxes opened for two drivers in turn; want 2", o.Opened())
	}
	c.Close()
	clean(t, o)
}

// A number that somebody typed is no reason to crash.
func TestCrewOfAnyWidth(t *testing.T) {
	o := &fake.Opener{}
	c := run.NewCrew(run.Options{Opener: o, Jobs: math.MaxInt})
	if r := c.Do(t.Context(), jobs("d", 1)); r[0].Err != nil {
		t.Error(r[0].Err)
	}
	c.Close()
	clean(t, o)
}

func TestCrewIsCancelled(t *testing.T) {
	o := &fake.Opener{}
	c := run.NewCrew(run.Options{Opener: o, Jobs: 1})
	errStop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	for _, r := range c.Do(ctx, jobs("d", 3)) {
		if !errors.Is(r.Err, errStop) || r.Record != nil {
			t.Errorf("got %+v; want the cause", r)
		}
	}
	c.Close()
	clean(t, o)
}
