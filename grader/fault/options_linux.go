package fault

import (
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// Options say what a supervisor does. The zero value only writes a trace.
type Options struct {
	Faults    []scenario.Fault // Errno and Hold are tried in this order; the first that strikes wins
	Grant     Grants           // given back to the box; asks for real root
	Withhold  bool             // without real root: note in Result.Withheld what Grant would have given back
	Start     time.Time        // events are timed from here; zero: from Supervise on
	MaxEvents int              // of the trace; 0 means 2000
	ProbePath string           // what "execve" faults are about; empty: scenario.ProbePath
	// Later calls f after a while of the box's own time, unless it is stopped
	// before; nil: [time.AfterFunc].
	Later   func(d time.Duration, f func()) (stop func())
	BoxInit int // host pid of the box's init: its user namespace is the one whose refusals are given back
}

// Grants are calls that the kernel refuses only because the box has a user
// namespace, and that the supervisor then makes itself.
type Grants struct {
	Devices bool // mknod of the six harmless devices, and a tmpfs called dev that they work on
	Proc    bool // mounting a proc where no other one is left to be seen
}

// Result is what a supervisor saw.
type Result struct {
	Faults   []evidence.FaultSeen // one for each of Options.Faults, in that order
	Trace    []evidence.Event     // from Arm on; all of it if Arm was never called
	Dropped  int                  // events beyond MaxEvents
	Withheld []evidence.Refusal   // refused by our user namespace alone, and not had by another road
	Err      error                // the supervisor could not do its work
}

const (
	defaultMaxEvents = 2000
	defaultHold      = scenario.HoldMS * time.Millisecond
	maxWithheld      = 64
)

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	if o.Later == nil {
		o.Later = func(d time.Duration, f func()) func() {
			timer := time.AfterFunc(d, f)
			return func() { timer.Stop() }
		}
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = defaultMaxEvents
	}
	if o.ProbePath == "" {
		o.ProbePath = scenario.ProbePath
	}
	return o
}
