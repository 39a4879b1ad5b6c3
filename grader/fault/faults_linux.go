package fault

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// armed is one fault and how far it has come.
type armed struct {
	scenario.Fault
	errno unix.Errno
	calls int // that matched
	seen  evidence.FaultSeen
}

// arm checks faults before they are used.
func arm(faults []scenario.Fault) ([]*armed, error) {
	effects := scenario.Effects()
	all := make([]*armed, 0, len(faults))
	for i, f := range faults {
		a := &armed{Fault: f, seen: evidence.FaultSeen{Effect: f.Effect}}
		if _, ok := effects[f.Effect]; !ok {
			return nil, fmt.Errorf("fault %d: no such effect: %q", i+1, f.Effect)
		}
		if errno := unix.Errno(scenario.Errno(f.Errno)); errno != 0 {
			a.errno = errno
		} else if !f.Hold {
			return nil, fmt.Errorf("fault %d: no such errno: %q", i+1, f.Errno)
		}
		all = append(all, a)
	}
	return all, nil
}

// strike counts the call and returns the fault that it meets now, if any.
func strike(faults []*armed, c *call) *armed {
	var struck *armed
	for _, f := range faults {
		if !c.matches(f.Effect, f.Path) {
			continue
		}
		f.calls++
		if struck == nil && (f.Nth == 0 || f.Nth == f.calls) {
			struck = f
			f.seen.Fired++
		}
	}
	return struck
}

// spare takes back what strike counted of a call that never had its answer: before
// Linux 5.19 a signal takes the notification away, and the call comes again.
func spare(faults []*armed, c *call, struck *armed) {
	for _, f := range faults {
		if c.matches(f.Effect, f.Path) {
			f.calls--
		}
	}
	struck.seen.Fired--
}

func (a *armed) holdFor() time.Duration {
	if a.HoldMS == 0 {
		return defaultHold
	}
	return time.Duration(a.HoldMS) * time.Millisecond
}
