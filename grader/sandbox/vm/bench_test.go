package vm_test

import (
	"slices"
	"testing"
	"time"

	"moulinette/grader/sandbox/vm"
	"moulinette/grader/scenario"
)

// BenchmarkMachine boots a machine, makes a clone that answers, and runs a PID
// scenario in one, in turn. The medians and their ratios are reported: on a
// noisy machine only the ratios mean anything.
func BenchmarkMachine(b *testing.B) {
	op := opener(b, vm.Options{})
	s, err := op.Open(b.Context(), built.reference, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	pid := scenario.Scenario{ID: "bench.pid", Steps: []scenario.Step{
		{As: "call", Call: "create_pid_namespace", Script: &scenario.Script{Name: "p", Exit: 42}},
	}}
	var boots, clones, scenarios []time.Duration
	for b.Loop() {
		boots = append(boots, taken(b)(op.Boot(b.Context())))
		clones = append(clones, taken(b)(vm.FirstAnswer(b.Context(), s)))
		start := time.Now()
		run(b, s, pid)
		scenarios = append(scenarios, time.Since(start))
	}
	boot, clone, whole := median(boots), median(clones), median(scenarios)
	b.ReportMetric(boot*1000, "boot-ms")
	b.ReportMetric(clone*1000, "clone-ms")
	b.ReportMetric(whole*1000, "pid-scenario-ms")
	b.ReportMetric(boot/clone, "boot/clone")
	b.ReportMetric((boot+whole)/whole, "booting-each/cloning-each")
	b.ReportMetric(0, "ns/op")
}

func taken(b *testing.B) func(time.Duration, error) time.Duration {
	return func(d time.Duration, err error) time.Duration {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}
