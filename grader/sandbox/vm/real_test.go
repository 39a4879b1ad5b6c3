package vm_test

import (
	"os"
	"strings"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// breakout opens a sandbox of a submission that tries, as real root, to get at
// the agent: with the deed that mount_proc's target names.
func breakout(t *testing.T) sandbox.Sandbox {
	t.Helper()
	source, err := os.ReadFile("testdata/breakout.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := submission.FromFiles("moulinette/student", submission.Files{"student.go": source})
	if err != nil {
		t.Fatal(err)
	}
	driver, err := drive(s)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, driver)
}

func asRoot(deed string) scenario.Scenario {
	return scenario.Scenario{
		ID: "test." + deed, Root: scenario.RealRoot, Limits: scenario.Limits{StepMS: 2000, ScenarioMS: 5000},
		Steps: []scenario.Step{{As: "call", Call: "mount_proc", Args: scenario.Args{Target: deed}}},
	}
}

// Real root of a machine reaches no memory and no channel of the agent.
func TestRealRootIsKeptFromTheAgent(t *testing.T) {
	s := breakout(t)
	rec := run(t, s, asRoot("reach"))
	if rec.End.Outcome != evidence.Completed {
		t.Fatalf("end %+v, %+v; want completed", rec.End, rec.Output)
	}
	got := map[string]string{}
	for line := range strings.Lines(rec.Output.Stdout) {
		name, what, _ := strings.Cut(strings.TrimSpace(line), ": ")
		got[name] = what
	}
	for name, want := range map[string]string{
		"mknod":              "done", // it is root, after all
		"ports":              "device or resource busy",
		"memory":             "operation not permitted",
		"kernel memory":      "operation not permitted",
		"io ports":           "operation not permitted",
		"pci":                "operation not permitted",
		"module":             "function not implemented", // says the box's filter
		"bpf":                "operation not permitted",
		"trace init":         "operation not permitted",
		"memory of init":     "permission denied",
		"root of init":       "permission denied",
		"handle":             "operation not permitted",
		"helpers":            "operation not permitted",
		"helpers' abilities": "0 0",
		"processes":          "2", // init and itself
	} {
		if got[name] != want {
			t.Errorf("%s: %q; want %q", name, got[name], want)
		}
	}
}

// What real root does to the machine, or says in the agent's place, is its own
// failure.
func TestRealRootSpoilsItsMachine(t *testing.T) {
	s := breakout(t)
	for _, deed := range []string{"kill everybody", "speak for the agent", "reboot"} {
		t.Run(deed, func(t *testing.T) {
			rec := run(t, s, asRoot(deed))
			t.Logf("end %+v", rec.End)
			if rec.End.Outcome == evidence.Completed {
				t.Errorf("%+v; want a failure", rec.Output)
			}
		})
	}
}
