// Package ns is the sandbox made of namespaces on this machine: it starts one
// agent for each open sandbox and talks to it. It works as real root and as an
// ordinary user; what kind of box comes of it is decided here, by what the host
// allows.
package ns

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"moulinette/grader/agent"
	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/lack"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// Options say how sandboxes are made.
type Options struct {
	Agent      string   // path of the agent's executable
	Privileged bool     // no user namespace around the submission: for throw-away machines only
	Hide       []string // folders of the host that must not be seen in a box
}

// Opener opens sandboxes of namespaces.
type Opener struct {
	options Options
	mode    box.Mode
	ids     subIDs
	host    evidence.Host
}

var _ sandbox.Opener = (*Opener)(nil)

func unopened(cause error) error {
	return &lack.Error{
		EN:  "sandbox: this host cannot open a box of namespaces (see moulinette doctor)",
		FR:  "bac à sable : cette machine ne peut en ouvrir un fait d'espaces de noms (voyez moulinette doctor)",
		Err: cause,
	}
}

// New finds out what this host allows. The error says what to do about a host
// that allows nothing.
func New(o Options) (*Opener, error) {
	op := &Opener{options: o}
	switch {
	case o.Privileged && os.Geteuid() != 0:
		return nil, &lack.Error{
			EN: "sandbox: privileged isolation needs root; use --isolation=ns",
			FR: "bac à sable : --isolation=privileged demande root ; prenez --isolation=ns",
		}
	case o.Privileged:
		op.mode = box.Privileged
	case os.Geteuid() == 0:
		op.mode, op.ids = rootMode()
	default:
		op.mode, op.ids = ordinaryMode()
	}
	box.StepAside(op.mode)
	// A first agent, without a submission, tells whether there can be a box, and what it
	// offers here.
	if err := cmp.Or(ownProc(), enoughNamespaces()); err != nil {
		return nil, unopened(err)
	}
	s, err := op.open(context.Background(), o.Agent, true)
	if err != nil && op.mode == box.Subordinate {
		// The helpers are there and of no use, as where nothing may gain privileges.
		op.mode = box.Single
		s, err = op.open(context.Background(), o.Agent, true)
	}
	if err != nil {
		return nil, unopened(err)
	}
	op.host = s.host
	return op, s.Close()
}

// Mode tells what kind of boxes are opened.
func (o *Opener) Mode() box.Mode { return o.mode }

// Host tells what the boxes offer.
func (o *Opener) Host() evidence.Host { return o.host }

// Width is some more than there are processors for us, for a scenario waits more than it
// works: for a child, for the kernel to clear a network, for a limit. There is memory
// for all of them, should each take what it may. One that hangs takes a process or two.
func (o *Opener) Width() (work, wait int) {
	each := int64(scenario.Limits{}.WithDefaults().MemoryMiB) << 20
	return box.Fit(widest(), each), 12
}

func widest() int { return runtime.GOMAXPROCS(0) + 6 }

// Open starts an agent for the driver. The slot does not matter here: agents
// take id ranges by their pid.
func (o *Opener) Open(ctx context.Context, driver string, _ int) (sandbox.Sandbox, error) {
	s, err := o.open(ctx, driver, false)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return s, nil
}

// Sandbox is one agent.
type Sandbox struct {
	process *process
	conn    *net.UnixConn
	host    evidence.Host
	mu      sync.Mutex // one Run at a time
	closed  bool
}

// startTimeout bounds the start of an agent; nothing of the submission runs
// before it is over.
const startTimeout = 30 * time.Second

func (o *Opener) open(ctx context.Context, driver string, try bool) (*Sandbox, error) {
	p, conn, err := o.start()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{process: p, conn: conn}
	tier := "ns"
	if o.mode == box.Privileged {
		tier = "privileged"
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	answer, err := s.exchange(ctx, agent.Setup{Tier: tier, Try: try, Box: box.Config{
		Mode: o.mode, Driver: driver, Self: o.options.Agent, Hide: o.options.Hide,
	}})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if answer.Host == nil {
		return nil, errors.Join(errors.New("the agent answered without a host"), s.Close())
	}
	s.host = *answer.Host
	return s, nil
}

// margin is what an agent may take beyond a scenario's own limits, to open the
// box and to make it go away.
const margin = 60 * time.Second

// Run runs one scenario in a fresh box.
func (s *Sandbox) Run(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
	limits := sc.Limits.WithDefaults()
	ctx, cancel := context.WithTimeout(ctx, scenario.Patience*time.Duration(limits.ScenarioMS)*time.Millisecond+margin)
	defer cancel()
	answer, err := s.exchange(ctx, agent.Job{Scenario: sc})
	if err != nil {
		return nil, err
	}
	if answer.Record == nil {
		return nil, errors.New("sandbox: the agent answered without a record")
	}
	return answer.Record, nil
}

// exchange sends one message and waits for its answer. An exchange that fails
// leaves the connection in an unknown state: the sandbox is closed.
func (s *Sandbox) exchange(ctx context.Context, message any) (agent.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer agent.Answer
	if s.closed {
		return answer, errors.New("sandbox: closed")
	}
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err := json.NewEncoder(s.conn).Encode(message)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(s.conn, agent.MaxAnswer)).Decode(&answer)
	}
	if err != nil {
		said := s.process.kill()
		s.closed = true
		s.conn.Close()
		if ctx.Err() != nil {
			return answer, fmt.Errorf("sandbox: %w", ctx.Err())
		}
		return answer, fmt.Errorf("sandbox: the agent is gone (%w)%s", err, said)
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("sandbox: %s", answer.Error)
	}
	return answer, nil
}

// Close ends the agent. A Run under way is abandoned.
func (s *Sandbox) Close() error {
	_ = s.conn.SetDeadline(time.Unix(1, 0))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.conn.Close()
	s.process.end()
	return nil
}
