package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// aged makes a cache in which each KIND/KEY was used so long ago; each takes
// 64 KiB.
func aged(t *testing.T, used map[string]time.Duration) string {
	t.Helper()
	cache := t.TempDir()
	for name, ago := range used {
		put(t, cache, name+"/data", []byte(strings.Repeat("data", 16<<10)))
		at := time.Now().Add(-ago)
		if err := os.Chtimes(filepath.Join(cache, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	return cache
}

func keys(t *testing.T, cache string) (names []string) {
	t.Helper()
	all, err := Entries(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Kind+"/"+e.Key)
	}
	return names
}

func TestPrune(t *testing.T) {
	const day = 24 * time.Hour
	cache := aged(t, map[string]time.Duration{
		"kernels/a": 0, "images/b": 30 * time.Minute, "bases/c": 2 * time.Hour, "images/d": day, "images/e": 40 * day,
		"tmp/make-1": 2 * time.Hour, "tmp/make-2": time.Minute, "bases/new-3": 2 * time.Hour, "images/make-gone-x": 3 * time.Hour,
	})
	put(t, cache, "bases/c.lock", nil)
	for _, step := range []struct {
		limits Limits
		left   []string
	}{
		{DefaultLimits, []string{"kernels/a", "images/b", "bases/c", "images/d"}},
		{Limits{Bytes: 3<<16 + 1<<15, Age: day * 365, Spare: time.Hour}, []string{"kernels/a", "images/b", "bases/c"}},
		{Limits{Bytes: 1 << 16, Age: day, Spare: time.Hour}, []string{"kernels/a", "images/b"}},
		{Limits{}, nil},
	} {
		removed, err := Prune(cache, step.limits)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.left, keys(t, cache)); diff != "" {
			t.Errorf("%+v: %s", step.limits, diff)
		}
		if len(removed) == 0 {
			t.Errorf("%+v removed nothing", step.limits)
		}
		_, err = os.Stat(filepath.Join(cache, "tmp/make-2"))
		if kept := err == nil; kept != (step.limits.Spare > 0) {
			t.Errorf("%+v: what is being made is there: %v", step.limits, kept)
		}
	}
	for _, gone := range []string{"tmp/make-1", "bases/new-3", "images/make-gone-x"} {
		if _, err := os.Stat(filepath.Join(cache, gone)); err == nil {
			t.Errorf("%s is left", gone)
		}
	}
	if _, err := os.Stat(filepath.Join(cache, "bases/c.lock")); err != nil {
		t.Error("a lock that others may hold is gone:", err)
	}
}

// TestBuildPrunes: who grades for years need not think of the cache.
func TestBuildPrunes(t *testing.T) {
	_, o := machine(t)
	old := put(t, o.Cache, "bases/old/data", []byte("x"))
	at := time.Now().Add(-2 * DefaultLimits.Age)
	if err := os.Chtimes(filepath.Dir(old), at, at); err != nil {
		t.Fatal(err)
	}
	built := build(t, o)
	if _, err := os.Stat(old); err == nil {
		t.Error("what nobody has used for long is still there")
	}
	all, err := Entries(o.Cache)
	if err != nil || len(all) != 2 {
		t.Fatalf("got %+v, %v; want an image and a kernel", all, err)
	}
	for _, e := range all {
		if e.Kind == kernels && (e.Release != built.Release || e.Origin != o.Kernel || e.Bytes < 4096) {
			t.Errorf("got %+v", e)
		}
	}
}
