package hostile

import (
	"flag"
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
