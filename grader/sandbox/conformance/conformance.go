// Package conformance holds what every sandbox must do, as tests: one kit for
// the fake, for namespaces and for virtual machines, so that a verdict does not
// depend on where a scenario ran.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// Drivers are executables (for the fake: names) that the cases run.
type Drivers struct {
	Good   string // answers print_namespace_info
	Exits  string // exits with Status at the first step
	Status int
	Hangs  string // never answers the first step
}

// Test runs every case on sandboxes of the opener that open returns.
func Test(t *testing.T, open func(*testing.T) sandbox.Opener, d Drivers) {
	cases := []struct {
		name   string
		driver string
		test   func(*testing.T, sandbox.Sandbox, Drivers)
	}{
		{"completed scenario", d.Good, completes},
		{"two scenarios are strangers", d.Good, repeats},
		{"real root, or word that there is none", d.Good, realRoot},
		{"exiting driver", d.Exits, exits},
		{"hanging driver", d.Hangs, hangs},
		{"cancelled while running", d.Hangs, cancels},
		{"cancelled before", d.Good, cancelled},
		{"closed while running", d.Hangs, closesUnderWay},
		{"close twice", d.Good, closesTwice},
		{"run after close", d.Good, runsAfterClose},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.driver == "" {
				t.Fatal("conformance: no driver for this case")
			}
			box, err := open(t).Open(t.Context(), c.driver, 0)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer box.Close()
			c.test(t, box, d)
		})
	}
	t.Run("host", func(t *testing.T) { host(t, open(t)) })
	t.Run("side by side", func(t *testing.T) { sideBySide(t, open(t), d.Good) })
}

// Scenario is a small scenario that any driver can be asked.
func Scenario(id string) scenario.Scenario {
	return scenario.Scenario{
		ID:     id,
		Seed:   20261122,
		Steps:  []scenario.Step{{As: "call", Call: "print_namespace_info"}},
		Limits: scenario.Limits{}.WithDefaults(),
	}
}

func completes(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	sc := Scenario("conformance.completes")
	sc.Steps = append(sc.Steps, scenario.Step{As: "mid", Observe: true})
	rec := run(t, box, sc)
	want(t, rec, sc, evidence.Completed)
	for _, at := range []string{"before", "mid", "after"} {
		if _, ok := rec.At[at]; !ok {
			t.Errorf("record has no snapshot %q", at)
		}
	}
	if len(rec.Order) != 1 || rec.Order[0] != "call" {
		t.Errorf("Order = %q; want [call]", rec.Order)
	}
	if c := rec.Calls["call"]; !c.OK || !c.Returned || c.Name != "print_namespace_info" {
		t.Errorf("Calls[call] = %+v; want a returned, ok print_namespace_info", c)
	}
	if rec.Host.Tier == "" || rec.Host.Kernel == "" {
		t.Errorf("Host = %+v; want tier and kernel", rec.Host)
	}
	if _, err := json.Marshal(rec); err != nil {
		t.Errorf("record is not JSON: %v", err)
	}
}

// repeats wants a second scenario to find nothing of what was done in the first: here
// by the host, on whose doings no submission has a say.
func repeats(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	const file, pin = "/tmp/conformance", "conformance"
	first, second := Scenario("conformance.first"), Scenario("conformance.second")
	first.Watch, second.Watch = []string{file}, []string{file}
	for as, host := range map[string]scenario.Host{"file": {Write: file}, "pin": {NetnsAdd: pin}} {
		first.Steps = append(first.Steps, scenario.Step{As: as, Host: &host})
	}
	for _, sc := range []scenario.Scenario{first, second} {
		rec := run(t, box, sc)
		want(t, rec, sc, evidence.Completed)
		if rec.Host.Tier == "fake" {
			continue // it has neither files nor namespaces
		}
		does, seen := sc.ID == first.ID, rec.At["after"]
		if seen.Files[file].Exists != does {
			t.Errorf("%s: %s is there: %v; want %v", sc.ID, file, seen.Files[file].Exists, does)
		}
		if pinned := slices.ContainsFunc(seen.Pins, func(p evidence.Pin) bool { return p.Name == pin }); pinned != does {
			t.Errorf("%s: a network namespace is pinned: %v; want %v", sc.ID, pinned, does)
		}
	}
}

// realRoot has no user namespace around it, and not the capabilities that reach
// past the others.
func realRoot(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	const feature = "real_root"
	sc := Scenario("conformance.real_root")
	sc.Root = scenario.RealRoot
	rec := run(t, box, sc)
	if !slices.Contains(rec.Host.Features, feature) {
		want(t, rec, sc, evidence.Unavailable)
		if rec.End.Missing != feature {
			t.Errorf("End = %+v; want %s missing", rec.End, feature)
		}
		return
	}
	want(t, rec, sc, evidence.Completed)
	driver := rec.At["before"].Driver
	if everybody := (evidence.IDMap{Count: math.MaxUint32}); len(driver.UIDMap) != 1 || driver.UIDMap[0] != everybody {
		t.Errorf("uid_map %v; want %v", driver.UIDMap, everybody)
	}
	for name, has := range map[string]bool{"SYS_ADMIN": true, "MKNOD": true, "SYS_PTRACE": false, "SYS_MODULE": false, "SYS_RAWIO": false} {
		if slices.Contains(driver.Caps.Effective, name) != has || slices.Contains(driver.Caps.Bounding, name) != has {
			t.Errorf("capability %s: want %v of %+v", name, has, driver.Caps)
		}
	}
	want(t, run(t, box, Scenario("conformance.after_real_root")), Scenario("conformance.after_real_root"), evidence.Completed)
}

func exits(t *testing.T, box sandbox.Sandbox, d Drivers) {
	sc := Scenario("conformance.exits")
	rec := run(t, box, sc)
	want(t, rec, sc, evidence.Exited)
	if rec.End.Exit != d.Status || rec.End.Step != "call" {
		t.Errorf("End = %+v; want status %d in step call", rec.End, d.Status)
	}
}

func hangs(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	sc := Scenario("conformance.hangs")
	sc.Limits.StepMS, sc.Limits.ScenarioMS = 500, 2000
	rec := run(t, box, sc)
	want(t, rec, sc, evidence.Hung)
	if rec.End.Step != "call" {
		t.Errorf("End.Step = %q; want call", rec.End.Step)
	}
}

func cancels(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := box.Run(ctx, patient("conformance.cancels"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run with an expired context: error %v; want DeadlineExceeded", err)
	}
}

func cancelled(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := box.Run(ctx, Scenario("conformance.cancelled")); !errors.Is(err, context.Canceled) {
		t.Errorf("Run with a cancelled context: error %v; want Canceled", err)
	}
}

func closesUnderWay(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	time.AfterFunc(100*time.Millisecond, func() { box.Close() })
	rec, err := box.Run(t.Context(), patient("conformance.closed"))
	if err == nil {
		t.Errorf("Run closed under way: record %+v; want an error", rec.End)
	}
}

func closesTwice(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	for range 2 {
		if err := box.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func runsAfterClose(t *testing.T, box sandbox.Sandbox, _ Drivers) {
	if err := box.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if rec, err := box.Run(t.Context(), Scenario("conformance.late")); err == nil {
		t.Errorf("Run after Close: record %+v; want an error", rec.End)
	}
}

func host(t *testing.T, o sandbox.Opener) {
	if h := o.Host(); h.Tier == "" || h.Kernel == "" {
		t.Errorf("Host() = %+v; want tier and kernel", h)
	}
}

func sideBySide(t *testing.T, o sandbox.Opener, driver string) {
	var all sync.WaitGroup
	for slot := range 3 {
		all.Go(func() {
			box, err := o.Open(t.Context(), driver, slot)
			if err != nil {
				t.Error(err)
				return
			}
			defer box.Close()
			sc := Scenario(fmt.Sprint("conformance.side_by_side_", slot))
			rec, err := box.Run(t.Context(), sc)
			if err != nil {
				t.Error(err)
				return
			}
			want(t, rec, sc, evidence.Completed)
		})
	}
	all.Wait()
}

// patient is a scenario that only an outside event ends before the tests' own time is up.
func patient(id string) scenario.Scenario {
	sc := Scenario(id)
	sc.Limits.StepMS, sc.Limits.ScenarioMS = 3_600_000, 3_600_000
	return sc
}

func run(t *testing.T, box sandbox.Sandbox, sc scenario.Scenario) *evidence.Record {
	t.Helper()
	rec, err := box.Run(t.Context(), sc)
	if err != nil {
		t.Fatalf("Run(%s): %v", sc.ID, err)
	}
	return rec
}

func want(t *testing.T, rec *evidence.Record, sc scenario.Scenario, outcome evidence.Outcome) {
	t.Helper()
	if rec.End.Outcome != outcome {
		t.Errorf("End = %+v; want outcome %s", rec.End, outcome)
	}
	if rec.Version != evidence.Version || rec.Scenario != sc.ID || rec.Seed != sc.Seed {
		t.Errorf("record of version %d, scenario %q, seed %d; want %d, %q, %d",
			rec.Version, rec.Scenario, rec.Seed, evidence.Version, sc.ID, sc.Seed)
	}
}
