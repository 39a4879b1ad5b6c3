package vm

import (
	"fmt"
	"strconv"
	"time"

	"moulinette/grader/evidence"
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
	passed, most := time.Since(w.since), time.Duration(0)
	for tid, now := range observe.Scheds(w.pid) {
		most = max(most, now.Waited-w.was[tid].Waited)
	}
	if (passed-most)*slowest >= passed {
		return nil
	}
	return fmt.Errorf("sandbox: this host is too busy: for %v of %v the machine waited for a processor", most.Round(time.Millisecond), passed.Round(time.Millisecond))
}

// hung tells whether a record rests on a time limit.
func hung(rec *evidence.Record) bool { return rec != nil && rec.End.Outcome == evidence.Hung }
