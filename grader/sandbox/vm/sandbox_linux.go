package vm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"moulinette/grader/agent"
	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// Sandbox runs scenarios of one driver, each in a machine of its own unless
// machines are reused.
type Sandbox struct {
	host    *host
	layer   *layer
	reuse   bool
	release func()
	run     sync.Mutex // one Run at a time
	life    context.Context
	end     context.CancelFunc
	spare   chan spareMachine // the next machine, nil if none is under way
	kept    *machine          // one that serves the next scenario, too; nil if none does
}

// spareMachine is a machine made ahead of its scenario, or why it was not.
type spareMachine struct {
	machine *machine
	err     error
}

func newSandbox(h *host, l *layer, reuse bool, release func()) *Sandbox {
	s := &Sandbox{host: h, layer: l, reuse: reuse, release: release}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

var errClosed = errors.New("sandbox: closed")

// startTimeout bounds what is ours: from a fresh machine to the moment when the
// submission begins.
const startTimeout = 60 * time.Second

// Run runs one scenario in a fresh machine, or in a fresh box of one that serves
// several.
func (s *Sandbox) Run(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error) {
	s.run.Lock()
	defer s.run.Unlock()
	if s.life.Err() != nil {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errClosed) })()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	m, err := s.machine(ctx, sc)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	well := false
	defer func() { s.leave(m, well && sc.Root != scenario.RealRoot) }()
	answer, err := m.begin(ctx, sc)
	if err != nil {
		return nil, s.fault(ctx, fmt.Errorf("%w%s", err, m.lastWords()))
	}
	s.prepare()
	w := m.watched()
	if answer.Begun {
		answer, err = m.finish(ctx, sc.Limits.WithDefaults())
	}
	if errors.Is(err, errSilent) || answer.Late {
		if busy := w.starved(); busy != nil {
			return nil, busy
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, s.fault(ctx, err)
		}
		return s.blame(m, sc, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("sandbox: %s", answer.Error)
	}
	end := answer.Record.End.Outcome
	well = end == evidence.Completed || end == evidence.Exited
	return answer.Record, nil
}

// fault is an error of ours, or the reason why ctx ended.
func (s *Sandbox) fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, errClosed) {
		return err
	}
	return fmt.Errorf("sandbox: %w", err)
}

// machine gives a machine for a scenario: the one kept for it, or a fresh one,
// which may have been made ahead.
func (s *Sandbox) machine(ctx context.Context, sc scenario.Scenario) (*machine, error) {
	if m := s.kept; m != nil && sc.Root != scenario.RealRoot {
		s.kept = nil
		return m, nil
	}
	if s.spare == nil {
		return s.host.clone(ctx, &s.layer.snapshot)
	}
	ahead := <-s.spare
	s.spare = nil
	if ahead.err != nil {
		return s.host.clone(ctx, &s.layer.snapshot)
	}
	return ahead.machine, nil
}

// mostServed is how many scenarios a machine serves that is reused: making another
// costs little then, and whatever adds up in one ends with it.
const mostServed = 64

// leave keeps a machine for the next scenario, where machines are reused and
// nothing went wrong in this one, or ends it.
func (s *Sandbox) leave(m *machine, well bool) {
	if s.reuse && well && s.kept == nil && m.served < mostServed {
		s.kept = m
	} else {
		m.kill()
	}
}

// prepare makes the next scenario's machine while this one runs: it is restored,
// and stands still until it is woken.
func (s *Sandbox) prepare() {
	if s.reuse {
		return
	}
	s.spare = make(chan spareMachine, 1)
	go func(done chan<- spareMachine) {
		m, err := s.host.clone(s.life, &s.layer.snapshot)
		done <- spareMachine{m, err}
	}(s.spare)
}

// begin wakes a machine that is fresh and lets a scenario begin there: when it answers
// so, the submission is about to run. It may also answer that this guest lacks
// what the scenario needs.
func (m *machine) begin(ctx context.Context, sc scenario.Scenario) (answer agent.Answer, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errSlowHost)
	defer cancel()
	defer func() { err = slowHost(ctx, err) }()
	if m.served == 0 {
		if err := m.wake(ctx); err != nil {
			return answer, err
		}
	}
	m.served++
	m.word = rand.Text()
	if err := m.say(ctx, agent.Job{Scenario: sc, Tell: true, Word: m.word}); err != nil {
		return answer, err
	}
	answer, err = m.answer(ctx)
	switch {
	case err != nil:
		return answer, err
	case answer.Error != "":
		return answer, errors.New(answer.Error)
	case !answer.Begun && answer.Record == nil:
		return answer, errors.New("the agent answered, but did not begin")
	}
	return answer, nil
}

// margin is what an agent may take beyond a scenario's own limit, to make the
// box go away and to answer.
const margin = 10 * time.Second

// Why a machine did not answer.
var (
	errSilent  = errors.New("it does not answer")
	errFlooded = errors.New("it floods its console")
)

// finish waits for the record, or for a reason why there will be none.
func (m *machine) finish(ctx context.Context, l scenario.Limits) (agent.Answer, error) {
	limit := time.Duration(l.ScenarioMS)*time.Millisecond*mostSlow + margin
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSilent)
	defer cancel()
	answer, err := m.answer(ctx)
	if err == nil && answer.Error == "" && answer.Record == nil {
		err = errNonsense
	}
	return answer, err
}

// answer waits for the agent's next answer, as long as all is well with the machine.
func (m *machine) answer(ctx context.Context) (agent.Answer, error) {
	ctx, stop := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait() // before somebody else looks at replies
	defer stop(nil)
	watching.Go(func() { m.watch(ctx, stop) })
	answer, err := m.hear(ctx)
	if errors.Is(err, io.EOF) {
		err = errEnded
	}
	return answer, err
}

// watch ends the wait for an answer when something happens to the machine.
func (m *machine) watch(ctx context.Context, stop context.CancelCauseFunc) {
	select {
	case <-m.Flooded():
		stop(errFlooded)
	case _, ok := <-m.replies:
		if ok {
			stop(errNonsense) // nobody has asked
		} else {
			stop(m.why)
		}
	case <-ctx.Done():
	}
}

// blame makes a record of a machine that came to grief while the submission was
// in it. The submission did that: the rest of the machine is ours, and stands
// still meanwhile. What QEMU itself did is a fault of ours, and what the agent
// did, unless the submission was root of the machine and could end it.
func (s *Sandbox) blame(m *machine, sc scenario.Scenario, err error) (*evidence.Record, error) {
	end := evidence.End{Reason: "the virtual machine: " + err.Error()}
	switch {
	case errors.Is(err, errGone) && sc.Root != scenario.RealRoot:
		return nil, fmt.Errorf("sandbox: %w%s", err, m.lastWords())
	case errors.Is(err, errSilent):
		end.Outcome = evidence.Hung
	case errors.Is(err, errFlooded):
		end.Outcome = evidence.Flooded
	case errors.Is(err, errEnded):
		if how := m.End(); how != "exit status 0" {
			return nil, fmt.Errorf("sandbox: qemu ended: %s%s", how, m.lastWords())
		}
		end.Outcome, end.Exit = evidence.Exited, -1
	default:
		end.Outcome = evidence.Babbled
	}
	m.kill()
	rec := &evidence.Record{
		Version: evidence.Version, Scenario: sc.ID, Seed: sc.Seed, Host: s.layer.host, End: end,
		Calls: map[string]evidence.Call{}, Order: []string{}, Probes: map[string]evidence.Probe{}, At: map[string]evidence.Snapshot{},
	}
	if said := m.Console(); said != "" {
		rec.Notes = []string{"console: " + said[strings.LastIndexByte(said[:max(0, len(said)-noteSize)], '\n')+1:]}
	}
	return rec, nil
}

// noteSize is about how much of the console goes into a record.
const noteSize = 3000

// Close ends the machines. A Run under way is abandoned.
func (s *Sandbox) Close() error {
	s.end()
	s.run.Lock()
	defer s.run.Unlock()
	if s.kept != nil {
		s.kept.kill()
		s.kept = nil
	}
	if s.spare != nil {
		if ahead := <-s.spare; ahead.err == nil {
			ahead.machine.kill()
		}
		s.spare = nil
	}
	s.release()
	return nil
}
