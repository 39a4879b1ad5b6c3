// Package fake is a scripted sandbox: no namespaces, no processes, any end that
// a real one can come to. Tests of what stands above a sandbox use it, and the
// conformance kit runs on it so that it does not lie.
package fake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// Driver plays a submission: it tells how one scenario ends. Sandbox.Close
// cancels ctx too.
type Driver func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error)

// Opener opens fake sandboxes. Its zero value completes every scenario.
type Opener struct {
	Drivers map[string]Driver // by path; other paths complete
	Refuse  func(driver string, slot int) error

	mu     sync.Mutex
	inUse  map[int]bool
	opened int
	misuse []string
}

// Width is that of a small machine.
func (o *Opener) Width() (work, wait int) { return 2, 12 }

// Host describes a host without any feature.
func (o *Opener) Host() evidence.Host {
	return evidence.Host{Tier: "fake", Kernel: "0.0"}
}

// Open opens a sandbox for the driver at path.
func (o *Opener) Open(ctx context.Context, driver string, slot int) (sandbox.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("fake: open: %w", err)
	}
	if o.Refuse != nil {
		if err := o.Refuse(driver, slot); err != nil {
			return nil, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inUse[slot] {
		o.misuse = append(o.misuse, fmt.Sprintf("slot %d opened twice", slot))
	}
	if o.inUse == nil {
		o.inUse = make(map[int]bool)
	}
	o.inUse[slot] = true
	o.opened++
	play := o.Drivers[driver]
	if play == nil {
		play = Complete
	}
	alive, kill := context.WithCancel(context.Background())
	return &box{opener: o, slot: slot, play: play, alive: alive, kill: kill}, nil
}

// Opened says how many sandboxes were opened so far.
func (o *Opener) Opened() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// Leftovers counts the sandboxes that are still open, and tells how the caller
// broke the contract.
func (o *Opener) Leftovers() (open int, misuse []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, used := range o.inUse {
		if used {
			open++
		}
	}
	return open, o.misuse
}

func (o *Opener) release(slot int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inUse[slot] = false
}

func (o *Opener) blame(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.misuse = append(o.misuse, what)
}

// errClosed is what Run says after Close.
var errClosed = errors.New("fake: sandbox is closed")

// box is one fake sandbox.
type box struct {
	opener *Opener
	slot   int
	play   Driver
	alive  context.Context
	kill   context.CancelFunc

	mu      sync.Mutex
	running bool
}

// Run plays the scenario.
func (b *box) Run(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
	if b.alive.Err() != nil {
		return nil, errClosed
	}
	b.begin()
	defer b.end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.alive, func() { cancel(errClosed) })()
	if sc.Root == scenario.RealRoot { // there is nobody here to be root
		rec := blank(sc)
		rec.End = evidence.End{Outcome: evidence.Unavailable, Missing: "real_root"}
		return rec, nil
	}
	return b.play(ctx, sc)
}

// Close ends the sandbox and whatever it plays.
func (b *box) Close() error {
	if b.alive.Err() == nil {
		b.kill()
		b.opener.release(b.slot)
	}
	return nil
}

func (b *box) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running {
		b.opener.blame("Run called while another Run is under way")
	}
	b.running = true
}

func (b *box) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = false
}

// Complete answers every step, successfully.
func Complete(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("fake: run: %w", err)
	}
	rec := blank(sc)
	rec.End = evidence.End{Outcome: evidence.Completed}
	rec.At["after"] = evidence.Snapshot{}
	for _, step := range sc.Steps {
		if step.Call != "" {
			rec.Calls[step.As] = evidence.Call{Name: step.Call, Returned: true, OK: true}
			rec.Order = append(rec.Order, step.As)
		}
		if step.Observe {
			rec.At[step.As] = evidence.Snapshot{}
		}
	}
	return rec, nil
}

// Exit ends the driver at the first step, with status.
func Exit(status int) Driver {
	return func(_ context.Context, sc scenario.Scenario) (*evidence.Record, error) {
		rec := blank(sc)
		rec.End = evidence.End{Outcome: evidence.Exited, Step: firstStep(sc), Exit: status}
		return rec, nil
	}
}

// Hang never answers the first step: the step's limit ends it.
func Hang(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
	limit := time.NewTimer(time.Duration(sc.Limits.WithDefaults().StepMS) * time.Millisecond)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("fake: run: %w", context.Cause(ctx))
	case <-limit.C:
	}
	rec := blank(sc)
	rec.End = evidence.End{Outcome: evidence.Hung, Step: firstStep(sc)}
	return rec, nil
}

// Lose is a sandbox that has lost its way: it ignores every limit and ends only
// when it is told to.
func Lose(ctx context.Context, _ scenario.Scenario) (*evidence.Record, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("fake: run: %w", context.Cause(ctx))
}

// Break fails with a fault of the harness.
func Break(cause error) Driver {
	return func(context.Context, scenario.Scenario) (*evidence.Record, error) {
		return nil, cause
	}
}

// Once plays first for the first scenario of each id, then the other.
func Once(first, then Driver) Driver {
	var mu sync.Mutex
	seen := make(map[string]bool)
	return func(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
		mu.Lock()
		play := then
		if !seen[sc.ID] {
			play, seen[sc.ID] = first, true
		}
		mu.Unlock()
		return play(ctx, sc)
	}
}

func blank(sc scenario.Scenario) *evidence.Record {
	return &evidence.Record{
		Version:  evidence.Version,
		Scenario: sc.ID,
		Seed:     sc.Seed,
		Host:     (&Opener{}).Host(),
		Calls:    map[string]evidence.Call{},
		Probes:   map[string]evidence.Probe{},
		At:       map[string]evidence.Snapshot{"before": {}},
	}
}

func firstStep(sc scenario.Scenario) string {
	if len(sc.Steps) == 0 {
		return ""
	}
	return sc.Steps[0].As
}
