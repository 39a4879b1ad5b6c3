package fake_test

import (
	"testing"

	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/conformance"
	"moulinette/grader/sandbox/fake"
)

func TestConformance(t *testing.T) {
	open := func(*testing.T) sandbox.Opener {
		return &fake.Opener{Drivers: map[string]fake.Driver{
			"good": fake.Complete, "exits": fake.Exit(3), "hangs": fake.Hang,
		}}
	}
	conformance.Test(t, open, conformance.Drivers{
		Good: "good", Exits: "exits", Status: 3, Hangs: "hangs",
	})
}

func TestOpenerSeesMisuse(t *testing.T) {
	o := &fake.Opener{}
	for range 2 {
		if _, err := o.Open(t.Context(), "good", 1); err != nil {
			t.Fatal(err)
		}
	}
	if open, misuse := o.Leftovers(); open != 1 || len(misuse) != 1 {
		t.Errorf("Leftovers() = %d, %q; want 1 open, 1 misuse", open, misuse)
	}
}
