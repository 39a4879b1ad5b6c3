// Package expect is the language of expectations: typed expressions over
// claims and evidence. An expression is checked when a spec is loaded, against
// the names of its scenario, and evaluated on a record. What is missing from a
// record is a zero value; an expression that cannot be evaluated on it is false.
package expect

import (
	"reflect"

	"github.com/expr-lang/expr"

	"moulinette/grader/evidence"
)

// Names is what the expressions of one scenario can speak of.
type Names struct {
	Given    map[string]any      // the given values, or values of the same types
	Calls    []string            // labels, in order
	Repeated []string            // those of calls that are made several times
	Probes   []string            // names, in order
	Asked    []string            // those of probes that a step asks
	Acts     map[string][]string // labels of the acts of each probe
	At       []string            // observed moments
}

// Scope compiles and evaluates the expressions of one scenario.
type Scope struct {
	names   Names
	env     reflect.Type
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
		"min", "max", "sum", "abs", "join", "split", "trim", "lower", "upper", "int", "string",
	}
}

// NewScope is the scope of a scenario with these names.
func NewScope(names Names) *Scope {
	s := &Scope{names: names, env: environment(names)}
	s.options = []expr.Option{
		expr.Env(reflect.Zero(s.env).Interface()), expr.AsBool(), expr.Optimize(false), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(),
	}
	for _, name := range builtins() {
		s.options = append(s.options, expr.EnableBuiltin(name))
	}
	for _, h := range helpers() {
		s.options = append(s.options, expr.Function(h.Name, h.call, h.types...))
	}
	return s
}

// Env is what a record gives to the names. given holds the scenario's values.
func (s *Scope) Env(rec *evidence.Record, given map[string]any) any {
	env := reflect.New(s.env).Elem()
	before := rec.At["before"]
	fill(env, map[string]any{
		"before": before, "after": rec.At["after"], "driver": before.Driver, "peer": before.Peer,
		"end": rec.End, "output": rec.Output, "host": rec.Host, "faults": rec.Faults, "trace": rec.Trace,
	})
	fill(named(env, "given"), given)
	calls := named(env, "calls")
	fill(calls, rec.Calls)
	fill(named(env, "at"), rec.At)
	probes := named(env, "probes")
	for _, name := range s.names.Probes {
		fillProbe(named(probes, name), rec.Probes[name])
	}
	if n := len(s.names.Calls); n > 0 {
		named(env, "call").Set(named(calls, s.names.Calls[n-1]))
	}
	if len(s.names.Probes) > 0 {
		named(env, "probe").Set(named(probes, s.names.Probes[0]))
	}
	return env.Interface()
}
