package agent

import (
	"cmp"
	"maps"
	"slices"

	"moulinette/grader/scenario"
)

// named are the names of a scenario's probes and targets.
func named(sc scenario.Scenario) map[string]bool {
	names := map[string]bool{}
	for _, t := range sc.World.Targets {
		names[t.Name] = true
	}
	for _, step := range sc.Steps {
		if scenario.Calls()[step.Call].Starts {
			names[probeOf(step)] = true
		}
	}
	return names
}

// probeOf is the name of the probe that a call starts.
func probeOf(step scenario.Step) string {
	if step.Script == nil {
		return "probe"
	}
	return cmp.Or(step.Script.Name, "probe")
}

// maxStrangers is how many names that nobody asked for are recorded: a submission
// makes them up, and could have us hold more than its own memory.
const maxStrangers = 32

// recorded tells whether what is known of a name is kept. p is locked.
func (p *probes) recorded(name string) bool {
	switch {
	case p.names[name] || p.strangers[name]:
		return true
	case len(p.strangers) >= maxStrangers:
		return false
	}
	p.strangers[name] = true
	return true
}

// anyName is the name under which a nameless visitor is noted: of several the first,
// so that a report says the same each time.
func (p *probes) anyName() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(slices.Sorted(maps.Keys(p.scripts)), "probe")[0]
}
