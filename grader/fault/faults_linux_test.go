package fault

import (
	"sort"
	"strings"
	"testing"

	"moulinette/grader/scenario"
)

func roadsOf(effect string) (names []string) {
	for name := range roads() {
		if strings.HasPrefix(name, effect+"/") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func TestSupported(t *testing.T) {
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
}

// Each effect fails on each road, with our errno and no other, and is let
// through when nothing is armed.
func TestEveryRoadOfEveryEffect(t *testing.T) {
	for effect := range scenario.Effects() {
		t.Run(effect, func(t *testing.T) {
			acts := roadsOf(effect)
			if len(acts) == 0 {
				t.Fatal("no road leads there")
			}
			b := start(t, Options{Faults: []scenario.Fault{{Effect: effect, Errno: "ENOANO"}}}, acts...).act()
			for _, line := range b.rest() {
				if !strings.HasSuffix(line, " ENOANO") {
					t.Errorf("got %q, want ENOANO", line)
				}
			}
			r := b.Result()
			if r.Faults[0].Fired < len(acts) {
				t.Errorf("fired %d times on %d roads: %v", r.Faults[0].Fired, len(acts), r.Trace)
			}
			for _, e := range r.Trace {
				t.Logf("%s -> %s", e.Detail, e.Result)
			}
		})
	}
}
