package agent

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/fault"
	"moulinette/grader/observe"
	"moulinette/grader/scenario"
)

// ended is how a scenario ends before its last step. Anything else that goes
// wrong is a fault of the harness.
type ended struct{ evidence.End }

func (e *ended) Error() string { return string(e.Outcome) + ": " + e.Reason }

// session is one scenario in one box.
type session struct {
	agent  *agent
	sc     scenario.Scenario
	limits scenario.Limits
	rec    *evidence.Record

	box        *box.Box
	supervisor *fault.Supervisor
	driver     *driver
	probes     *probes
	begun      func() error // to be told that the driver is let go
	start      time.Time    // when it was
	clock      *clock       // goes from then on

	mu       sync.Mutex // guards observer and the probes' evidence
	observer *observe.Observer
	lack     lack
	killed   bool // the driver, by a step
}

// run runs one scenario. The error is the harness's; whatever the submission
// did is in the record. It is late if a time limit was met.
func (a *agent) run(sc scenario.Scenario, begun func() error) (rec *evidence.Record, late bool, err error) {
	s := &session{agent: a, sc: sc, limits: a.limits(sc), clock: newClock(a.patience()), begun: begun, rec: &evidence.Record{
		Version: evidence.Version, Scenario: sc.ID, Seed: sc.Seed, Host: a.host,
		Calls: map[string]evidence.Call{}, Order: []string{}, Probes: map[string]evidence.Probe{},
		At: map[string]evidence.Snapshot{},
	}}
	if missing := a.missing(sc); missing != "" {
		s.rec.End = evidence.End{Outcome: evidence.Unavailable, Missing: missing, Reason: "this host has no " + missing}
		return s.rec, false, nil
	}
	_ = observe.Shortage() // of scenarios before
	err = s.slain(s.play())
	broken := errors.Join(s.lacking(), s.finish())
	if err == nil && s.rec.Output.Truncated { // it answered before all that it had said was read
		err = s.driver.tooMuch(s.lastCall())
	}
	var end *ended
	switch {
	case broken != nil:
		return nil, s.clock.hurried(), fmt.Errorf("scenario %s: %w", sc.ID, broken)
	case err == nil:
		s.rec.End.Outcome = evidence.Completed
	case errors.As(err, &end):
		s.rec.End = end.End
	default:
		return nil, s.clock.hurried(), fmt.Errorf("scenario %s: %w", sc.ID, err)
	}
	return s.rec, s.clock.hurried(), nil
}

// slain corrects the end of a scenario in which the driver or the whole box was
// killed: what was seen afterwards says nothing about the submission.
func (s *session) slain(err error) error {
	var end *ended
	if s.driver == nil || err != nil && (!errors.As(err, &end) || end.Outcome == evidence.Exhausted || end.Outcome == evidence.Flooded) {
		return err
	}
	select {
	case <-s.box.Gone():
	default:
		if s.killed || alive(s.box.Driver) {
			return err
		}
	}
	if over := s.driver.over(); over != nil && over.Signal == int(unix.SIGKILL) {
		return s.blame(&ended{*over})
	}
	return err
}

// lastCall is the label of the last call that was made.
func (s *session) lastCall() string {
	if len(s.rec.Order) == 0 {
		return "start"
	}
	return s.rec.Order[len(s.rec.Order)-1]
}

// play goes through the scenario from an empty box to its last snapshot.
func (s *session) play() error {
	if err := s.open(); err != nil {
		return err
	}
	if err := s.driver.greet(); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.look("before"); err != nil {
		return err
	}
	if s.supervisor != nil {
		s.supervisor.Arm()
	}
	for _, step := range s.sc.Steps {
		if err := s.step(step); err != nil {
			return s.blame(err)
		}
	}
	s.bury()
	s.comeHome()
	s.probes.settle()
	return s.look("after")
}

// bury gives what is dying the time to be dead: a signal that was sent, even
// SIGKILL, has not struck yet when kill(2) returns.
func (s *session) bury() {
	for limit := s.clock.within(dying); !limit.over() && !s.idle(); {
		s.probes.next(dying / 100)
	}
}

// comeHome gives threads that are elsewhere the time to end: one that is thrown
// away after its errand does so a moment after its call. Once all threads sleep, and
// for several looks, none is on its way any more.
func (s *session) comeHome() {
	const looks = 5
	last, asleep := -1, 0
	for limit := s.clock.within(patience); !limit.over() && asleep < looks && s.observer.Astray() > 0; {
		s.probes.next(dying / 100)
		now := s.observer.Switches()
		if now < 0 || now != last {
			asleep = 0
		}
		last, asleep = now, asleep+1
	}
}

const dying = 300 * time.Millisecond

// open opens the box and lets the driver go.
func (s *session) open() error {
	b, err := s.agent.template.Open(box.Options{
		World: s.sc.World, Limits: s.limits, Filter: s.filter(), Variant: s.sc.Variant,
		Real: s.sc.Root == scenario.RealRoot,
	})
	if err != nil {
		return err
	}
	s.box = b
	s.probes = newProbes(s)
	s.driver = newDriver(s)
	if err := b.Launch(s.arm); err != nil {
		return err
	}
	if !s.agent.setup.Alone {
		s.agent.template.Prepare()
	}
	return nil
}

// filter is what the driver is launched behind: it notifies plain forks only for
// a fault that is about them.
func (s *session) filter() *box.Filter {
	if !s.agent.has(box.FeatureFaults) {
		return nil
	}
	forks := slices.ContainsFunc(s.sc.Faults, func(f scenario.Fault) bool { return f.Effect == "fork" })
	program, flags := fault.Program(forks)
	return &box.Filter{Program: program, Flags: flags}
}

// arm is called while the launcher waits, just before it becomes the driver:
// nothing of the submission has run yet.
func (s *session) arm(listener *os.File) error {
	o, err := observe.New(s.box.Init, s.box.Driver)
	if err != nil {
		return err
	}
	s.observer = o
	if err := s.begun(); err != nil {
		return err
	}
	s.start = time.Now()
	s.clock.start(s.members)
	if listener == nil {
		return nil
	}
	mode := s.agent.setup.Box.Mode
	s.supervisor = fault.Supervise(listener, fault.Options{
		Faults:   s.agent.faults(s.sc),
		Grant:    mode == box.Root && s.sc.Root != scenario.RealRoot,
		Withhold: mode == box.Subordinate || mode == box.Single,
		Start:    s.start, ProbePath: scenario.ProbePath, BoxInit: s.box.Init,
		Later: func(d time.Duration, f func()) func() { return s.clock.within(d).then(f) },
	})
	return nil
}

// members are the processes of the box whose waiting for a processor counts: all but
// its init, which has waited before.
func (s *session) members() ([]int, error) {
	pids, err := s.observer.Members()
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == s.box.Init }), err
}

// prepare has the driver start what must be its children.
func (s *session) prepare() error {
	w := s.sc.World
	if len(w.Targets) == 0 && !w.Bystander {
		return nil
	}
	reply, err := s.driver.ask("world", scenario.Request{Call: "world", Targets: w.Targets, Bystander: w.Bystander})
	if err != nil {
		return err
	}
	if reply.Failed || reply.Panic != "" {
		return s.doubt(reply)
	}
	if w.Bystander {
		pid, ok := s.observer.Host(reply.Pids["bystander"])
		if !ok {
			// The shim does not say that all is well without one: somebody else spoke.
			return s.blame(&ended{evidence.End{Outcome: evidence.Babbled, Step: "world", Reason: "an answer that is not the shim's"}})
		}
		s.observer.Bystander = pid
	}
	for _, t := range w.Targets {
		for limit := s.stepLimit(); !s.probes.await(t.Name, 1, limit.left()); {
			if limit.over() {
				return s.blame(s.driver.hung("world"))
			}
		}
	}
	return nil
}

// doubt decides whose fault it is that the driver answers that the world cannot
// be prepared. All that the shim does there is to start processes, so it is ours
// or the host's if our own init cannot start such processes either; if it can,
// the submission has spoken for the shim, or has left it nowhere to stand.
func (s *session) doubt(r scenario.Reply) error {
	if what := s.box.Exhausted(); what != "" {
		return exhausted("world", what)
	}
	kinds := [][]string{nil}
	for _, t := range s.sc.World.Targets {
		kinds = append(kinds, t.Flags)
	}
	for _, flags := range kinds {
		err := s.box.CanClone(flags)
		if errors.Is(err, unix.ENOSPC) && box.HostClones(flags) == nil {
			continue // only the box has a limit there, which its own root has set
		}
		if err != nil {
			return fmt.Errorf("prepare the world: %s%s: %w", r.Fault, r.Panic, err)
		}
	}
	return s.blame(&ended{evidence.End{Outcome: evidence.Babbled, Step: "world", Reason: "an answer that is not the shim's"}})
}

// look takes a snapshot under a label.
func (s *session) look(label string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.supervisor != nil {
		s.supervisor.Reconsider()
	}
	snap, err := s.observer.Snapshot(s.sc.Watch)
	if s.lack.lacks(err) {
		return fmt.Errorf("snapshot %s: %w", label, err)
	}
	if err != nil && !s.killed {
		if end := s.driver.over(); end != nil {
			return s.blame(&ended{*end})
		}
		return fmt.Errorf("snapshot %s: %w", label, err)
	}
	s.rec.At[label] = snap
	return nil
}

// stepLimit is that of a step which begins now.
func (s *session) stepLimit() *limit {
	l := s.clock.within(time.Duration(s.limits.StepMS) * time.Millisecond)
	l.sooner(time.Duration(s.limits.ScenarioMS) * time.Millisecond)
	l.decides = true
	return l
}

// blame refines how the submission ended: a driver that the kernel killed for a
// limit did not just exit.
func (s *session) blame(err error) error {
	var end *ended
	if !errors.As(err, &end) || end.Outcome != evidence.Exited {
		return err
	}
	if what := s.box.Exhausted(); what != "" && end.Signal == int(unix.SIGKILL) {
		end.exhausts(what)
	}
	return end
}

// finish gathers what is left to know, and makes the box go away. The error is
// the harness's: faults that were not armed, a box that would not go.
func (s *session) finish() error {
	if s.box == nil {
		return nil
	}
	if !s.start.IsZero() {
		s.rec.Millis = float64(time.Since(s.start).Microseconds()) / 1000
	}
	s.probes.note()
	var err error
	hurry(func() {
		err = s.box.Close()
		s.probes.close()
		s.driver.close()
	})
	s.rec.Output = s.driver.output()
	if s.supervisor != nil {
		s.supervisor.Close()
		r := s.supervisor.Result()
		s.rec.Faults, s.rec.Trace, s.rec.Withheld = r.Faults, r.Trace, r.Withheld
		err = errors.Join(err, r.Err)
	}
	if s.observer != nil {
		s.observer.Close()
	}
	return err
}
