package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample are scenarios of every kind: processes, links, mounts, maps, faults,
// containers and the filter. `make tiers` takes all of both exercises.
var sample = []string{
	"pid.child_is_init", "net.they_talk", "mount.container_tree", "user.map_keeps_order",
	"container.pid_only", "container.waits_for_its_maps", "exec.refused", "root.subordinate_users",
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

// The same submission gets the same verdicts in namespaces and in machines, and those
// of machines as real root on this one.
func TestTiersAgree(t *testing.T) {
	needMachines(t)
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
		if diff := cmp.Diff(verdicts(t, spec, "privileged", only), inMachines); diff != "" {
			t.Errorf("%s: verdicts as real root (-) and in machines (+):\n%s", spec, diff)
		}
		realRoot(t, spec, inSpaces, inMachines)
		if diff := cmp.Diff(inSpaces, inMachines); diff != "" {
			t.Errorf("%s: verdicts in namespaces (-) and in machines (+):\n%s", spec, diff)
		}
	}
}

// realRoot takes out what only machines judge, and wants it judged there: the
// row stands in both.
func realRoot(t *testing.T, spec string, inSpaces, inMachines map[string][]any) {
	t.Helper()
	seen := 0
	for key, verdict := range inSpaces {
		if _, id, _ := strings.Cut(key, "/"); !strings.HasPrefix(id, "root.") {
			continue
		}
		seen++
		if verdict[0] != "pass" || verdict[1] != "not_judged" || inMachines[key][0] != "pass" || inMachines[key][1] != "pass" {
			t.Errorf("%s: %s: %v in namespaces, %v in machines; want a row that passes, and the scenario judged in machines alone", spec, key, verdict, inMachines[key])
		}
		delete(inSpaces, key)
		delete(inMachines, key)
	}
	if seen == 0 {
		t.Errorf("%s: no scenario wants a real root", spec)
	}
}

// Root of a user namespace, as in a container without root outside, has no ids to
// give to machines.
func TestRootOfAUserNamespaceGradesInMachines(t *testing.T) {
	needMachines(t)
	if err := exec.Command("unshare", "-U", "true").Run(); err != nil {
		t.Skip("no user namespaces here")
	}
	cmd := exec.Command(filepath.Join(bin, "moulinette"), "grade", "../reference", "--isolation", "vm", "--only", "pid.child_is_init")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	must(t, cmd)
}

// Where the kernel refuses namespaces, and as a user without any capability,
// auto grades in machines.
func TestLockedUserGradesInMachines(t *testing.T) {
	needMachines(t)
	o := newOrdinary(t)
	if !o.root {
		t.Skip("needs root, to become another user")
	}
	must(t, exec.Command("go", "build", "-o", filepath.Join(o.dir, "bin", "locked"), "./testdata/locked"))
	cache := filepath.Join(o.dir, "cache")
	// The kernel may be root's; the machine is the user's own.
	must(t, exec.Command(filepath.Join(bin, "moulinette"), "vm", "build"))
	ours, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	const kernels = "moulinette/vm/kernels"
	if err := os.CopyFS(filepath.Join(cache, kernels), os.DirFS(filepath.Join(ours, kernels))); err != nil {
		t.Fatal(err)
	}
	must(t, exec.Command("chown", "-R", fmt.Sprint(ordinaryID), o.dir))

	id := fmt.Sprint(ordinaryID)
	lock := []string{"--reuid=" + id, "--regid=" + id, "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", filepath.Join(o.dir, "bin", "locked")}
	run := func(args ...string) (sheet, error) {
		var s sheet
		cmd := exec.Command("setpriv", append(lock, args...)...)
		cmd.Dir, cmd.Stderr = o.dir, os.Stderr
		cmd.Env = append(os.Environ(), "HOME="+o.dir, "XDG_CACHE_HOME="+cache)
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &s)
		}
		return s, err
	}
	if _, err := run("unshare", "-U", "true"); err == nil {
		t.Fatal("a user namespace was made; want it refused")
	}
	args := []string{filepath.Join(o.dir, "bin", "moulinette"), "grade", "./reference", "--format", "json"}
	whole := os.Getenv("MOULINETTE_WHOLE") != ""
	if !whole {
		args = append(args, "--only", "pid_isolation", "--only", "uid_mapping")
	}
	s, err := run(args...)
	if err != nil {
		t.Fatal(err)
	}
	if s.Isolation != "vm" || len(s.Faults) > 0 || s.Unjudged > 0 {
		t.Errorf("%+v; want all judged, in machines", s)
	}
	for _, r := range s.Rows {
		if r.Verdict != "pass" {
			t.Errorf("row %s: %s %s", r.ID, r.Verdict, r.Reason)
		}
	}
	if whole && (s.Score != 100 || s.Bonus.Earned != s.Bonus.Max) {
		t.Errorf("%d/100, bonus %d/%d", s.Score, s.Bonus.Earned, s.Bonus.Max)
	}
}
