package report

import (
	"testing"

	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

// What stands in several places is told once, and what blocks before all else.
func TestTogether(t *testing.T) {
	ip, leak := spec.Text{EN: "ip was executed"}, spec.Text{EN: "a leak"}
	got := together([]judge.Finding{
		{Where: "norm.a", Message: leak},
		{Where: "net.a", Message: ip, Blocking: true},
		{Where: "net.b", Message: ip, Blocking: true},
		{Where: "net.c", Message: ip},
		{Message: leak},
	})
	want := []judge.Finding{
		{Where: "net.a, net.b", Message: ip, Blocking: true}, {Where: "norm.a", Message: leak}, {Where: "net.c", Message: ip},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v; want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("finding %d: %+v; want %+v", i, got[i], want[i])
		}
	}
}
