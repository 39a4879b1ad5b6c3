package ns_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox/ns"
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
// closes it, again and again. Its rival is BenchmarkBubblewrap.
func BenchmarkBox(b *testing.B) {
	op, err := ns.New(ns.Options{Agent: built.agent})
	if err != nil {
		b.Fatal(err)
	}
	s, err := op.Open(context.Background(), staticTrue(b), 0)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		rec, err := s.Run(context.Background(), scenario.Scenario{ID: "true"})
		if err != nil {
			b.Fatal(err)
		}
		if rec.End.Outcome != evidence.Exited || rec.End.Exit != 0 {
			b.Fatalf("end %+v; want exited 0", rec.End)
		}
	}
}

// BenchmarkBubblewrap does the same with bwrap.
func BenchmarkBubblewrap(b *testing.B) {
	program := staticTrue(b)
	for b.Loop() {
		cmd := exec.Command("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", program)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("bwrap: %v\n%s", err, out)
		}
	}
}
