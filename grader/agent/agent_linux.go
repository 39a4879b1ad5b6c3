package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/fault"
	"moulinette/grader/probe"
	"moulinette/grader/scenario"
)

// agent keeps what lives longer than a scenario.
type agent struct {
	setup    Setup
	template *box.Template
	host     evidence.Host
}

func open(s Setup) (*agent, error) {
	if err := netlinkWorks(); err != nil {
		return nil, err
	}
	t, err := box.NewTemplate(s.Box)
	if err != nil {
		return nil, err
	}
	a := &agent{setup: s, template: t}
	a.host = evidence.Host{Tier: s.Tier, Kernel: kernel(), Features: t.Features()}
	if fault.Supported() == nil {
		a.host.Features = append(a.host.Features, box.FeatureFaults)
	}
	if probe.OtherABI() {
		a.host.Features = append(a.host.Features, box.FeatureOtherABI)
	}
	slices.Sort(a.host.Features)
	if s.Try {
		if err := t.Try(); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	if s.Alone {
		t.Prepare()
		t.Prepared()
	}
	return a, nil
}

// netlinkWorks: where it does not, no submission can do its work, and it would
// look like its own fault.
func netlinkWorks() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	return unix.Close(fd)
}

func kernel() string {
	var uts unix.Utsname
	if unix.Uname(&uts) != nil {
		return ""
	}
	return unix.ByteSliceToString(uts.Release[:])
}

func (a *agent) has(feature string) bool { return slices.Contains(a.host.Features, feature) }

// limits are the scenario's, with more time where everything takes longer.
func (a *agent) limits(sc scenario.Scenario) scenario.Limits {
	l := sc.Limits.WithDefaults()
	l.StepMS, l.ScenarioMS = a.longer(l.StepMS), a.longer(l.ScenarioMS)
	return l
}

// patience is how much longer than its limits a scenario may take that gets no
// processor. In a machine of its own nobody takes it away.
func (a *agent) patience() float64 {
	if a.setup.Alone {
		return 1
	}
	return scenario.Patience
}

// faults are the scenario's: what is held is held for longer, too, or the other
// side would never be too early.
func (a *agent) faults(sc scenario.Scenario) []scenario.Fault {
	faults := slices.Clone(sc.Faults)
	for i, f := range faults {
		if f.Hold {
			faults[i].HoldMS = a.longer(cmp.Or(f.HoldMS, scenario.HoldMS))
		}
	}
	return faults
}

func (a *agent) longer(ms int) int { return int(float64(ms) * max(1, a.setup.Slow)) }

// missing names the feature without which the scenario cannot even be set up.
func (a *agent) missing(sc scenario.Scenario) string {
	switch {
	case len(sc.Faults) > 0 && !a.has(box.FeatureFaults):
		return box.FeatureFaults
	case sc.World.As != 0 && !a.has(box.FeatureIDRange):
		return box.FeatureIDRange
	case sc.Root == scenario.RealRoot && !a.has(box.FeatureRealRoot):
		return box.FeatureRealRoot
	}
	return ""
}
