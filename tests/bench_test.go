package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// grading is the part of the JSON report that the benchmark looks at.
type grading struct {
	Rows []struct {
		Scenarios []struct {
			DurationMS float64 `json:"duration_ms"`
		} `json:"scenarios"`
	} `json:"rows"`
}

// gradeReference grades the reference with its build in the cache, and returns
// the wall time, the scenarios' own time and their number.
func gradeReference(b *testing.B, cache string, args ...string) (wall, raw time.Duration, n int) {
	b.Helper()
	return gradeFolder(b, cache, "../reference", args...)
}

func gradeFolder(b *testing.B, cache, dir string, args ...string) (wall, raw time.Duration, n int) {
	b.Helper()
	cmd := exec.Command(filepath.Join(bin, "moulinette"), append([]string{"grade", dir, "--format", "json", "--seed", "1"}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	start := time.Now()
	out, err := cmd.Output()
	wall = time.Since(start)
	if err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	var g grading
	if err := json.Unmarshal(out, &g); err != nil {
		b.Fatal(err)
	}
	for _, r := range g.Rows {
		for _, s := range r.Scenarios {
			raw += time.Duration(s.DurationMS * float64(time.Millisecond))
			n++
		}
	}
	return wall, raw, n
}

// BenchmarkGrade measures a whole grading of the reference: its wall time
// against the sum of its scenarios' own, two jobs against one, and a part of
// the rows against all, each as a ratio of medians of one run.
func BenchmarkGrade(b *testing.B) {
	cache := b.TempDir()
	gradeReference(b, cache) // builds
	var one, two, raws, part []float64
	var n, few int
	for b.Loop() {
		var wall, raw time.Duration
		wall, raw, n = gradeReference(b, cache, "--jobs", "1")
		one, raws = append(one, wall.Seconds()), append(raws, raw.Seconds())
		wall, _, _ = gradeReference(b, cache, "--jobs", "2")
		two = append(two, wall.Seconds())
		wall, _, few = gradeReference(b, cache, "--jobs", "1", "--only", "pid_isolation", "--only", "network_namespace", "--only", "container_create")
		part = append(part, wall.Seconds())
	}
	b.ReportMetric(middle(two), "grade-s")
	b.ReportMetric(middle(one)/middle(raws), "wall/raw")
	b.ReportMetric(middle(two)/middle(one), "jobs2/jobs1")
	b.ReportMetric(middle(one)/float64(n)*1000, "ms/scenario")
	b.ReportMetric(middle(part)/float64(few)*1000, "ms/scenario-of-part")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLanguages measures a whole grading of either reference, compilation
// included: its text was never seen before, what stands around it was.
func BenchmarkLanguages(b *testing.B) {
	cache := b.TempDir()
	inGo, inC := fresh(b, "../reference", "*.go"), fresh(b, "../reference/c17", "linux_namespaces.?")
	gradeFolder(b, cache, inGo())
	gradeFolder(b, cache, inC())
	var goes, cs []float64
	for b.Loop() {
		wall, _, _ := gradeFolder(b, cache, inGo())
		goes = append(goes, wall.Seconds())
		wall, _, _ = gradeFolder(b, cache, inC())
		cs = append(cs, wall.Seconds())
	}
	b.ReportMetric(middle(goes), "go-s")
	b.ReportMetric(middle(cs), "c17-s")
	b.ReportMetric(middle(cs)/middle(goes), "c17/go")
	b.ReportMetric(0, "ns/op")
}

// fresh copies a submission, and makes it another with each call.
func fresh(b *testing.B, dir, pattern string) func() string {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("%s: %v", dir, err)
	}
	to, n := b.TempDir(), 0
	return func() string {
		n++
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			text = fmt.Appendf(text, "\n/* fresh %d */\n", n)
			if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		return to
	}
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
