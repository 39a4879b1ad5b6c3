package observe

import "testing"

// All who are dying are waited for together: a submission can keep many of them so.
func TestOnePatienceForAll(t *testing.T) {
	l := (&Observer{}).look(nil)
	if first := l.patience(); !l.patience().Equal(first) {
		t.Error("each is waited for anew")
	}
}
