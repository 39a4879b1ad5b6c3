package spec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
	"moulinette/grader/spec/expect"
	"moulinette/grader/spec/tree"
)

// Resolve makes of s what the sandbox runs, and the given values that its
// expectations speak of. Both depend on the seed alone. The expectations stay
// behind.
func (s *Scenario) Resolve(seed uint64) (scenario.Scenario, map[string]any) {
	r := s.resolver(seed)
	return r.scenario(s, seed), r.values
}

// Env is what a record of s gives to the names of its expectations. The given
// values are those kept in the record, or drawn from its seed again.
func (s *Scenario) Env(rec *evidence.Record) any {
	if s.scope == nil {
		return nil
	}
	return s.scope.Env(rec, s.coerce(rec.Given, rec.Seed))
}

var (
	identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	label      = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	dotted     = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)
	reference  = regexp.MustCompile(`\$\{([^}]*)\}`)
)

// resolver turns one scenario's templates into what they stand for, and reports
// what is wrong with them.
type resolver struct {
	d      *tree.Decoder
	values map[string]any
	used   map[string]bool
	names  names
}

// names is what the steps and the world define.
type names struct {
	labels   map[string]tree.Pos
	calls    []string
	repeated []string // of calls
	at       []string
	probes   []string // started by calls, in order
	targets  []string // of the world
	acts     map[string][]string
	staying  map[string]bool     // probes and targets that later steps can ask
	ended    map[string]bool     // those that a step has ended
	asked    []string            // probes and targets, by steps
	watched  map[string][]string // files, by the probe that does; "": the scenario
	configs  map[string]bool     // containers that were given a config
	killed   bool
}

func (s *Scenario) resolver(seed uint64) *resolver {
	return &resolver{
		d: tree.NewDecoder(s.File), values: s.values(seed), used: map[string]bool{},
		names: names{
			labels: map[string]tree.Pos{}, acts: map[string][]string{}, staying: map[string]bool{}, ended: map[string]bool{},
			watched: map[string][]string{}, configs: map[string]bool{},
		},
	}
}

func (n names) equal(other names) bool {
	return slices.Equal(n.calls, other.calls) && slices.Equal(n.at, other.at) && slices.Equal(n.processes(), other.processes()) &&
		maps.EqualFunc(n.acts, other.acts, slices.Equal)
}

// processes are the names under which evidence has probes, the started ones
// first.
func (n names) processes() []string { return slices.Concat(n.probes, n.targets) }

// scope is for the expressions of a scenario that defines these names.
func (r *resolver) scope() *expect.Scope {
	return expect.NewScope(expect.Names{
		Given: r.values, Calls: r.names.calls, Repeated: r.names.repeated, Probes: r.names.processes(),
		Asked: r.names.asked, Acts: r.names.acts, At: r.names.at,
	})
}

func (r *resolver) scenario(s *Scenario, seed uint64) scenario.Scenario {
	sc := scenario.Scenario{ID: s.ID, Seed: seed, Root: s.Root}
	r.fill(s.body.World.node, &sc.World, "world")
	r.fill(s.body.Faults.node, &sc.Faults, "faults")
	r.fill(s.body.Watch.node, &sc.Watch, "watch")
	r.fill(s.body.Limits.node, &sc.Limits, "limits")
	r.limits(&sc.Limits)
	r.world(&sc.World)
	r.faults(sc.Faults)
	r.watch("", sc.Watch)
	sc.Steps = r.steps(s.body.Steps.node)
	return sc
}

// fill decodes a template into what into points to.
func (r *resolver) fill(n *yaml.Node, into any, key string) {
	if n != nil {
		r.d.DecodePart(r.substitute(n), into, key)
	}
}

// substitute copies a node with its references replaced. A text that is one
// reference takes the type of the value.
func (r *resolver) substitute(n *yaml.Node) *yaml.Node {
	c := *n
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") {
		r.replace(&c)
	}
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = r.substitute(child)
	}
	return &c
}

func (r *resolver) replace(n *yaml.Node) {
	if strings.Contains(reference.ReplaceAllString(n.Value, ""), "${") {
		r.d.ReportNode(n, "a reference without its closing brace", "write ${name}")
	}
	if ref := reference.FindString(n.Value); ref == n.Value {
		value := r.value(n, ref[2:len(ref)-1])
		r.d.Stands(n, ref)
		n.Value, n.Tag, n.Style = fmt.Sprint(value), tagOf(value), 0
		return
	}
	n.Value = reference.ReplaceAllStringFunc(n.Value, func(ref string) string {
		return fmt.Sprint(r.value(n, ref[2:len(ref)-1]))
	})
	n.Tag = "!!str"
}

func tagOf(value any) string {
	switch value.(type) {
	case int:
		return "!!int"
	case bool:
		return "!!bool"
	}
	return "!!str"
}

func (r *resolver) value(n *yaml.Node, name string) any {
	value, ok := r.values[name]
	if !ok {
		r.d.ReportNode(n, fmt.Sprintf("${%s} is not given", name), tree.Suggest(name, slices.Collect(maps.Keys(r.values))))
		return ""
	}
	r.used[name] = true
	return value
}
