package verify

import (
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/mutate"
)

// What went wrong once is not repeated from what was kept; what should have failed, or
// passed, is.
func TestFailuresAreTriedAgain(t *testing.T) {
	mutant := &mutate.Mutant{ID: "m", Fails: map[string][]string{"small": {"one"}}, Kills: []string{"a.x"}}
	for _, test := range []struct {
		name, scenario, how string
		solution            *Solution
		found               bool
	}{
		{"the reference passes", "a.x", "ok", &Solution{Kind: Reference}, true},
		{"the reference fails", "a.x", "fails", &Solution{Kind: Reference}, false},
		{"the reference hangs", "a.x", "hangs", &Solution{Kind: Reference}, false},
		{"this host lacks something", "a.x", "lacks", &Solution{Kind: Reference}, true},
		{"an alternative fails", "d.x", "fails", &Solution{Kind: Alternative, Alternative: &mutate.Alternative{}}, false},
		{"an alternative without bonus fails it", "d.x", "fails", &Solution{Kind: Alternative, Alternative: &mutate.Alternative{Bonus: "none"}}, true},
		{"an alternative without bonus fails a row", "b.x", "fails", &Solution{Kind: Alternative, Alternative: &mutate.Alternative{Bonus: "none"}}, false},
		{"a mutant fails as named", "a.x", "fails", &Solution{Kind: Mutant, Mutant: mutant}, true},
		{"a mutant fails in its row", "a.y", "fails", &Solution{Kind: Mutant, Mutant: mutant}, true},
		{"a mutant fails elsewhere", "b.x", "fails", &Solution{Kind: Mutant, Mutant: mutant}, false},
		{"a mutant passes elsewhere", "b.x", "ok", &Solution{Kind: Mutant, Mutant: mutant}, true},
		{"a company fails", "b.x", "fails", &Solution{Kind: Mutant}, true},
		{"the skeleton fails", "b.x", "fails", &Solution{Kind: Skeleton}, true},
	} {
		v := tried(t, &Solution{ID: "reference", Kind: Reference})
		v.kept = openRecords(Options{Records: t.TempDir()}, evidence.Host{})
		for _, sc := range v.scenarios {
			if sc.ID != test.scenario {
				continue
			}
			v.kept.keep(test.solution.key, sc.text, recorded(sc.spec, test.how))
			if got := v.found(test.solution, sc) != nil; got != test.found {
				t.Errorf("%s: found %v; want %v", test.name, got, test.found)
			}
		}
	}
}
