package agent

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/observe"
)

// clock tells how long a scenario lasts, by the time that it could make use of.
// Other programs may have the processors or the memory, and that is not the
// submission's fault: while the box waits for a processor, or the whole host for
// memory, the clock stands still. It never goes slower than the box makes use of
// processors, so that who is in its own way gains nothing by it.
//
// A lock of the kernel's may be with somebody who was put off: who waits for that waits
// for a processor, too, while none is idle. And some such waits are nobody's that can be
// seen. Who dies leaves /proc before it is dead, and the group that its session had
// (sched(7), autogroup), so that at nice 19 the rest takes seconds. While no processor
// is idle and the kernel owes the box such a thing, the clock hardly moves.
type clock struct {
	patience float64 // of a limit, see [scenario.Patience]; 1: the clock is the world's

	mu      sync.Mutex
	box     func() ([]int, error) // the processes whose waiting counts
	set     time.Time             // when it was last looked at
	next    time.Time             // when it may be next
	shows   time.Duration         // what it showed then
	known   map[int]thread
	nice    int           // ours, and
	policy  int           // ours, see [observe.Sched]
	stalled time.Duration // see [observe.MemoryStall]
	idle    time.Duration // see [observe.Idle]
	late    time.Duration // how much later than it should a wait of ours has ended
	starved error         // a limit was over before the box could make use of its time
	expired bool          // a limit was over, but for those that what is dying has
}

// thread is what is known of one.
type thread struct {
	observe.Sched
	ahead time.Duration // that it waited which the kernel had not noted yet
}

// glance is how often a clock is looked at by who waits for it: a thread that ends
// takes the notes about its waiting with it.
const glance = 100 * time.Millisecond

// costs: of the time, at most one part in so many is spent looking, or waiting for a
// processor only to look.
const costs = 10

func newClock(patience float64) *clock {
	c := &clock{patience: patience}
	c.start(func() ([]int, error) { return nil, nil })
	return c
}

// start starts it anew.
func (c *clock) start(box func() ([]int, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.box, c.set, c.next, c.shows, c.known = box, now, now, 0, nil
	if c.patience > 1 {
		own := observe.Scheds("self")[os.Getpid()]
		c.nice, c.policy = own.Nice, own.Policy
		c.stalled, c.idle = observe.MemoryStall(), observe.Idle()
	}
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
	if c.patience > 1 {
		busy := c.busy(passed)
		ran, waited, owed := c.account(passed, busy)
		useful := c.productive(passed) - waited
		if busy && owed {
			useful = c.least(passed)
		}
		c.shows += min(passed, max(useful, ran))
		c.next = now.Add(costs * time.Since(now))
	} else {
		c.shows += passed
	}
	c.set = now
	return c.shows
}

// productive is what is left of a time without that in which the host waited for
// memory.
func (c *clock) productive(passed time.Duration) time.Duration {
	before := c.stalled
	c.stalled = observe.MemoryStall()
	return max(passed-max(0, c.stalled-before), c.least(passed))
}

// busy tells whether no processor was idle.
func (c *clock) busy(passed time.Duration) bool {
	before := c.idle
	c.idle = observe.Idle()
	return c.idle-before < passed/10
}

// least is what counts of a time whatever the host does, where a box can bring that
// about itself: who does has hung in the end.
func (c *clock) least(passed time.Duration) time.Duration {
	return time.Duration(float64(passed) / c.patience)
}

// account tells how long the box's threads ran, how long they or our own waited since
// the last time, and whether one of them waits for the kernel. Our own count from when
// they are first seen: they live longer than a scenario. While a processor is idle,
// nobody who sleeps stands in a queue. Who stands further back in it than we do, or in
// one for those who have time, has gone there itself, and its waiting does not count.
func (c *clock) account(passed time.Duration, busy bool) (ran, waited time.Duration, owed bool) {
	known := map[int]thread{}
	for tid, now := range observe.Scheds("self") {
		t, seen := c.known[tid]
		if now.Ready = false; !seen { // whatever waits still, we do not wait for it
			t.Sched = now
		}
		_, w := t.update(now, passed)
		waited, known[tid], owed = waited+w, t, owed || now.Held
	}
	pids, _ := c.box() // an error is one of whoever looks for evidence
	for _, pid := range pids {
		behind := observe.GroupNice(strconv.Itoa(pid)) > 0 // its session is one of the box's
		for tid, now := range observe.Scheds(strconv.Itoa(pid)) {
			t := c.known[tid]
			last := behind || now.Nice > c.nice || now.Policy != unix.SCHED_NORMAL && now.Policy != c.policy
			queued := !last && (busy || now.Ran > t.Ran) && now.Queued()
			now.Ready = !last && (now.Ready || busy && queued)
			r, w := t.update(now, passed)
			if r > 0 && queued && !now.Blocked { // it buries the dead
				r, owed = 0, true
			}
			if last {
				w = 0
			}
			ran, waited, known[tid], owed = ran+r, waited+w, t, owed || now.Held
		}
	}
	c.known = known
	return ran, waited, owed
}

// update tells how long the thread ran and waited since it was last looked at. The
// kernel notes a wait once it is over: who runs or stands in the queue now is taken
// to have done one or the other all the time.
func (t *thread) update(now observe.Sched, passed time.Duration) (ran, waited time.Duration) {
	ran, noted := max(0, now.Ran-t.Ran), max(0, now.Waited-t.Waited)
	waited = max(0, noted-t.ahead)
	t.ahead = max(0, t.ahead-noted)
	if more := passed - ran - waited; now.Ready && more > 0 {
		t.ahead += more
		waited += more
	}
	t.Sched = now
	return ran, waited
}

// limit is a time that the clock comes to show.
type limit struct {
	clock   *clock
	begun   time.Time
	span    time.Duration
	end     time.Duration // on the clock
	decides bool          // who meets it is told that it hung
	awaited time.Time     // until when whoever asked last would wait
}

// within is the limit that is d away.
func (c *clock) within(d time.Duration) *limit {
	if !c.fresh() {
		c.look()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return &limit{clock: c, begun: now, span: d, end: c.shows + now.Sub(c.set) + d}
}

// sooner makes it end when the clock shows t, if that is sooner.
func (l *limit) sooner(t time.Duration) {
	l.span -= max(0, l.end-t)
	l.end = min(l.end, t)
}

// left is how long it is worth waiting before asking again: 0 once the time is over.
// As long as it cannot be over, nobody need look.
func (l *limit) left() time.Duration {
	l.clock.woken(l.awaited)
	passed, wait := time.Since(l.begun), l.clock.pause(glance)
	if rest := l.span - passed; rest > 0 && l.clock.fresh() {
		return l.wait(min(wait, rest))
	}
	rest, most := l.end-l.clock.look(), time.Duration(l.clock.patience*float64(l.span))-passed
	if rest > 0 && most <= 0 {
		l.clock.gaveUp(l, rest, passed)
	}
	if rest <= 0 || most <= 0 {
		l.clock.expire(l)
		return 0
	}
	return l.wait(min(wait, max(rest, time.Millisecond), most))
}

func (l *limit) wait(d time.Duration) time.Duration {
	l.awaited = time.Now().Add(d)
	return d
}

func (l *limit) over() bool { return l.left() == 0 }

// fresh tells whether the clock was looked at not long ago.
func (c *clock) fresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.set) < max(glance, costs*c.late)
}

// pause is how long to wait for what comes without a word, where d would do.
func (c *clock) pause(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(d, costs*c.late)
}

// woken is told when a wait should have ended: a late one is itself a wait for a
// processor, but nobody else had to wait for it, and so there shall be few.
func (c *clock) woken(should time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if late := time.Since(should); late > 0 && !should.IsZero() {
		c.late = max(late-time.Millisecond, c.late/2)
	}
}

// gaveUp notes a limit that was over for want of patience. Who could make use of a
// tenth of its time has hung all the same; of another nothing is known.
func (c *clock) gaveUp(l *limit, rest, passed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if own := max(0, l.span-rest); l.decides && float64(own)*c.patience < float64(l.span) {
		c.starved = fmt.Errorf("this host is too busy: in %v the submission could make use of %v", passed.Round(time.Second), own.Round(time.Millisecond))
	}
}

// expire notes that a limit was over.
func (c *clock) expire(l *limit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = c.expired || l.span > dying
}

// hurried tells whether a limit was over that could have a record be another one.
func (c *clock) hurried() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expired
}

// starvation is why nothing can be held against a submission that met a limit.
func (c *clock) starvation() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starved
}

// guard sets a connection's deadline, so that who waits for it gives up, once the
// time is over.
func (l *limit) guard(deadline func(time.Time) error) (stop func()) {
	return l.then(func() { _ = deadline(time.Unix(1, 0)) })
}

// then calls f once the time is over, unless it is stopped before.
func (l *limit) then(f func()) (stop func()) {
	stopped := make(chan struct{})
	own := *l
	go func() {
		for wait := own.left(); wait > 0; wait = own.left() {
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
