package grader

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"moulinette/grader/build"
	"moulinette/grader/build/words"
	"moulinette/grader/lack"
	"moulinette/grader/run"
	"moulinette/grader/sandbox/fake"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
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

// Who asks for a jail and gets none is told so.
func TestNoJail(t *testing.T) {
	for _, test := range []struct {
		jail string
		want int
	}{{"", 0}, {"/agent", 1}} {
		k := newKept(Options{Exercise: &spec.Exercise{}, Opener: &fake.Opener{}})
		k.boxed(&build.Builder{Jail: test.jail}, submission.C17)
		if len(k.Notices) != test.want || k.Grading.Environment["build"] != "nothing" {
			t.Errorf("jail %q: got %q; want %d notices", test.jail, k.Notices, test.want)
		}
	}
}

// Why a submission does not build is told in both languages where we say it, and as it
// is where its compiler does.
func TestRefusedInBothLanguages(t *testing.T) {
	k := &Kept{}
	said := submission.Finding{Rule: "compile", File: "a.c", Line: 1, FR: "expected ;", EN: "expected ;"}
	k.refused(words.Unexplained([]byte("odd"), errors.New("killed")))
	if b := k.Grading.Build; b.Output != "" || b.Reason.FR != "le compilateur n'en vient pas à bout : killed: odd" || b.Reason.EN != "the compiler cannot cope with it: killed: odd" {
		t.Errorf("got %+v; want our own words in both languages", b)
	}
	k.refused(&submission.BuildError{Findings: []submission.Finding{said}})
	if b := k.Grading.Build; b.Output != "a.c:1: expected ;" || !strings.HasPrefix(b.Reason.FR, "Le compilateur a refusé") {
		t.Errorf("got %+v; want the compiler's words", b)
	}
}
