package agent

import (
	"bufio"
	"encoding/json"
	"net"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// maxHello bounds what a visitor says before it is known: thousands may speak at
// once.
const maxHello = 16 << 10

// receive takes one check-in.
func (p *probes) receive(conn *net.UnixConn) {
	pid, pidfd, err := peer(conn)
	if err != nil {
		p.s.lacks(err)
		conn.Close()
		return
	}
	r := bufio.NewReaderSize(conn, 4096)
	var hello scenario.Hello
	done := p.s.clock.within(patience).guard(conn.SetDeadline)
	defer done()
	line, err := readLine(r, maxHello)
	if err != nil || json.Unmarshal(line, &hello) != nil || len(hello.Name) > 64 {
		p.impostor(p.anyName(), evidence.Nameless, pidfd)
		conn.Close()
		return
	}
	if why := p.s.suspect(pid, pidfd, hello.Name); why != "" {
		p.impostor(hello.Name, why, pidfd)
		conn.Close()
		return
	}
	v := &visitor{conn: conn, r: r, pid: pid, pidfd: pidfd}
	if own, err := v.connectedItself(hello.FD); err != nil || !own {
		p.s.lacks(err)
		p.impostor(hello.Name, evidence.Borrowed, pidfd)
		conn.Close()
		return
	}
	done()
	p.welcome(hello.Name, v)
}

// welcome observes a probe that is ours, and lets it follow its script.
func (p *probes) welcome(name string, v *visitor) {
	p.mu.Lock()
	script := p.scripts[name]
	recorded := p.recorded(name)
	first := recorded && p.pidfds[name] == nil
	if first {
		p.pidfds[name] = v.pidfd
	}
	p.held[v.pidfd] = true
	p.mu.Unlock()

	if recorded {
		if err := p.s.observeProbe(name, v.pid, script, first && p.names[name]); err != nil {
			p.s.note("probe %s could not be observed: %v", name, err)
		}
	}
	if p.s.supervisor != nil && p.names[name] {
		p.s.supervisor.Released()
	}
	limit := p.s.stepLimit()
	if script.Stay && len(script.Do) > 0 {
		// Later steps find it with its deeds done.
		p.order(name, v, scenario.Order{Do: script.Do}, limit)
	}
	p.arrive(name, v, script)
	if !script.Stay {
		p.dismiss(name, v, script, limit)
		p.release(name, v)
	}
}

// release closes the pidfd of a probe with which we have done, if nobody is to know how
// it ended.
func (p *probes) release(name string, v *visitor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfds[name] != v.pidfd {
		delete(p.held, v.pidfd)
		v.pidfd.Close()
	}
}

// observeProbe counts a probe, and looks at the first of its name.
func (s *session) observeProbe(name string, pid int, script scenario.Script, first bool) (err error) {
	held := s.supervisor != nil && s.supervisor.Holding() // before anything that takes time: a hold ends by it
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.rec.Probes[name]
	e.Times++
	if e.Acts == nil { // another of that name may come before the first is looked at
		e.Acts = map[string]evidence.ActResult{}
	}
	if first {
		var process evidence.Process
		process, err = s.observer.Process(pid)
		s.lack.lacks(err)
		e.Seen, e.Process = err == nil, process
		e.Held = held
		e.Files = s.observer.Files(pid, script.Watch)
	}
	s.rec.Probes[name] = e
	return err
}

// arrive makes the check-in known.
func (p *probes) arrive(name string, v *visitor, script scenario.Script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[name]++
	p.pids[v.pid] = true // and not before: until then awaitProbe has something to wait for
	if script.Stay {
		p.live[name] = v
	}
	p.stir()
}

// dismiss lets a probe that does not stay do its deeds and end.
func (p *probes) dismiss(name string, v *visitor, script scenario.Script, limit *limit) {
	// An open socket would keep the network namespace of a dead probe alive.
	defer v.conn.Close()
	if script.Kill == 0 {
		p.order(name, v, scenario.Order{Do: script.Do, Exit: &script.Exit}, limit)
		return
	}
	if len(script.Do) > 0 {
		p.order(name, v, scenario.Order{Do: script.Do}, limit)
	}
	v.strike(script.Kill)
}
