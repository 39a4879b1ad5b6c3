package tests

import (
	"encoding/json"
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
	cmd := exec.Command(filepath.Join(bin, "moulinette"), append([]string{"grade", "../reference", "--format", "json", "--seed", "1"}, args...)...)
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

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
