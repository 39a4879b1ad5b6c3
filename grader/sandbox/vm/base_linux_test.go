package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"moulinette/grader/sandbox/vm/image"
)

// What a host has booted before it was booted itself goes with the first machine that is
// kept after that, unless somebody has just used it.
func TestBasesEndWithTheBoot(t *testing.T) {
	cache := t.TempDir()
	for name, facts := range map[string]string{
		"now": `{"boot": "` + bootID() + `"}`, "before": `{"boot": "of yesterday"}`, "older": `{}`, "shared": `{"boot": "of another host"}`, "odd": `{`,
	} {
		dir := filepath.Join(cache, basesDir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, factsFile), []byte(facts), 0o600); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(-2 * image.DefaultLimits.Spare)
		if name == "shared" {
			used = time.Now()
		}
		if err := os.Chtimes(dir, used, used); err != nil {
			t.Fatal(err)
		}
	}
	limits := image.DefaultLimits
	limits.Useless = ofAnotherBoot
	if _, err := image.Prune(cache, limits); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"now": true, "before": false, "older": false, "shared": true, "odd": true} {
		_, err := os.Stat(filepath.Join(cache, basesDir, name))
		if got := err == nil; got != want {
			t.Errorf("%s: it is there: %v; want %v", name, got, want)
		}
	}
}
