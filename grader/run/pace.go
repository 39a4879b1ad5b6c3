package run

import (
	"sync"
	"time"
)

// Waiting says how long a job may take before it counts as one that waits. A
// job that waits for its own limit needs no processor, so another may begin
// beside it; without that, a few that hang would hold up all the others.
const Waiting = 700 * time.Millisecond

// mostWaiting bounds the sandboxes beyond the asked width: each holds a process
// or two.
const mostWaiting = 6

// pace lets a few jobs work at a time, and some more wait.
type pace struct {
	work chan struct{} // one for each job that works
	all  chan struct{} // one for each job under way
	mu   sync.Mutex
	idle []*worker // the last one used first
	n    int
}

func newPace(width int) *pace {
	return &pace{work: make(chan struct{}, width), all: make(chan struct{}, width*mostWaiting)}
}

// begin waits until one more job may work, and gives it a worker.
func (p *pace) begin(hire func(slot int) *worker) *worker {
	p.all <- struct{}{}
	p.work <- struct{}{}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		w := p.idle[last]
		p.idle = p.idle[:last]
		return w
	}
	p.n++
	return hire(p.n - 1)
}

// during runs a job on w and then gives w back. When the job has taken long
// enough to count as waiting, another may work.
func (p *pace) during(w *worker, job func()) {
	stop := sync.OnceFunc(func() { <-p.work })
	timer := time.AfterFunc(Waiting, stop)
	job()
	timer.Stop()
	p.mu.Lock()
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	stop()
	<-p.all
}

func (p *pace) close() {
	for _, w := range p.idle {
		w.close()
	}
}

// paced is [Scenarios] for many jobs of which some hang.
func paced(o Options, n int, more func() bool, do func(w *worker, i int)) {
	p := newPace(width(o.Jobs, n))
	var jobs sync.WaitGroup
	for i := 0; i < n && more(); i++ {
		w := p.begin(func(slot int) *worker { return &worker{opener: o.Opener, slot: slot} })
		jobs.Go(func() { p.during(w, func() { do(w, i) }) })
	}
	jobs.Wait()
	p.close()
}
