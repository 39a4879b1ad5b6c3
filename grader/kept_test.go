package grader

import (
	"fmt"
	"testing"

	"moulinette/grader/lack"
	"moulinette/grader/run"
	"moulinette/grader/scenario"
)

// A fault inside a scenario is kept in French, too, where somebody says it in French.
func TestFaultInFrench(t *testing.T) {
	k := &Kept{}
	k.Grading.Harness, k.Grading.HarnessFR = map[string]string{}, map[string]string{}
	k.add([]run.Job{{Scenario: scenario.Scenario{ID: "a"}}, {Scenario: scenario.Scenario{ID: "b"}}}, make([]map[string]any, 2), []run.Result{
		{Err: fmt.Errorf("run a: %w", &lack.Error{EN: "too late", FR: "trop tard"})},
		{Err: fmt.Errorf("run b: %w", fmt.Errorf("no disk"))},
	})
	if en, fr := k.Grading.Harness["a"], k.Grading.HarnessFR["a"]; en != "too late" || fr != "trop tard" {
		t.Errorf("%q, in French %q", en, fr)
	}
	if en, fr := k.Grading.Harness["b"], k.Grading.HarnessFR["b"]; en != "no disk" || fr != "" {
		t.Errorf("%q, in French %q", en, fr)
	}
}
