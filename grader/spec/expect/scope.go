// Package expect is the language of expectations: typed expressions over
// claims and evidence. An expression is checked when a spec is loaded, against
// the names of its scenario, and evaluated on a record. What is missing from a
// record is a zero value; an expression that cannot be evaluated is false.
package expect

import (
	"reflect"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/types"

	"moulinette/grader/evidence"
)

// Names is what the expressions of one scenario can speak of.
type Names struct {
	Given  map[string]any      // the given values, or values of the same types
	Calls  []string            // labels, in order
	Probes []string            // names, in order
	Acts   map[string][]string // labels of the acts of each probe
	At     []string            // observed moments
}

// Scope compiles and evaluates the expressions of one scenario.
type Scope struct {
	names   Names
	options []expr.Option
}

// Bounds of one expression.
const (
	maxLength = 2000
	maxNodes  = 400
	memory    = 100_000
)

// builtins are the functions of the expression engine that expectations may
// use: those that are pure, bounded and of use on evidence.
func builtins() []string {
	return []string{
		"all", "any", "none", "one", "filter", "map", "count", "find", "len", "first", "last",
		"min", "max", "sum", "abs", "keys", "join", "split", "trim", "lower", "upper", "int", "string",
	}
}

// NewScope is the scope of a scenario with these names.
func NewScope(names Names) *Scope {
	options := []expr.Option{
		expr.Env(environment(names)), expr.AsBool(), expr.Optimize(false), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(),
	}
	for _, name := range builtins() {
		options = append(options, expr.EnableBuiltin(name))
	}
	for _, h := range helpers() {
		options = append(options, expr.Function(h.Name, h.call, h.types...))
	}
	return &Scope{names: names, options: options}
}

// environment gives the static type of every name.
func environment(names Names) types.Map {
	snapshot := types.TypeOf(evidence.Snapshot{})
	process := types.TypeOf(evidence.Process{})
	env := types.Map{
		"before": snapshot, "after": snapshot, "driver": process, "peer": process,
		"end": types.TypeOf(evidence.End{}), "output": types.TypeOf(evidence.Output{}), "host": types.TypeOf(evidence.Host{}),
		"faults": types.TypeOf([]evidence.FaultSeen{}), "trace": types.TypeOf([]evidence.Event{}),
	}
	given, calls, probes, at := types.Map{}, types.Map{}, types.Map{}, types.Map{}
	for name, value := range names.Given {
		given[name] = types.TypeOf(value)
	}
	for _, label := range names.Calls {
		calls[label] = types.TypeOf(evidence.Call{})
		env["call"] = calls[label]
	}
	for _, name := range names.Probes {
		probes[name] = probeType(names.Acts[name])
	}
	if len(names.Probes) > 0 {
		env["probe"] = probes[names.Probes[0]]
	}
	for _, label := range names.At {
		at[label] = snapshot
	}
	env["given"], env["calls"], env["probes"], env["at"] = given, calls, probes, at
	return env
}

// probeType is evidence.Probe, but with exactly the acts that the scenario asks
// for, so that a misspelt one is found when the spec is loaded.
func probeType(labels []string) types.Type {
	probe := types.Map{}
	for field := range reflect.TypeFor[evidence.Probe]().Fields() {
		probe[field.Tag.Get("expr")] = types.TypeOf(reflect.Zero(field.Type).Interface())
	}
	acts := types.Map{}
	for _, label := range labels {
		acts[label] = types.TypeOf(evidence.ActResult{})
	}
	probe["acts"] = acts
	probe["later"] = types.TypeOf(evidence.Process{})
	return probe
}

// Env is what a record gives to the names. given holds the scenario's values.
func (s *Scope) Env(rec *evidence.Record, given map[string]any) map[string]any {
	before := rec.At["before"]
	env := map[string]any{
		"before": before, "after": rec.At["after"], "driver": before.Driver, "peer": before.Peer,
		"end": rec.End, "output": rec.Output, "host": rec.Host, "faults": rec.Faults, "trace": rec.Trace,
		"given": given, "calls": rec.Calls, "at": rec.At,
	}
	if n := len(s.names.Calls); n > 0 {
		env["call"] = rec.Calls[s.names.Calls[n-1]]
	}
	probes := make(map[string]evidence.Probe, len(rec.Probes))
	for name, p := range rec.Probes {
		probes[name] = complete(p)
	}
	for _, name := range s.names.Probes {
		probes[name] = complete(probes[name])
	}
	env["probes"] = probes
	if len(s.names.Probes) > 0 {
		env["probe"] = probes[s.names.Probes[0]]
	}
	return env
}

// complete spares expressions the nil: a process that was not seen later has no
// pid.
func complete(p evidence.Probe) evidence.Probe {
	if p.Later == nil {
		p.Later = &evidence.Process{}
	}
	return p
}
