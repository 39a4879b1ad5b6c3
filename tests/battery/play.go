package battery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"moulinette/grader/evidence"
	"moulinette/grader/run"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/scenario"
)

// Plan is what a player plays: turns side by side, the scenarios of each one
// after another on the same worker, so that the second meets what the first left.
type Plan struct {
	Agent    string      `json:"agent"`
	Wide     int         `json:"wide"`
	Machines Machines    `json:"machines,omitempty"`
	Cache    string      `json:"cache,omitempty"` // of machines
	Turns    [][]run.Job `json:"turns"`
}

// Machines says in which virtual machines a plan is played.
type Machines string

// Kinds of machines.
const (
	None   Machines = ""       // in namespaces
	Fresh  Machines = "fresh"  // one for each scenario
	Reused Machines = "reused" // one for many: of one turn, and of others with the same driver
)

// Outcome is what came of one scenario.
type Outcome struct {
	Record *evidence.Record `json:"record,omitempty"`
	Fault  string           `json:"fault,omitempty"`  // of the harness or the host
	Before string           `json:"before,omitempty"` // why it was tried again
	Tries  int              `json:"tries"`
}

// answer is what a player tells.
type answer struct {
	Outcomes [][]Outcome  `json:"outcomes"` // of each turn
	Agents   map[int]bool `json:"agents"`   // pids of the agents that it had started
}

// Job is a scenario of a program.
func (d *Built) Job(program string, sc scenario.Scenario) run.Job {
	sc.Variant = program
	return run.Job{Driver: d.drivers[program], Scenario: sc}
}

// player is the whole life of a process that plays a plan, which it reads from
// in, and tells what came of it. It is a grader, and grades nothing: what is
// right is decided by who started it, and looks at the machine from outside.
func player(ctx context.Context, in io.Reader, out io.Writer) error {
	var p Plan
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return fmt.Errorf("player: %w", err)
	}
	opener, err := p.opener(ctx)
	if err != nil {
		return fmt.Errorf("player: %w", err)
	}
	return json.NewEncoder(out).Encode(p.play(ctx, opener))
}

func (p *Plan) opener(ctx context.Context) (sandbox.Opener, error) {
	if p.Machines == None {
		return ns.New(ns.Options{Agent: p.Agent})
	}
	return vm.New(ctx, vm.Options{Agent: p.Agent, Cache: p.Cache, Reuse: p.Machines == Reused})
}

func (p *Plan) play(ctx context.Context, opener sandbox.Opener) answer {
	outcomes := make([][]Outcome, len(p.Turns))
	w := &watch{agents: map[int]bool{}}
	scenarios := func(jobs []run.Job) []run.Result {
		return run.Scenarios(ctx, jobs, run.Options{Opener: opener, Jobs: 1, Progress: w})
	}
	if p.Machines != None { // a machine is dear to begin with: a driver's next turn finds it as the last one left it
		crew := run.NewCrew(run.Options{Opener: opener, Jobs: p.Wide})
		defer crew.Close()
		scenarios = func(jobs []run.Job) []run.Result { return crew.Do(ctx, jobs) }
	}
	next := make(chan int)
	var players sync.WaitGroup
	for range max(p.Wide, 1) {
		players.Go(func() {
			for i := range next {
				for _, r := range scenarios(p.Turns[i]) {
					outcomes[i] = append(outcomes[i], outcome(r))
				}
			}
		})
	}
	for i := range p.Turns {
		next <- i
	}
	close(next)
	players.Wait()
	return answer{outcomes, w.agents}
}

// watch notes the agents while they are at work: they are our only children.
type watch struct {
	mu     sync.Mutex
	agents map[int]bool
}

// Done is called while the agent of a scenario still lives.
func (w *watch) Done(int, run.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range tasks {
		text, _ := os.ReadFile(name) // a thread may just have ended
		for pid := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(pid); err == nil {
				w.agents[n] = true
			}
		}
	}
}

func outcome(r run.Result) Outcome {
	o := Outcome{Record: r.Record, Tries: r.Tries}
	if r.Err != nil {
		o.Fault = r.Err.Error()
	}
	if r.Before != nil {
		o.Before = r.Before.Error()
	}
	return o
}
