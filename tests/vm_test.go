package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// needsQEMU skips where there is none; in CI there has to be one.
func needsQEMU(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no QEMU here; apt install qemu-system-x86")
	}
}

// sample are scenarios of every kind: processes, links, mounts, maps, faults,
// containers and the filter. `make tiers` takes all of both exercises.
var sample = []string{
	"pid.child_is_init", "net.they_talk", "mount.container_tree", "user.map_keeps_order",
	"container.pid_only", "container.waits_for_its_maps", "exec.refused",
}

// verdicts are what a report says of each scenario, and of each expectation.
func verdicts(t *testing.T, exercise, isolation string, only []string) map[string][]any {
	t.Helper()
	args := []string{"grade", "../reference", "--spec", exercise, "--isolation", isolation, "--seed", "7", "--format", "json"}
	for _, id := range only {
		args = append(args, "--only", id)
	}
	cmd := exec.Command(filepath.Join(bin, "moulinette"), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	var report struct {
		Isolation string `json:"isolation"`
		Rows      []struct {
			ID        string `json:"id"`
			Verdict   string `json:"verdict"`
			Scenarios []struct {
				ID           string `json:"id"`
				Verdict      string `json:"verdict"`
				Expectations []struct {
					That string `json:"that"`
					OK   bool   `json:"ok"`
				} `json:"expectations"`
			} `json:"scenarios"`
		} `json:"rows"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	if report.Isolation != isolation {
		t.Errorf("isolation %q; want %q", report.Isolation, isolation)
	}
	all := map[string][]any{}
	for _, r := range report.Rows {
		for _, s := range r.Scenarios {
			all[r.ID+"/"+s.ID] = []any{r.Verdict, s.Verdict, fmt.Sprint(s.Expectations)}
		}
	}
	return all
}

// The same submission gets the same verdicts in namespaces and in machines.
func TestTiersAgree(t *testing.T) {
	needsQEMU(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root: an ordinary user's namespaces offer less")
	}
	specs, only := []string{"ex02"}, sample
	if os.Getenv("MOULINETTE_WHOLE") != "" {
		specs, only = []string{"truman_container", "ex02"}, nil
	}
	for _, spec := range specs {
		inSpaces, inMachines := verdicts(t, spec, "ns", only), verdicts(t, spec, "vm", only)
		if len(inSpaces) < len(only) {
			t.Errorf("%s: %d scenarios; want at least %d", spec, len(inSpaces), len(only))
		}
		if diff := cmp.Diff(inSpaces, inMachines); diff != "" {
			t.Errorf("%s: verdicts in namespaces (-) and in machines (+):\n%s", spec, diff)
		}
	}
}
