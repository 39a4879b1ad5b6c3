package run_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/run"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/fake"
	"moulinette/grader/scenario"
)

func jobs(driver string, n int) []run.Job {
	list := make([]run.Job, n)
	for i := range list {
		list[i] = run.Job{Driver: driver, Scenario: scenario.Scenario{
			ID: fmt.Sprintf("s%d", i), Steps: []scenario.Step{{As: "call", Call: "demo"}},
		}}
	}
	return list
}

// counter counts the jobs that ended.
type counter struct{ done atomic.Int64 }

func (c *counter) Done(int, run.Result) { c.done.Add(1) }

// clean checks that no sandbox is left open and the contract was kept.
func clean(t *testing.T, o *fake.Opener) {
	t.Helper()
	if open, misuse := o.Leftovers(); open != 0 || len(misuse) != 0 {
		t.Errorf("%d sandboxes left open, misuse %q", open, misuse)
	}
}

func TestResultsComeInTheOrderOfTheJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fake.Opener{Drivers: map[string]fake.Driver{
			"uneven": func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
				if sc.ID == "s0" {
					time.Sleep(time.Minute)
				}
				return fake.Complete(ctx, sc)
			},
		}}
		progress := new(counter)
		for i, r := range run.Scenarios(t.Context(), jobs("uneven", 50), run.Options{Opener: o, Jobs: 4, Progress: progress}) {
			if r.Err != nil || r.Record.Scenario != fmt.Sprintf("s%d", i) || r.Tries != 1 {
				t.Errorf("result %d: %+v; want the record of s%d at the first try", i, r, i)
			}
		}
		if got := progress.done.Load(); got != 50 {
			t.Errorf("progress told of %d jobs; want 50", got)
		}
		if o.Opened() != 4 {
			t.Errorf("%d sandboxes opened for 4 workers; want 4", o.Opened())
		}
		clean(t, o)
	})
}

func TestHarnessFaultIsTriedOnceMore(t *testing.T) {
	errOurs := errors.New("mount: our fault")
	broken := func(_ context.Context, sc scenario.Scenario) (*evidence.Record, error) {
		return &evidence.Record{Scenario: sc.ID, End: evidence.End{Outcome: evidence.Broken, Reason: errOurs.Error()}}, nil
	}
	killedOff := func(_ context.Context, sc scenario.Scenario) (*evidence.Record, error) {
		return &evidence.Record{Scenario: sc.ID, End: evidence.End{Outcome: evidence.Exited, Signal: 9}}, nil
	}
	tests := []struct {
		name  string
		play  fake.Driver
		tries int
		ok    bool
	}{
		{"error then well", fake.Once(fake.Break(errOurs), fake.Complete), 2, true},
		{"broken then well", fake.Once(broken, fake.Complete), 2, true},
		{"error for good", fake.Break(errOurs), 2, false},
		{"broken for good", broken, 2, false},
		{"no record", func(context.Context, scenario.Scenario) (*evidence.Record, error) { return nil, nil }, 2, false},
		{"sandbox panics", func(context.Context, scenario.Scenario) (*evidence.Record, error) { panic("nil map") }, 2, false},
		{"submission exits", fake.Exit(0), 1, true},
		{"submission is killed, then well", fake.Once(killedOff, fake.Complete), 2, true},
		{"submission is killed each time", killedOff, 2, true},
		{"submission is killed, then our fault", fake.Once(killedOff, broken), 2, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := &fake.Opener{Drivers: map[string]fake.Driver{"d": test.play}}
			r := run.Scenarios(t.Context(), jobs("d", 1), run.Options{Opener: o})[0]
			if r.Tries != test.tries || (r.Err == nil) != test.ok || (r.Record != nil) != test.ok {
				t.Errorf("got %+v; want %d tries, ok %t", r, test.tries, test.ok)
			}
			if o.Opened() != test.tries {
				t.Errorf("%d sandboxes opened; want a fresh one for each of %d tries", o.Opened(), test.tries)
			}
			clean(t, o)
		})
	}
}

func TestSandboxThatDoesNotOpen(t *testing.T) {
	refused := errors.New("no user namespaces")
	o := &fake.Opener{Refuse: func(string, int) error { return refused }}
	for _, r := range run.Scenarios(t.Context(), jobs("d", 3), run.Options{Opener: o, Jobs: 2}) {
		if !errors.Is(r.Err, refused) || r.Tries != 2 {
			t.Errorf("got %+v; want %v after 2 tries", r, refused)
		}
	}
	clean(t, o)
}

func TestHangingSubmissionCostsItsOwnScenarioOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fake.Opener{Drivers: map[string]fake.Driver{"hangs": fake.Hang}}
		list := append(jobs("hangs", 1), jobs("good", 1)...)
		results := run.Scenarios(t.Context(), list, run.Options{Opener: o, Jobs: 1})
		if r := results[0]; r.Err != nil || r.Record.End.Outcome != evidence.Hung || r.Tries != 1 {
			t.Errorf("hanging: %+v; want outcome hung at the first try", r)
		}
		if r := results[1]; r.Err != nil || r.Record.End.Outcome != evidence.Completed {
			t.Errorf("after it: %+v; want completed", r)
		}
		clean(t, o)
	})
}

func TestLostSandboxIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fake.Opener{Drivers: map[string]fake.Driver{"lost": fake.Once(fake.Lose, fake.Complete)}}
		r := run.Scenarios(t.Context(), jobs("lost", 1), run.Options{Opener: o})[0]
		if r.Err != nil || r.Tries != 2 {
			t.Errorf("got %+v; want a record at the second try", r)
		}
		clean(t, o)
	})
}

// deaf ignores everything it is told until it is released.
type deaf struct{ released chan struct{} }

func (d deaf) Host() evidence.Host     { return evidence.Host{} }
func (d deaf) Width() (work, wait int) { return 1, 0 }
func (d deaf) Open(context.Context, string, int) (sandbox.Sandbox, error) {
	return d, nil
}

func (d deaf) Run(context.Context, scenario.Scenario) (*evidence.Record, error) {
	<-d.released
	return nil, errors.New("too late")
}

func (d deaf) Close() error {
	<-d.released
	return nil
}

func TestDeafSandboxDoesNotHoldTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{released: make(chan struct{})}
		defer close(d.released)
		start := time.Now()
		r := run.Scenarios(t.Context(), jobs("d", 1), run.Options{Opener: d})[0]
		if r.Err == nil || r.Tries != 2 {
			t.Errorf("got %+v; want a harness fault after 2 tries", r)
		}
		if took := time.Since(start); took > 12*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestCancelKillsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fake.Opener{Drivers: map[string]fake.Driver{"hangs": fake.Lose}}
		errStop := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(errStop)
		}()
		start := time.Now()
		begun := 0
		for _, r := range run.Scenarios(ctx, jobs("hangs", 20), run.Options{Opener: o, Jobs: 3}) {
			if !errors.Is(r.Err, errStop) {
				t.Errorf("result %+v; want %v", r, errStop)
			}
			begun += r.Tries
		}
		if begun != 3 {
			t.Errorf("%d tries; want 3, one for each worker", begun)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v; want 1s", took)
		}
		clean(t, o)
	})
}

func TestNothingToDo(t *testing.T) {
	o := &fake.Opener{}
	if got := run.Scenarios(t.Context(), nil, run.Options{Opener: o}); len(got) != 0 || o.Opened() != 0 {
		t.Errorf("got %v, %d sandboxes; want nothing", got, o.Opened())
	}
}

func TestTenThousandScenariosLeakNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	errOurs := errors.New("now and then")
	var n atomic.Int64
	o := &fake.Opener{Drivers: map[string]fake.Driver{
		"flaky": func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
			if n.Add(1)%7 == 0 {
				return nil, errOurs
			}
			return fake.Complete(ctx, sc)
		},
	}}
	results := run.Scenarios(t.Context(), jobs("flaky", 10_000), run.Options{Opener: o, Jobs: 8})
	for i, r := range results {
		if r.Err != nil && r.Tries != 2 {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
	clean(t, o)
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines; %d before", runtime.NumGoroutine(), before)
		}
	}
}
