package agent

import (
	"strconv"
	"sync"
	"time"

	"moulinette/grader/observe"
)

// clock tells how long a scenario lasts. Other programs may have the processors,
// and that is not the submission's fault: while the box waits for one the clock
// stands still, or nearly so. It never goes slower than the box makes use of the
// processors, so that who is in its own way gains nothing by it.
type clock struct {
	slow float64 // how much slower it may go than the world's; 1: no slower

	mu    sync.Mutex
	box   func() ([]int, error) // the processes whose waiting counts
	set   time.Time             // when it was last looked at
	next  time.Time             // when it may be next
	shows time.Duration         // what it showed then
	known map[int]thread
}

// thread is what is known of one.
type thread struct {
	observe.Sched
	ahead time.Duration // that it waited which the kernel had not noted yet
}

// glance is how often a clock is looked at by who waits for it: a thread that ends
// takes the notes about its waiting with it.
const glance = 100 * time.Millisecond

// costs: of the time, at most one part in so many is spent looking.
const costs = 10

func newClock(slow float64) *clock {
	c := &clock{slow: slow}
	c.start(func() ([]int, error) { return nil, nil })
	return c
}

// start starts it anew.
func (c *clock) start(box func() ([]int, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.box, c.set, c.next, c.shows, c.known = box, now, now, 0, nil
}

// look sets the clock by what has been waited, if it was not just done, and tells
// what it shows.
func (c *clock) look() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.next) {
		return c.shows
	}
	passed := now.Sub(c.set)
	if c.slow <= 1 {
		c.shows += passed
	} else {
		ran, waited := c.account(passed)
		c.shows += min(passed, max(passed-waited, ran, time.Duration(float64(passed)/c.slow)))
		c.next = now.Add(costs * time.Since(now))
	}
	c.set = now
	return c.shows
}

// fresh tells whether it was looked at not long ago.
func (c *clock) fresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.set) < glance
}

// account tells how long the box's threads ran and how long they or our own waited
// since the last time. Our own count from when they are first seen: they live longer
// than a scenario.
func (c *clock) account(passed time.Duration) (ran, waited time.Duration) {
	known := map[int]thread{}
	for tid, now := range observe.Scheds("self") {
		t, seen := c.known[tid]
		if !seen {
			t.Sched = now
		}
		_, w := t.update(now, passed)
		waited, known[tid] = waited+w, t
	}
	pids, _ := c.box() // an error is one of whoever looks for evidence
	for _, pid := range pids {
		for tid, now := range observe.Scheds(strconv.Itoa(pid)) {
			t := c.known[tid]
			r, w := t.update(now, passed)
			ran, waited, known[tid] = ran+r, waited+w, t
		}
	}
	c.known = known
	return ran, waited
}

// update tells how long the thread ran and waited since it was last looked at. The
// kernel notes a wait once it is over: who stands in the queue still, and has not
// run, has waited all the time that has passed.
func (t *thread) update(now observe.Sched, passed time.Duration) (ran, waited time.Duration) {
	ran, noted := max(0, now.Ran-t.Ran), max(0, now.Waited-t.Waited)
	waited = max(0, noted-t.ahead)
	t.ahead = max(0, t.ahead-noted)
	if now.Ready && ran == 0 && noted == 0 {
		t.ahead += passed
		waited += passed
	}
	t.Sched = now
	return ran, waited
}

// limit is a time that the clock comes to show.
type limit struct {
	clock *clock
	begun time.Time
	span  time.Duration
	end   time.Duration // on the clock
}

// within is the limit that is d away.
func (c *clock) within(d time.Duration) *limit {
	if !c.fresh() {
		c.look()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return &limit{c, now, d, c.shows + now.Sub(c.set) + d}
}

// left is how long it is worth waiting before asking again: 0 once the time is over.
// As long as it cannot be over, nobody need look.
func (l *limit) left() time.Duration {
	if rest := l.span - time.Since(l.begun); rest > 0 && l.clock.fresh() {
		return min(glance, rest)
	}
	rest := l.end - l.clock.look()
	if rest <= 0 {
		return 0
	}
	return min(glance, max(rest, time.Millisecond))
}

// sooner makes it end when the clock shows t, if that is sooner.
func (l *limit) sooner(t time.Duration) {
	l.span -= max(0, l.end-t)
	l.end = min(l.end, t)
}

func (l *limit) over() bool { return l.left() == 0 }

// guard sets a connection's deadline, so that who waits for it gives up, once the
// time is over.
func (l *limit) guard(deadline func(time.Time) error) (stop func()) {
	return l.then(func() { _ = deadline(time.Unix(1, 0)) })
}

// then calls f once the time is over, unless it is stopped before.
func (l *limit) then(f func()) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		for wait := l.left(); wait > 0; wait = l.left() {
			timer := time.NewTimer(wait)
			select {
			case <-stopped:
				timer.Stop()
				return
			case <-timer.C:
			}
		}
		select {
		case <-stopped:
		default:
			f()
		}
	}()
	return sync.OnceFunc(func() { close(stopped) })
}
