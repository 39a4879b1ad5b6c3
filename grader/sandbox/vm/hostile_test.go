package vm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/scenario"
)

// hostile opens a sandbox whose machines run another program than the agent.
func hostile(t *testing.T) sandbox.Sandbox {
	t.Helper()
	program := filepath.Join(t.TempDir(), "hostile")
	cmd := exec.Command("go", "build", "-o", program, "./testdata/hostile")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	op, err := vm.New(t.Context(), vm.Options{Agent: program, Cache: filepath.Join(built.dir, "machines")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := op.Open(t.Context(), built.reference, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// calmly runs a scenario again where the host was too busy to tell: that is no
// verdict, and others work here, too.
func calmly(t *testing.T, s sandbox.Sandbox, sc scenario.Scenario) (rec *evidence.Record, err error) {
	t.Helper()
	for range 10 {
		rec, err = s.Run(t.Context(), sc)
		if err == nil || !strings.Contains(err.Error(), "too busy") {
			break
		}
		t.Logf("%s: %v", sc.ID, err)
	}
	return rec, err
}

// Whatever a guest does once the submission has begun is the submission's
// failure: never a pass, never a fault of ours, and nothing is left of it.
func TestHostileGuests(t *testing.T) {
	s := hostile(t)
	before := descriptors(t)
	for _, test := range []struct {
		deed    string
		ms      int // of the scenario
		outcome evidence.Outcome
		console string
	}{
		{"panic", 1, evidence.Exited, "Kernel panic"},
		{"reboot", 1, evidence.Exited, ""},
		{"busy", 1, evidence.Hung, ""},
		{"nonsense", 1, evidence.Babbled, ""},
		{"empty", 1, evidence.Babbled, ""},
		{"forged", 1, evidence.Babbled, ""},
		{"gigabytes", 10000, evidence.Babbled, ""},
		{"console", 10000, evidence.Flooded, "::error::"},
		{"memory", 10000, evidence.Exited, "deadlocked on memory"},
	} {
		t.Run(test.deed, func(t *testing.T) {
			rec, err := calmly(t, s, scenario.Scenario{ID: test.deed, Limits: scenario.Limits{ScenarioMS: test.ms}})
			if err != nil {
				t.Fatal(err)
			}
			if rec.End.Outcome != test.outcome {
				t.Errorf("end %+v; want %s", rec.End, test.outcome)
			}
			if notes := strings.Join(rec.Notes, "\n"); !strings.Contains(notes, test.console) || len(notes) > 4096 {
				t.Errorf("notes %q; want the end of a console with %q", notes, test.console)
			}
		})
	}
	s.Close()
	if machines := children(t); len(machines) > 0 {
		t.Errorf("processes %v are left", machines)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors; %d before", after, before)
	}
}

// Real root of a machine may end the agent there: that is its own failure.
func TestRealRootEndsTheAgent(t *testing.T) {
	rec, err := calmly(t, hostile(t), scenario.Scenario{ID: "dies", Root: scenario.RealRoot})
	if err != nil {
		t.Fatal(err)
	}
	if rec.End.Outcome != evidence.Babbled {
		t.Errorf("end %+v; want %s", rec.End, evidence.Babbled)
	}
}

// Before the submission begins, and when the agent itself ends, it is ours.
func TestFaultsOfOurs(t *testing.T) {
	s := hostile(t)
	for deed, want := range map[string]string{"early": "Kernel panic", "dies": "exit status 3"} {
		rec, err := calmly(t, s, scenario.Scenario{ID: deed})
		if err == nil {
			t.Errorf("%s: record %+v; want an error", deed, rec.End)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", deed, err, want)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// children are this process's, of all its threads.
func children(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, f := range files {
		text, _ := os.ReadFile(f)
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}
