package fault

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// Supervisor answers for one box. Its methods may be called from anywhere.
type Supervisor struct {
	opt      Options
	file     *os.File // the listener; kept open until the end
	listener listener
	reader   reader
	wake     int // eventfd that ends the loop
	ended    chan struct{}
	settling sync.WaitGroup // calls made in a caller's stead, under way

	mu        sync.Mutex
	closed    bool // nothing can be answered any more
	armed     bool
	faults    []*armed
	held      map[uint32]*hold    // by thread
	forking   map[uint32]attempt  // the last new process that each thread went on to make
	made      map[uint32]identity // what was made for each thread, and a signal took the answer away
	trace     []*evidence.Event
	processes map[uint32]int // of threads that were seen
	result    Result         // all but its faults and its trace
	refused   []*refusal
	ours      map[uint64]bool // file systems made in a caller's stead, by device number
}

// hold is a call that waits for a probe, or for its time.
type hold struct {
	call  *call
	fault *armed
	event *evidence.Event // nil: not in the trace
	stop  func()          // the wait for its time
}

// Supervise answers what arrives on the listener, which it takes over, until no
// process with the filter is left or Close is called.
func Supervise(l *os.File, o Options) *Supervisor {
	o = o.withDefaults()
	s := &Supervisor{
		opt: o, file: l, listener: listener(l.Fd()), reader: newReader(o.ProbePath), ended: make(chan struct{}),
		held: map[uint32]*hold{}, forking: map[uint32]attempt{}, made: map[uint32]identity{}, processes: map[uint32]int{}, ours: map[uint64]bool{},
	}
	var err error
	if s.faults, err = arm(o.Faults); err != nil {
		s.result.Err = err
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		s.result.Err = fmt.Errorf("eventfd: %w", err)
	}
	go s.serve()
	return s
}

// Arm starts the scenario: faults count from here, and so does the trace, since
// what a language's runtime does before is nobody's work.
func (s *Supervisor) Arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = true
	s.trace = nil
}

// Released lets every held call go: a probe has checked in and was observed.
func (s *Supervisor) Released() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		s.release(h, "probe")
	}
}

// Holding tells whether a call is being held, by a thread that still lives.
func (s *Supervisor) Holding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if !s.closed && s.listener.valid(h.call.id) {
			return true
		}
	}
	return false
}

// Close lets go of all that is held, ends the supervisor and waits for its end.
// What is notified afterwards fails with ENOSYS.
func (s *Supervisor) Close() {
	s.mu.Lock()
	if !s.closed {
		one := [8]byte{1}
		_, _ = unix.Write(s.wake, one[:])
	}
	s.mu.Unlock()
	<-s.ended
}

// Result is what was seen so far. A caller may change it.
func (s *Supervisor) Result() Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.result
	for _, e := range s.trace {
		r.Trace = append(r.Trace, *e)
	}
	s.reconsider()
	for _, refused := range s.refused {
		r.Withheld = append(r.Withheld, refused.Refusal)
	}
	r.Faults = make([]evidence.FaultSeen, 0, len(s.faults))
	for _, f := range s.faults {
		r.Faults = append(r.Faults, f.seen)
	}
	return r
}

func (s *Supervisor) serve() {
	defer close(s.ended)
	if err := s.loop(); err != nil {
		s.mu.Lock()
		s.result.Err = errors.Join(s.result.Err, err)
		s.mu.Unlock()
	}
	s.mu.Lock()
	for _, h := range s.held {
		s.release(h, "")
	}
	s.mu.Unlock()
	s.settling.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.file.Close()
	unix.Close(s.wake)
	for _, r := range s.refused {
		r.forget()
	}
}

// loop ends without an error when it is told to, or when nobody is left.
func (s *Supervisor) loop() error {
	n := &notification{}
	for {
		fds := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return fmt.Errorf("poll: %w", err)
		}
		switch {
		case fds[1].Revents != 0:
			return nil
		case fds[0].Revents&unix.POLLIN != 0:
			if err := s.listener.receive(n); err == nil {
				s.handle(n)
			} else if e := unix.Errno(0); !errors.As(err, &e) || !slices.Contains([]unix.Errno{unix.EINTR, unix.ENOENT, unix.EAGAIN}, e) {
				return fmt.Errorf("receive a notification: %w", err)
			}
		case fds[0].Revents&^unix.POLLERR != 0: // POLLERR alone: a signal of ours has broken off the look
			return nil
		}
	}
}

// handle answers one notification, or sees to it that it will be.
func (s *Supervisor) handle(n *notification) {
	c := s.reader.read(n)
	if c == nil { // a rule without a reader cannot be
		_ = s.listener.goOn(n.id)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reconsider()
	if !s.listener.valid(n.id) || s.again(c) {
		return
	}
	event := s.record(c)
	var f *armed
	if s.armed {
		f = strike(s.faults, c)
	}
	switch {
	case f == nil:
		s.proceed(c, event)
	case f.Hold:
		s.hold(c, f, event)
	default:
		note(event, f.Errno)
		if s.interrupted(c, s.listener.fail(n.id, f.errno)) {
			note(event, "interrupted by a signal")
			spare(s.faults, c, f)
		}
	}
}

// interrupted tells whether an answer came too late for a caller who lives.
func (s *Supervisor) interrupted(c *call, err error) bool {
	return errors.Is(err, unix.ENOENT) && unix.Tgkill(s.process(c), int(c.tid), 0) == nil
}

// again tells whether the call is one that was seen before: interrupted by a
// signal and restarted by the kernel. It is dealt with then.
func (s *Supervisor) again(c *call) bool {
	if h := s.held[c.tid]; h != nil {
		if h.call.identity() == c.identity() { // a thread cannot make a second call while it waits
			h.call = c
			return true
		}
		s.forget(h)
	}
	if id, ok := s.made[c.tid]; ok {
		delete(s.made, c.tid)
		if id == c.identity() {
			_ = s.listener.fail(c.id, 0)
			return true
		}
	}
	last, ok := s.forking[c.tid]
	delete(s.forking, c.tid)
	if !ok || last.identity != c.identity() || last.offspring != c.Offspring() {
		return false
	}
	s.goOn(c)
	return true
}

// hold keeps a call waiting without keeping anybody else.
func (s *Supervisor) hold(c *call, f *armed, event *evidence.Event) {
	h := &hold{call: c, fault: f, event: event}
	s.held[c.tid] = h
	note(event, "held")
	h.stop = s.opt.Later(f.holdFor(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[h.call.tid] == h {
			s.release(h, "time")
		}
	})
}

// release lets a held call go; by is probe, time, or empty at the end of all.
func (s *Supervisor) release(h *hold, by string) {
	s.forget(h)
	switch by {
	case "probe":
		note(h.event, "held until the probe had been seen")
	case "time":
		note(h.event, fmt.Sprintf("held %d ms", h.fault.holdFor().Milliseconds()))
	}
	if by != "" && s.listener.valid(h.call.id) {
		h.fault.seen.Released = by
	}
	s.proceed(h.call, h.event)
}

func (s *Supervisor) forget(h *hold) {
	h.stop()
	delete(s.held, h.call.tid)
}

// proceed lets a call be made: by its caller, or in its stead.
func (s *Supervisor) proceed(c *call, event *evidence.Event) {
	if do := s.deed(c); do != nil {
		s.settling.Go(func() { s.settle(c, event, do) })
		return
	}
	s.goOn(c)
}

// goOn lets the caller make the call itself.
func (s *Supervisor) goOn(c *call) {
	if slices.Contains(c.effects, "fork") {
		if o := c.Offspring(); o != "" {
			s.forking[c.tid] = attempt{c.identity(), o}
		}
	}
	_ = s.listener.goOn(c.id) // it fails if the caller died meanwhile
}

// record adds the call to the trace; nil if it is not worth it, or too much.
func (s *Supervisor) record(c *call) *evidence.Event {
	if c.dull || len(s.trace) >= s.opt.maxEvents {
		return nil
	}
	e := &evidence.Event{
		Millis: float64(time.Since(s.opt.Start).Microseconds()) / 1000,
		PID:    s.process(c), Call: c.name, Detail: c.detail, Path: c.path, Argv: c.argv,
	}
	s.trace = append(s.trace, e)
	return e
}

// process is the process of the calling thread. A signal that is none asks the
// kernel whether what was known is still so, for a fraction of what /proc costs.
func (s *Supervisor) process(c *call) int {
	tid := int(c.tid)
	for _, pid := range []int{s.processes[c.tid], tid} {
		if pid == 0 {
			continue
		}
		if err := unix.Tgkill(pid, tid, 0); err == nil || err == unix.EPERM {
			return pid
		}
	}
	st, err := c.Status()
	if err != nil {
		return tid
	}
	s.processes[c.tid] = st.TGID
	return st.TGID
}

// note writes down what became of a recorded call.
func note(e *evidence.Event, result string) {
	if e != nil {
		e.Result = result
	}
}

// noteAlso writes down what became of it after that.
func noteAlso(e *evidence.Event, result string) {
	if e != nil && e.Result != "" {
		result = e.Result + ", " + result
	}
	note(e, result)
}
