// Package cheats holds programs that want points for what they do not do: see the
// txtar files. Each is graded like any submission, and must earn exactly what its
// real behaviour earns, which is next to nothing.
package cheats

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"moulinette/grader"
	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/run"
	"moulinette/grader/spec"
	"moulinette/specs"
	"moulinette/tests/battery"
)

func TestMain(m *testing.M) {
	battery.Main()
	flag.Parse()
	os.Exit(battery.Run(m))
}

var only = flag.String("programs", "", "a pattern: only these programs")

const seed = 1

// trial is a stage with all cheats built.
type trial struct {
	*battery.Stage
	built     *battery.Built
	exercises map[string]*spec.Exercise
	programs  []*battery.Program
}

func open(t *testing.T, programs string) *trial {
	t.Helper()
	tr := &trial{exercises: map[string]*spec.Exercise{}}
	tr.Stage, tr.programs, tr.built = battery.Ready(t, programs)
	for _, name := range []string{"truman_container", "ex02"} {
		var err error
		if tr.exercises[name], err = spec.Load(specs.FS, name+".yaml"); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

func (tr *trial) exercise(p *battery.Program) *spec.Exercise {
	if p.Spec != "" {
		return tr.exercises[p.Spec]
	}
	return tr.exercises["truman_container"]
}

// turn is all that a program is graded by, on one worker: what it leaves behind
// in one scenario is there for the next, if anything is.
func (tr *trial) turn(p *battery.Program) (jobs []run.Job) {
	for _, id := range judge.Needed(tr.exercise(p), p.Only) {
		sc, _ := tr.exercise(p).Scenarios[id].Resolve(seed)
		jobs = append(jobs, tr.built.Job(p.Name, sc))
	}
	return jobs
}

// As root every point can be judged, so each cheat is held to what it says.
func TestCheats(t *testing.T) {
	tr := open(t, *only)
	if !slices.Contains(tr.Users, battery.Root) {
		t.Skip("needs root, as which every point can be judged")
	}
	tr.hold(t, tr.grade(t, battery.Root, battery.Plan{Wide: 8}))
}

// sample are cheats of several kinds that have few scenarios: who uses another program,
// who speaks for the probe or drives it, who takes another's map, who remembers.
const sample = "^(runs_unshare|speaks_for_the_probe|c_drives_the_probe|map_of_somebody_else|remembers)$"

// In a machine every point can be judged, too, whoever grades. Where machines are
// reused, a cheat also meets what others have left there.
func TestCheatsInMachines(t *testing.T) {
	kinds := battery.KindsOfMachines(t)
	tr := open(t, battery.InMachines(*only, sample))
	tr.Boot(t)
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			tr.hold(t, tr.grade(t, tr.Users[0], battery.Plan{Wide: 2, Machines: kind}))
		})
	}
}

// hold wants each cheat to earn what it says, and the machine as it was.
func (tr *trial) hold(t *testing.T, sheets []judge.Sheet) {
	t.Helper()
	for i, p := range tr.programs {
		t.Run(p.Name, func(t *testing.T) {
			reasons := reasons(sheets[i])
			t.Log(reasons)
			if err := holds(p, sheets[i], reasons); err != nil {
				t.Error(err)
			}
		})
	}
	tr.harmless(t)
}

// An ordinary user's machine may not show all. What it cannot judge is earned by
// nobody: no cheat gets more than as root, and none gets away undecided either, but
// in the rows that it says.
func TestCheatsOfAnOrdinaryUser(t *testing.T) {
	tr := open(t, *only)
	for _, as := range tr.Users {
		if as == battery.Root {
			continue
		}
		for i, sheet := range tr.grade(t, as, battery.Plan{Wide: 8}) {
			p := tr.programs[i]
			for _, row := range slices.Concat(sheet.Rows, sheet.Bonus) {
				if row.Earned > p.Earns[row.ID] {
					t.Errorf("%s, as %s: %s earns %d; want at most %d", p.Name, as, row.ID, row.Earned, p.Earns[row.ID])
				}
				if row.Open && !slices.Contains(p.Undecided, row.ID) {
					t.Errorf("%s, as %s: %s is undecided: %s\n%s", p.Name, as, row.ID, row.Reason.EN, reasons(sheet))
				}
			}
			if len(sheet.Faults) > 0 {
				t.Errorf("%s, as %s: harness faults %q", p.Name, as, sheet.Faults)
			}
		}
	}
	tr.harmless(t)
}

func (tr *trial) harmless(t *testing.T) {
	t.Helper()
	found, err := tr.Harm(t.Context())
	if err != nil || len(found) > 0 {
		t.Errorf("the machine is not as it was: %q, %v", found, err)
	}
}

// grade has all programs played, and judges what was seen.
func (tr *trial) grade(t *testing.T, as battery.User, plan battery.Plan) []judge.Sheet {
	t.Helper()
	for _, p := range tr.programs {
		plan.Turns = append(plan.Turns, tr.turn(p))
	}
	outcomes, err := tr.Play(t.Context(), as, plan)
	if err != nil {
		t.Fatal(err)
	}
	sheets := make([]judge.Sheet, len(tr.programs))
	for i, p := range tr.programs {
		sheets[i] = tr.judge(p, plan.Turns[i], outcomes[i])
	}
	return sheets
}

func (tr *trial) judge(p *battery.Program, jobs []run.Job, outcomes []battery.Outcome) judge.Sheet {
	ex := tr.exercise(p)
	g := judge.Grading{
		Submission: p.Name, Seed: seed, Only: p.Only, Records: map[string]*evidence.Record{}, Harness: map[string]string{},
		Findings: grader.Findings(tr.built.Submissions[p.Name], ex.Norm),
	}
	for i, o := range outcomes {
		id := jobs[i].Scenario.ID
		if o.Fault != "" {
			g.Harness[id] = o.Fault
			continue
		}
		_, o.Record.Given = ex.Scenarios[id].Resolve(seed)
		g.Records[id] = o.Record
	}
	return judge.Exercise(ex, g)
}

// holds tells how a sheet differs from what the program says of itself.
func holds(p *battery.Program, sheet judge.Sheet, reasons string) error {
	var wrong []string
	for _, row := range slices.Concat(sheet.Rows, sheet.Bonus) {
		if row.Earned != p.Earns[row.ID] || row.Open {
			wrong = append(wrong, fmt.Sprintf("%s earns %d (%s %s); want %d", row.ID, row.Earned, row.Verdict, row.Reason.EN, p.Earns[row.ID]))
		}
	}
	if len(sheet.Faults) > 0 {
		wrong = append(wrong, fmt.Sprintf("harness faults %q", sheet.Faults))
	}
	blocked := slices.ContainsFunc(sheet.Norm.Findings, func(f judge.Finding) bool { return f.Blocking && f.Rule == p.Blocks })
	if (p.Blocks != "") != sheet.Norm.Blocking || p.Blocks != "" && (!blocked || sheet.Score != 0) {
		wrong = append(wrong, fmt.Sprintf("score %d, norm %+v; want it blocked by %q", sheet.Score, sheet.Norm.Findings, p.Blocks))
	}
	if !regexp.MustCompile(p.Reason).MatchString(reasons) {
		wrong = append(wrong, fmt.Sprintf("no reason is like %q", p.Reason))
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s; the reasons are:\n%s", strings.Join(wrong, "; "), reasons)
}

// reasons is what the report says of a sheet.
func reasons(sheet judge.Sheet) (text string) {
	for _, row := range slices.Concat(sheet.Rows, sheet.Bonus) {
		for _, s := range row.Scenarios {
			text += fmt.Sprintf("%s %s %s\n", s.ID, s.Verdict, s.Reason.EN)
			for _, e := range s.Expectations {
				if e.Judged && !e.OK {
					text += "  " + e.Hint.EN + " (" + e.Got + ")\n"
				}
			}
		}
	}
	for _, f := range sheet.Norm.Findings {
		text += f.Rule + ": " + f.Message.EN + "\n"
	}
	return text
}
