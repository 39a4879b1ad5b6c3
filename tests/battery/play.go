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
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/scenario"
)

// Plan is what a player plays: turns side by side, the scenarios of each one
// after another on the same worker, so that the second meets what the first left.
type Plan struct {
	Agent string      `json:"agent"`
	Wide  int         `json:"wide"`
	Turns [][]run.Job `json:"turns"`
}

// Outcome is what came of one scenario.
type Outcome struct {
	Record *evidence.Record `json:"record,omitempty"`
	Fault  string           `json:"fault,omitempty"`  // of the harness or the host
	Before string           `json:"before,omitempty"` // why it was tried again
	Tries  int              `json:"tries"`
}

// Answer is what a player tells.
type Answer struct {
	Outcomes [][]Outcome  `json:"outcomes"` // of each turn
	Agents   map[int]bool `json:"agents"`   // pids of the agents that it had started
}

// Job is a scenario of a program.
func (d *Built) Job(program string, sc scenario.Scenario) run.Job {
	sc.Variant = program
	return run.Job{Driver: d.drivers[program], Scenario: sc}
}

// Player is the whole life of a process that plays a plan, which it reads from
// in, and tells what came of it. It is a grader, and grades nothing: what is
// right is decided by who started it, and looks at the machine from outside.
func Player(ctx context.Context, in io.Reader, out io.Writer) error {
	var p Plan
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return fmt.Errorf("player: %w", err)
	}
	opener, err := ns.New(ns.Options{Agent: p.Agent})
	if err != nil {
		return fmt.Errorf("player: %w", err)
	}
	return json.NewEncoder(out).Encode(p.play(ctx, opener))
}

func (p *Plan) play(ctx context.Context, opener *ns.Opener) Answer {
	outcomes := make([][]Outcome, len(p.Turns))
	w := &watch{agents: map[int]bool{}}
	next := make(chan int)
	var players sync.WaitGroup
	for range max(p.Wide, 1) {
		players.Go(func() {
			for i := range next {
				for _, r := range run.Scenarios(ctx, p.Turns[i], run.Options{Opener: opener, Jobs: 1, Progress: w}) {
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
	return Answer{outcomes, w.agents}
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
