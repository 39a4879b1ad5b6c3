package hostile

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"moulinette/tests/battery"
)

var only = flag.String("programs", "", "a pattern: only these programs")

// The whole battery, as root and as an ordinary user with and without
// subordinate ids.
func TestHostile(t *testing.T) {
	th := open(t)
	for _, as := range []battery.User{battery.Root, battery.Subordinate, battery.Single} {
		t.Run(string(as), func(t *testing.T) {
			th.play(t, as, th.programs)
			th.harmless(t, as, th.programs)
		})
	}
}

var soak = flag.Int("soak", 200, "scenarios of the soak, hostile and honest ones mixed")

// Hostile and honest scenarios mixed, by chance: the fingerprint is compared
// every so often, and in the end.
func TestSoak(t *testing.T) {
	th := open(t)
	users := []battery.User{battery.Root, battery.Subordinate, battery.Single}
	quick := slices.DeleteFunc(slices.Clone(th.programs), func(p *battery.Program) bool { return p.Slow })
	dice := rand.New(rand.NewPCG(1, 2))
	const together = 500
	for played := 0; played < *soak && !t.Failed(); {
		var some []*battery.Program
		for len(some) < max(1, min(together, *soak-played)/2) {
			some = append(some, quick[dice.IntN(len(quick))])
		}
		as := users[dice.IntN(len(users))]
		th.play(t, as, some) // each is followed by an honest one
		th.harmless(t, as, some)
		played += 2 * len(some)
		t.Logf("%d scenarios played, the last as %s", played, as)
	}
}
