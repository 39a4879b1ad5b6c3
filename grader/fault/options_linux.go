package fault

import (
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// Options say what a supervisor does. The zero value only writes a trace.
type Options struct {
	Faults    []scenario.Fault // Errno and Hold are tried in this order; the first that strikes wins
	Grant     bool             // give back what is refused for no reason but the box's user namespace; asks for real root
	Withhold  bool             // without real root: note in Result.Withheld what Grant would have given back
	Start     time.Time        // events are timed from here; zero: from Supervise on
	ProbePath string           // what "execve" faults are about; empty: scenario.ProbePath
	// Later calls f after a while of the box's own time, unless it is stopped
	// before; nil: [time.AfterFunc].
	Later   func(d time.Duration, f func()) (stop func())
	BoxInit int // host pid of the box's init: its user namespace is the one whose refusals are given back

	maxEvents int // of the trace, for tests
}

// Result is what a supervisor saw.
type Result struct {
	Faults   []evidence.FaultSeen // one for each of Options.Faults, in that order
	Trace    []evidence.Event     // from Arm on, and not without end; all of it if Arm was never called
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
	if o.maxEvents == 0 {
		o.maxEvents = defaultMaxEvents
	}
	if o.ProbePath == "" {
		o.ProbePath = scenario.ProbePath
	}
	return o
}
