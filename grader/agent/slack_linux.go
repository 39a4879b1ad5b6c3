package agent

import (
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how late a short sleep may end in an agent and whatever it starts
// (prctl(2), PR_SET_TIMERSLACK). Go's monitor thread sleeps 20 µs at a time while
// its program is busy, in each of the programs of a scenario: with the usual slack
// of 50 µs that was a fifth of the time that a grading takes.
const timerSlack = time.Millisecond

// Slacken gives the calling thread, and whatever is started from it, a timer slack
// of a millisecond. Threads that are there already keep theirs, so it is called by
// whoever executes an agent.
func Slacken() error {
	return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack.Nanoseconds()), 0, 0, 0)
}
