package agent

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/observe"
	"moulinette/grader/scenario"
)

// step makes one step of the scenario.
func (s *session) step(step scenario.Step) error {
	switch {
	case step.Call != "":
		return s.call(step)
	case step.Host != nil:
		return s.host(step)
	case step.Probe != nil:
		return s.probes.ask(step.As, *step.Probe, s.stepLimit())
	case step.Observe:
		return s.look(step.As)
	case step.Kill != "":
		return s.kill(step)
	}
	return errors.New("empty step")
}

// host has init play the rest of the host. Where it does so was made for it before
// the submission began: what is in its way now, the submission has put there.
func (s *session) host(step scenario.Step) error {
	err := s.box.Host(*step.Host)
	select {
	case <-s.box.Gone(): // the kernel killed it, as for a limit on memory that the box has reached
		if end := s.driver.over(); end != nil {
			return &ended{*end}
		}
	default:
	}
	if _, told := errors.AsType[unix.Errno](err); !told || observe.Short(err) {
		return err
	}
	return &ended{evidence.End{Outcome: evidence.Spoiled, Step: cmp.Or(step.As, "host"), Reason: err.Error()}}
}

// warmUp calls are made before growth is measured: the runtime's own first
// descriptors, threads and heap arenas come with them.
const warmUp = 4

func (s *session) call(step scenario.Step) error {
	script := scenario.Script{}
	if step.Script != nil {
		script = *step.Script
	}
	sig := scenario.Calls()[step.Call]
	name := script.Name
	if sig.Starts {
		name = probeOf(step)
		s.probes.expect(name, script)
	}
	before := s.probes.count(name)
	request := scenario.Request{Call: step.Call, Args: step.Args, Probe: name, Times: 1, Anyhow: step.Anyhow, Then: step.Then}
	s.rec.Order = append(s.rec.Order, step.As)
	s.rec.Calls[step.As] = evidence.Call{Name: step.Call}
	if step.Async {
		if err := s.driver.send(&request); err != nil {
			return s.driver.deaf(step.As)
		}
		s.driver.late[request.ID] = step.As
		return nil
	}
	reply, grown, took, err := s.repeat(step, request)
	if err != nil {
		return err
	}
	s.rec.Calls[step.As] = claim(step.Call, reply, grown, took)
	if sig.Starts && !reply.Failed && reply.Panic == "" && !reply.Missing {
		s.awaitProbe(name, before)
	}
	return nil
}

// repeat makes the call as often as the step says, and measures what many calls
// leave behind.
func (s *session) repeat(step scenario.Step, r scenario.Request) (scenario.Reply, evidence.Growth, float64, error) {
	var grown evidence.Growth
	began := time.Now()
	if step.Times <= 1 {
		reply, err := s.driver.ask(step.As, r)
		return reply, grown, millis(began), err
	}
	r.Times = warmUp
	known := s.living()
	reply, err := s.driver.ask(step.As, r)
	if err != nil || reply.Failed && !step.Anyhow || reply.Missing || reply.Panic != "" {
		return reply, grown, millis(began), err
	}
	s.settle(known)
	a, err := s.sample()
	if err != nil {
		return reply, grown, 0, err
	}
	r.Times = step.Times
	if reply, err = s.driver.ask(step.As, r); err != nil {
		return reply, grown, 0, err
	}
	if reply.FailedAt > 0 {
		reply.FailedAt += warmUp
	}
	s.settle(known)
	b, err := s.sample()
	grown = evidence.Growth{
		Calls: step.Times, DataKiB: b.DataKiB - a.DataKiB, FDs: b.FDs - a.FDs,
		Zombies: b.Zombies - a.Zombies, Mounts: b.Mounts - a.Mounts, Threads: b.Threads - a.Threads,
	}
	return reply, grown, millis(began), err
}

// settle waits until whom the calls have started has ended, were it late, and
// so counts as what it is: reaped, or a zombie.
func (s *session) settle(known map[int]bool) {
	for limit := s.clock.within(patience); !limit.over(); s.probes.next(pollEvery) {
		settled := true
		for pid := range s.living() {
			settled = settled && known[pid]
		}
		if settled {
			return
		}
	}
}

// living are the processes of the box that are more than zombies.
func (s *session) living() map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	members, err := s.observer.Members()
	if err != nil {
		return nil
	}
	pids := map[int]bool{}
	for _, pid := range members {
		if alive(pid) {
			pids[pid] = true
		}
	}
	return pids
}

func (s *session) sample() (observe.Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sample, err := s.observer.Sample()
	if err != nil && !s.lack.lacks(err) {
		if end := s.driver.over(); end != nil {
			return sample, &ended{*end}
		}
	}
	return sample, err
}

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

func claim(name string, r scenario.Reply, grown evidence.Growth, took float64) evidence.Call {
	failed := r.Failed || r.Missing || r.Panic != ""
	return evidence.Call{
		Name: name, Returned: r.Panic == "", OK: !failed, Failed: failed, Errno: clip(r.Errno, 32),
		Error: clip(r.Error, 2000), Missing: r.Missing, Panic: clip(r.Panic, 4000), Value: r.Value, PID: r.PID,
		Exited: r.Exited, Status: r.Status, Signal: r.Signal, Hostname: clip(r.Hostname, 256),
		Flags: int(r.Flags), FailedAt: r.FailedAt, Took: took, Grown: grown,
	}
}

func clip(text string, most int) string {
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// awaitProbe waits, after a call that starts a probe, until it has checked in, or
// until nothing is left alive that could: also after a call that should have
// waited for it, and may not have.
func (s *session) awaitProbe(name string, before int) {
	for limit := s.stepLimit(); !limit.over(); {
		if s.probes.await(name, before+1, pollEvery) {
			return
		}
		if s.idle() {
			// It may have checked in and ended between two looks.
			s.probes.await(name, before+1, pollEvery)
			return
		}
	}
}

const pollEvery = 10 * time.Millisecond

// idle reports whether nothing lives in the box but its init, the driver and
// probes that have checked in.
func (s *session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	members, err := s.observer.Members()
	s.lack.lacks(err)
	if err != nil {
		return true
	}
	for _, pid := range members {
		if pid == s.box.Init || pid == s.box.Driver || s.probes.known(pid) {
			continue
		}
		if alive(pid) {
			return false
		}
	}
	return true
}

// kill ends the driver from outside.
func (s *session) kill(step scenario.Step) error {
	if step.Kill != "driver" {
		return fmt.Errorf("cannot kill %q", step.Kill)
	}
	limit := s.stepLimit()
	for s.supervisor != nil && len(s.sc.Faults) > 0 && !s.supervisor.Holding() && !limit.over() {
		if !s.probes.next(pollEvery) && s.idle() && len(s.driver.replies) > 0 {
			break // the call came back without ever meeting the fault
		}
	}
	s.killed = true
	s.mu.Lock()
	s.observer.KeepRoot()
	s.mu.Unlock()
	if err := s.box.KillDriver(); err != nil {
		return err
	}
	s.driver.over()
	s.driver.lastWords()
	// What should notice its parent's death gets the time to.
	for limit := s.clock.within(patience); !limit.over() && !s.idle(); {
		s.probes.next(pollEvery)
	}
	return nil
}
