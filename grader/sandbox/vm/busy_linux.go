package vm

import (
	"fmt"
	"strconv"
	"time"

	"moulinette/grader/lack"
	"moulinette/grader/observe"
)

// A guest's clock goes on while QEMU waits for a processor of the host. Limits are
// wide enough for a machine at a quarter of its speed; of one that was slower still
// nobody can tell whether the submission hung.
const slowest = 4

// watched is how long a machine's threads had waited for a processor when
// somebody began to look.
type watched struct {
	pid   string
	since time.Time
	was   map[int]observe.Sched
}

func (m *machine) watched() watched {
	pid := strconv.Itoa(m.PID())
	return watched{pid: pid, since: time.Now(), was: observe.Scheds(pid)}
}

// starved tells of a host that left a machine too little time, as far as it can be
// seen while QEMU lives.
func (w watched) starved() error {
	passed := time.Since(w.since)
	waited := starved(passed, w.was, observe.Scheds(w.pid))
	if waited == 0 {
		return nil
	}
	waited, passed = waited.Round(time.Millisecond), passed.Round(time.Millisecond)
	return fmt.Errorf("sandbox: %w", &lack.Error{
		EN: fmt.Sprintf("this host is too busy: for %v of %v the machine waited for a processor", waited, passed),
		FR: fmt.Sprintf("cette machine est trop occupée : pendant %v sur %v, la machine virtuelle a attendu un processeur", waited, passed),
	})
}

// starved is how long a machine waited for a processor, if that was too long; 0 if not.
// Its threads wait for each other, so their waits for a processor are taken to have been
// one after another. But one that ran for its share was not kept from it, whatever it
// did to the others.
func starved(passed time.Duration, was, now map[int]observe.Sched) time.Duration {
	var ran, waited time.Duration
	for tid, s := range now {
		ran = max(ran, s.Ran-was[tid].Ran)
		waited += max(0, s.Waited-was[tid].Waited)
	}
	waited = min(waited, passed)
	if (passed-waited)*slowest >= passed || ran*slowest >= passed {
		return 0
	}
	return waited
}
