package spec

import (
	"fmt"

	"moulinette/grader/scenario"
)

// longest is how long anything of a scenario may take, in milliseconds.
const longest = 600_000

// lastSignal is the last that there is: another would never be sent, and waited for.
const lastSignal = 64

// limits refuses those under which no right submission could be graded, or which the
// host would pay for. 0, which says the default, is left alone.
func (r *resolver) limits(l *scenario.Limits) {
	for _, field := range []struct {
		value       *int
		key         string
		least, most int
	}{
		{&l.StepMS, "step_ms", 100, longest},
		{&l.ScenarioMS, "scenario_ms", 100, longest},
		{&l.MemoryMiB, "memory_mib", 64, 16_384},
		{&l.Processes, "processes", 16, 4_096},
		{&l.DiskMiB, "disk_mib", 4, 1_024},
		{&l.OutputKiB, "output_kib", 1, 16_384},
	} {
		r.within(field.value, field.key, field.least, field.most)
	}
}

// within reports a number that is given and out of its range.
func (r *resolver) within(pointer *int, key string, least, most int) {
	if n := *pointer; n != 0 && (n < least || n > most) {
		r.d.Report(r.d.Near(pointer), fmt.Sprintf("%s of %d is out of range", key, n),
			fmt.Sprintf("stay between %d and %d, or leave it out for the default", least, most))
	}
}
