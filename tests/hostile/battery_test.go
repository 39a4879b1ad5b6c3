package hostile

import (
	"flag"
	"testing"
)

var only = flag.String("programs", "", "a pattern: only these programs")

// The whole battery, as root and as an ordinary user with and without
// subordinate ids; where an ordinary user runs the test, as that one.
func TestHostile(t *testing.T) {
	th := open(t)
	for _, as := range th.Users {
		t.Run(string(as), func(t *testing.T) {
			th.play(t, as, th.programs)
			th.harmless(t, as, th.programs)
		})
	}
}
