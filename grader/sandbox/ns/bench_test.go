package ns_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// staticTrue compiles the smallest program there is.
func staticTrue(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	source := filepath.Join(dir, "true.c")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	program := filepath.Join(dir, "true")
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", program, source).CombinedOutput(); err != nil {
		tb.Fatalf("gcc: %v\n%s", err, out)
	}
	return program
}

// BenchmarkBox opens a fresh box, runs a static C true in it as the driver, and
// closes it; in turn with it, bwrap does the same. The medians and their ratio
// are reported: on a noisy machine only the ratio means anything.
func BenchmarkBox(b *testing.B) {
	program := staticTrue(b)
	s := open(b, program)
	var boxes, bwraps []time.Duration
	// Ten in a row, so that the box that is made ahead is paid for, too.
	const row = 10
	for b.Loop() {
		boxes = append(boxes, timed(b, repeated(row, func() error { return boxOnce(s) }))/row)
		bwraps = append(bwraps, timed(b, repeated(row, func() error {
			return exec.Command("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", program).Run()
		}))/row)
	}
	box, bwrap := median(boxes), median(bwraps)
	b.ReportMetric(box.Seconds()*1000, "box-ms")
	b.ReportMetric(bwrap.Seconds()*1000, "bwrap-ms")
	b.ReportMetric(box.Seconds()/bwrap.Seconds(), "box/bwrap")
	b.ReportMetric(0, "ns/op")
}

func repeated(n int, f func() error) func() error {
	return func() error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

func boxOnce(s sandbox.Sandbox) error {
	rec, err := s.Run(context.Background(), scenario.Scenario{ID: "true"})
	if err != nil {
		return err
	}
	if rec.End.Outcome != evidence.Exited || rec.End.Exit != 0 {
		return fmt.Errorf("end %+v; want exited 0", rec.End)
	}
	return nil
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
