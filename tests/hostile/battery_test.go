package hostile

import (
	"flag"
	"testing"

	"moulinette/tests/battery"
)

var only = flag.String("programs", "", "a pattern: only these programs")

// The whole battery, as root and as an ordinary user with and without
// subordinate ids; where an ordinary user runs the test, as that one.
func TestHostile(t *testing.T) {
	th := open(t, *only)
	for _, as := range th.Users {
		t.Run(string(as), func(t *testing.T) {
			th.play(t, part{as: as}, th.programs)
			th.harmless(t, part{as: as}, th.programs)
		})
	}
}

// sample are programs of each kind that end soon: who takes what all share, who is after
// the box's init and the probe, who changes the machine, who lies about the world.
const sample = "^(signals_queue|kill_everybody|ptrace_probe|other_doors|sysctls|clocks|hostname|remount|orphans|world_forged_failure)$"

// In machines a program has a kernel of its own to harm; where they are reused, the
// honest scenario after it has that kernel, too.
func TestHostileInMachines(t *testing.T) {
	kinds := battery.KindsOfMachines(t)
	th := open(t, battery.InMachines(*only, sample))
	th.Boot(t)
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			there := part{th.Users[0], kind}
			th.play(t, there, th.programs)
			th.harmless(t, there, th.programs)
		})
	}
}
