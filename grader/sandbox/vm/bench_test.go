package vm_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moulinette/grader/sandbox/vm"
	"moulinette/grader/scenario"
)

// BenchmarkMachine boots a machine, the same kernel with an init of a few lines
// under a plain QEMU, makes a clone that answers, and runs a PID
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
	plain := plainMachine(b, op)
	var plains, boots, clones, scenarios []time.Duration
	for b.Loop() {
		plains = append(plains, plain())
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
	b.ReportMetric(boot/median(plains), "boot/plain-boot")
	b.ReportMetric((boot+whole)/whole, "booting-each/cloning-each")
	b.ReportMetric(0, "ns/op")
}

const plainInit = `#include <unistd.h>
int main(void) { write(1, "READY\n", 6); for (;;) pause(); }
`

// plainMachine boots the kernel with an init in C, until that speaks.
func plainMachine(b *testing.B, op *vm.Opener) func() time.Duration {
	b.Helper()
	dir := b.TempDir()
	source, program, initrd := filepath.Join(dir, "init.c"), filepath.Join(dir, "init"), filepath.Join(dir, "initrd")
	if err := os.WriteFile(source, []byte(plainInit), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-static", "-O2", "-o", program, source).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	file, err := os.Create(initrd)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if err := op.Image().WriteShell(file, program, nil); err != nil { // in busybox's place
		b.Fatal(err)
	}
	return func() time.Duration {
		start := time.Now()
		cmd := exec.Command("qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-m", "768",
			"-serial", "stdio", "-kernel", op.Image().Kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet mitigations=off rdinit=/bin/busybox")
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "READY"); {
			continue
		}
		took := time.Since(start)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return took
	}
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
