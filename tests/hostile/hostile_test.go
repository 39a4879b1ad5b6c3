// Package hostile holds programs that attack: see the txtar files. Each is run
// in a box, by root and by an ordinary user, and then everything has to be as it
// was: the machine, the grader, and the next grading.
package hostile

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"moulinette/grader/judge"
	"moulinette/grader/run"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
	"moulinette/specs"
	"moulinette/tests/battery"
)

func TestMain(m *testing.M) {
	battery.Main()
	os.Exit(battery.Run(m))
}

// act is the scenario that hostile programs are graded by, unless they name
// another.
const act = "pid.child_is_init"

// theatre is a stage with all programs built.
type theatre struct {
	*battery.Stage
	built    *battery.Built
	exercise *spec.Exercise
	programs []*battery.Program
}

func open(t *testing.T, programs string) *theatre {
	t.Helper()
	th := &theatre{}
	th.Stage, th.programs, th.built = battery.Ready(t, programs)
	var err error
	if th.exercise, err = spec.Load(specs.FS, "truman_container.yaml"); err != nil {
		t.Fatal(err)
	}
	return th
}

// turn is a program's scenario, and then an honest one on the same worker.
func (th *theatre) turn(p *battery.Program) []run.Job {
	return []run.Job{th.built.Job(p.Name, th.scenario(p)), th.built.Job(battery.Honest, th.scenario(nil))}
}

func (th *theatre) scenario(p *battery.Program) scenario.Scenario {
	id := act
	if p != nil && len(p.Only) > 0 {
		id = p.Only[0]
	}
	sc, _ := th.exercise.Scenarios[id].Resolve(1)
	return sc
}

// part is who plays, and where.
type part struct {
	as    battery.User
	place battery.Machines
}

// plan is an empty one.
func (p part) plan() battery.Plan {
	if p.place != battery.None {
		return battery.Plan{Wide: 2, Machines: p.place}
	}
	return battery.Plan{Wide: 8}
}

// inside is who the box's root is outside of it: in a machine, another root.
func (p part) inside() battery.User {
	if p.place != battery.None {
		return battery.Machine
	}
	return p.as
}

// play has programs played, and holds what came of each against what it should.
func (th *theatre) play(t *testing.T, part part, programs []*battery.Program) {
	t.Helper()
	plan := part.plan()
	for _, p := range programs {
		plan.Turns = append(plan.Turns, th.turn(p))
	}
	outcomes, err := th.patiently(t.Context(), part.as, plan)
	if err != nil {
		t.Errorf("%v", err)
		return
	}
	for i, p := range programs {
		if err := th.check(p, part.inside(), outcomes[i][0]); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if err := th.honest(outcomes[i][1]); err != nil {
			t.Errorf("the next grading after %s: %v", p.Name, err)
		}
	}
}

// patiently plays a plan, and each turn for which others made this host too busy again, alone.
func (th *theatre) patiently(ctx context.Context, as battery.User, plan battery.Plan) ([][]battery.Outcome, error) {
	outcomes, err := th.Play(ctx, as, plan)
	if err != nil {
		return nil, err
	}
	for i, turn := range outcomes {
		if !slices.ContainsFunc(turn, tooBusy) {
			continue
		}
		alone, err := th.Play(ctx, as, battery.Plan{Wide: 1, Machines: plan.Machines, Turns: plan.Turns[i : i+1]})
		if err != nil {
			return nil, fmt.Errorf("alone: %w", err)
		}
		outcomes[i] = alone[0]
	}
	return outcomes, nil
}

// tooBusy tells of an outcome that says nothing, for what others did beside it was too
// much for this host: where nothing bounds an ordinary user's processes together, a few
// that fork without end are.
func tooBusy(o battery.Outcome) bool {
	return strings.Contains(o.Fault+o.Before, "this host is too busy")
}

// mostProbes are more than a scenario knows, and than anybody has a reason to keep.
const mostProbes = 64

// check wants the submission's own failure, of the kind that the program tells.
func (th *theatre) check(p *battery.Program, as battery.User, o battery.Outcome) error {
	// One that had itself killed is tried again: the host might have done it.
	if o.Fault != "" {
		return fmt.Errorf("a harness fault, after %d tries: %s (before: %s)", o.Tries, o.Fault, o.Before)
	}
	verdict := judge.Record(th.exercise.Scenarios[o.Record.Scenario], o.Record)
	said := o.Record.Calls["create_pid_namespace"]
	what := fmt.Sprintf("it ended %s at %q (%s), said %q %s, printed %.200q", o.Record.End.Outcome, o.Record.End.Step, o.Record.End.Reason, said.Error+said.Panic, said.Errno, o.Record.Output.Stderr)
	switch {
	case verdict.Verdict != judge.Fail:
		return fmt.Errorf("the verdict is %s; want fail; %s", verdict.Verdict, what)
	case !slices.Contains(p.Ends, o.Record.End.Outcome):
		return fmt.Errorf("%s; want %q", what, p.Ends)
	case len(o.Record.Probes) > mostProbes:
		return fmt.Errorf("%d probes are recorded; %s", len(o.Record.Probes), what)
	case o.Record.End.Outcome == "completed" && !regexp.MustCompile(p.SaysAs(as)).MatchString(strings.TrimSpace(said.Error+said.Panic+" "+said.Errno)):
		return fmt.Errorf("%s; want %q", what, p.SaysAs(as))
	}
	return nil
}

// honest wants the reference to pass.
func (th *theatre) honest(o battery.Outcome) error {
	if o.Fault != "" || o.Tries != 1 {
		return fmt.Errorf("a harness fault, after %d tries: %s (before: %s)", o.Tries, o.Fault, o.Before)
	}
	if v := judge.Record(th.exercise.Scenarios[o.Record.Scenario], o.Record); v.Verdict != judge.Pass {
		return fmt.Errorf("the reference gets %s in %.0f ms: %s%s; notes %q", v.Verdict, o.Record.Millis, v.Reason.EN, broken(v), o.Record.Notes)
	}
	return nil
}

// broken are the expectations that do not hold.
func broken(v judge.Scenario) (all string) {
	for _, e := range v.Expectations {
		if e.Judged && !e.OK {
			all += fmt.Sprintf("; %s, but %s", e.That, e.Got)
		}
	}
	return all
}

// harmless wants the machine as it was. What has changed it is looked for by
// halves, each of which is played again alone.
func (th *theatre) harmless(t *testing.T, part part, programs []*battery.Program) {
	t.Helper()
	found, err := th.Harm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		return
	}
	t.Errorf("the machine is not as it was before these %d programs: %q", len(programs), found)
	if len(programs) == 1 {
		t.Errorf("it was %s, as %v", programs[0].Name, part)
		return
	}
	half := len(programs) / 2
	for _, some := range [][]*battery.Program{programs[:half], programs[half:]} {
		if err := th.Remember(); err != nil {
			t.Fatal(err)
		}
		th.play(t, part, some)
		th.harmless(t, part, some)
	}
}
