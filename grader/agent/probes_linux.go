package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/observe"
	"moulinette/grader/scenario"
)

// probes receives the probes of one session. Who connects may be anybody: what
// counts is what the kernel says of the process at the other end.
type probes struct {
	s         *session
	listeners []*net.UnixListener
	readers   sync.WaitGroup

	names map[string]bool // that the scenario gives to probes; not changed

	mu        sync.Mutex
	strangers map[string]bool // other names, see [maxStrangers]
	scripts   map[string]scenario.Script
	counts    map[string]int
	live      map[string]*visitor // the last of each name that stays
	asked     map[*visitor]bool   // those whose answer is waited for
	pids      map[int]bool        // every process that has checked in and done its first deeds
	pidfds    map[string]*os.File // the first of each name that is recorded
	held      map[*os.File]bool   // the pidfds to be closed in the end
	changed   chan struct{}       // closed and replaced at each check-in
	closed    bool
	conns     []*net.UnixConn
}

// visitor is a probe that waits for orders.
type visitor struct {
	conn  *net.UnixConn
	r     *bufio.Reader
	pid   int
	pidfd *os.File
}

func newProbes(s *session) *probes {
	p := &probes{
		s: s, names: named(s.sc), strangers: map[string]bool{},
		scripts: map[string]scenario.Script{}, counts: map[string]int{}, live: map[string]*visitor{},
		asked: map[*visitor]bool{}, pids: map[int]bool{}, pidfds: map[string]*os.File{}, held: map[*os.File]bool{}, changed: make(chan struct{}),
	}
	for _, t := range s.sc.World.Targets {
		p.scripts[t.Name] = scenario.Script{Name: t.Name, Stay: true}
	}
	p.listeners = append([]*net.UnixListener{s.agent.template.Socket()}, s.box.Sockets...)
	turnAway(s.agent.template.Socket())
	for _, l := range p.listeners {
		_ = l.SetDeadline(time.Time{})
		p.readers.Add(1)
		go p.accept(l)
	}
	return p
}

// turnAway closes the connections that wait at a socket which outlives boxes:
// whoever made them is dead, and shall not speak in the next scenario.
func turnAway(l *net.UnixListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	hurry(func() {
		_ = raw.Control(func(fd uintptr) {
			for {
				conn, _, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC)
				switch {
				case err == nil:
					_ = unix.Close(conn)
				case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED):
					return // none is left
				}
			}
		})
	})
}

func (p *probes) accept(l *net.UnixListener) {
	defer p.readers.Done()
	for {
		conn, err := l.AcceptUnix()
		switch {
		case p.s.lacks(err), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // a visitor that has gone again
		}
		tight := crowded(conn)
		p.mu.Lock()
		over := p.closed || tight || len(p.conns) >= 4096
		if !over {
			p.conns = append(p.conns, conn)
			p.readers.Add(1)
		}
		p.mu.Unlock()
		if over {
			conn.Close()
			continue
		}
		go func() {
			defer p.readers.Done()
			p.receive(conn)
		}()
	}
}

// fewDescriptors are so few that they are not worth dividing.
const fewDescriptors = 512

// crowded tells whether there are too many visitors to leave half of the descriptors to
// our looks: who comes in crowds shall not blind us. Each takes two, the second later,
// and the kernel gives the lowest that is free.
func crowded(conn *net.UnixConn) bool {
	var limit unix.Rlimit
	raw, err := conn.SyscallConn()
	if err != nil || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur < fewDescriptors {
		return false
	}
	crowd := false
	_ = raw.Control(func(fd uintptr) { crowd = uint64(fd) >= limit.Cur/4 })
	return crowd
}

// strike sends a signal to the probe, from outside.
func (v *visitor) strike(signal int) {
	_ = unix.PidfdSendSignal(int(v.pidfd.Fd()), unix.Signal(signal), nil, 0)
}

// order sends an order and keeps what came of its acts.
func (p *probes) order(name string, v *visitor, o scenario.Order, limit *limit) {
	defer limit.guard(v.conn.SetDeadline)()
	p.mu.Lock()
	p.asked[v] = true
	p.mu.Unlock()
	defer p.heard(v)
	line, err := json.Marshal(o)
	if err != nil {
		return
	}
	if _, err := v.conn.Write(append(line, '\n')); err != nil || len(o.Do) == 0 {
		return
	}
	var done scenario.Done
	if line, err = readLine(v.r, maxLine); err != nil || json.Unmarshal(line, &done) != nil {
		return
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	acts := p.s.rec.Probes[name].Acts
	for i, r := range done.Acts[:min(len(done.Acts), len(o.Do))] {
		label := o.Do[i].As
		if label == "" {
			label = o.Do[i].Do
		}
		acts[label] = evidence.ActResult{OK: r.OK, Errno: clip(r.Errno, 32), Value: r.Value, Text: clip(r.Text, 4096), Signal: r.Signal}
	}
}

// heard notes that nothing more is waited for.
func (p *probes) heard(v *visitor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asked, v)
	p.stir()
}

// stir wakes who waits for something to change.
func (p *probes) stir() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// listening tells whether what a dead probe has said last is still to be read.
func (p *probes) listening() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for v := range p.asked {
		if !alive(v.pid) {
			return true
		}
	}
	return false
}

// settle finds out of each probe whether it lives or is dead: one that was killed
// takes its time to die. What answers a question that was put after the signal was
// sent has not been killed by it, for a killed process executes nothing any more.
func (p *probes) settle() {
	limit := p.s.clock.within(patience)
	for !limit.over() && p.listening() {
		p.next(pollEvery)
	}
	p.mu.Lock()
	visitors, pidfds := maps.Clone(p.live), maps.Clone(p.pidfds)
	p.mu.Unlock()
	for name, fd := range pidfds {
		v := visitors[name]
		switch {
		case v == nil:
			awaitEnd(fd, p.s.clock.within(dying))
		case !v.answers(limit):
			awaitEnd(v.pidfd, limit)
		}
	}
}

// answers tells whether a probe that waits for orders answers one that nobody can
// follow: it makes no system call for it that a filter might refuse.
func (v *visitor) answers(limit *limit) bool {
	defer limit.guard(v.conn.SetDeadline)()
	if _, err := v.conn.Write([]byte(`{"do":[{"do":""}]}` + "\n")); err != nil {
		return false
	}
	_, err := readLine(v.r, maxLine)
	return err == nil
}

// expect says what the next probes of that name shall do.
func (p *probes) expect(name string, script scenario.Script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[name] = script
}

func (p *probes) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[name]
}

func (p *probes) known(pid int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pids[pid]
}

// await waits until at least n probes of that name have checked in, for about d.
func (p *probes) await(name string, n int, d time.Duration) bool {
	for deadline := time.Now().Add(p.s.clock.pause(d)); ; {
		p.mu.Lock()
		reached, changed := p.counts[name] >= n, p.changed
		p.mu.Unlock()
		if reached {
			return true
		}
		select {
		case <-changed:
		case <-time.After(time.Until(deadline)):
			p.s.clock.woken(deadline)
			return false
		}
	}
}

// next waits for any check-in, at most d.
func (p *probes) next(d time.Duration) bool {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	d = p.s.clock.pause(d)
	deadline := time.Now().Add(d)
	select {
	case <-changed:
		return true
	case <-time.After(d):
		p.s.clock.woken(deadline)
		return false
	}
}

// ask has a waiting probe observed again and act.
func (p *probes) ask(label string, a scenario.Ask, limit *limit) error {
	p.mu.Lock()
	v := p.live[a.Name]
	p.mu.Unlock()
	if v == nil {
		p.s.note("%s: no probe %s is waiting", label, a.Name)
		return nil
	}
	p.s.mu.Lock()
	e := p.s.rec.Probes[a.Name]
	if later, err := p.s.observer.Process(v.pid); !p.s.lack.lacks(err) && err == nil {
		e.Later = &later
		p.s.rec.Probes[a.Name] = e
	}
	p.s.mu.Unlock()
	p.order(a.Name, v, scenario.Order{Do: a.Do, Exit: a.Exit}, limit)
	if a.Kill != 0 {
		v.strike(a.Kill)
	}
	if a.Exit != nil || a.Kill != 0 {
		v.conn.Close()
	}
	if a.Exit != nil {
		awaitEnd(v.pidfd, p.s.clock.within(patience))
	}
	return nil
}

// awaitEnd waits for the end of a probe that was told to exit, so that whatever
// comes next finds it dead, in the order of the steps and not of the scheduler.
func awaitEnd(pidfd *os.File, limit *limit) {
	for wait := limit.left(); wait > 0 && !readable(pidfd, wait); wait = limit.left() {
	}
}

// readable tells whether a process has ended, and waits for it a while.
func readable(pidfd *os.File, d time.Duration) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}, int(d.Milliseconds()))
	return err == nil && n == 1
}

// note records which probes have ended.
func (p *probes) note() {
	p.mu.Lock()
	pidfds := maps.Clone(p.pidfds) // the box is still there, and who comes in adds to them
	p.mu.Unlock()
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	for name, fd := range pidfds {
		e := p.s.rec.Probes[name]
		e.Ended = readable(fd, 0)
		p.s.rec.Probes[name] = e
	}
}

// close ends all receiving; the box is gone by then.
func (p *probes) close() {
	p.mu.Lock()
	p.closed = true
	conns := slices.Clone(p.conns)
	p.mu.Unlock()
	for _, l := range p.listeners {
		_ = l.SetDeadline(time.Unix(1, 0))
	}
	for _, c := range conns {
		c.Close()
	}
	p.readers.Wait()
	for fd := range p.held {
		fd.Close()
	}
}

// alive reports whether a process is more than a zombie. One of which the first
// thread has ended is alive as long as it has others; one that cannot be looked at
// for a shortage of ours may be.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return observe.Short(err)
	}
	i := strings.LastIndex(string(text), ") ") // a name may hold anything
	fields := strings.Fields(string(text[i+1:]))
	const state, threads = 0, 17
	if i < 0 || len(fields) <= threads {
		return false
	}
	return fields[state] != "Z" && fields[state] != "X" || fields[threads] != "0" && fields[threads] != "1"
}
