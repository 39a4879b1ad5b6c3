package spec

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"moulinette/grader/scenario"
	"moulinette/grader/spec/expect"
	"moulinette/grader/spec/tree"
)

// call decodes the arguments of a contract call and names its probe.
func (r *resolver) call(e tree.Entry, step *scenario.Step) {
	r.label(e.Key, step, step.Call)
	r.names.calls = append(r.names.calls, step.As)
	if step.Times > 1 {
		r.names.repeated = append(r.names.repeated, step.As)
	}
	if r.names.killed {
		r.d.ReportNode(e.Key, "a call after the driver was killed", "move it before kill: driver")
	}
	if step.Times < 0 {
		r.d.ReportNode(e.Key, "times below 0", "leave it out, or give a positive number")
	}
	r.followers(e.Key, step)
	given := r.arguments(e.Value, step)
	r.required(e.Key, step.Call, given)
	r.flags(step)
	r.config(e.Key, step, given)
	r.script(e.Key, step)
}

// followers checks the calls that go with each of a repeated one.
func (r *resolver) followers(at *yaml.Node, step *scenario.Step) {
	for word, is := range map[string]bool{"times": step.Times != 0, "then": len(step.Then) > 0, "anyhow": step.Anyhow} {
		if step.Async && is {
			r.d.ReportNode(at, "async and "+word+" in one step: a call whose answer is not waited for is made once, and nothing follows it", "remove one of them")
		}
	}
	if step.Times < 2 && (step.Anyhow || len(step.Then) > 0) {
		r.d.ReportNode(at, "anyhow and then have no use without times", "add times:, or remove them")
	}
	var known []string
	for name, s := range scenario.Calls() {
		if !s.Starts && slices.Contains(s.Args, "container") {
			known = append(known, name)
		}
	}
	if len(step.Then) > 0 && !slices.Contains(scenario.Calls()[step.Call].Args, "container") {
		r.d.ReportNode(at, step.Call+" leaves no container to go on with", "remove then")
	}
	for i := range step.Then {
		r.oneOf(&step.Then[i], step.Then[i], "call on a container", known)
	}
}

// arguments decodes what the call takes, refuses the rest, and tells which were
// given.
func (r *resolver) arguments(n *yaml.Node, step *scenario.Step) map[string]bool {
	takes := scenario.Calls()[step.Call].Args
	given := map[string]bool{}
	kept := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	for _, e := range r.d.Entries(n, "the arguments of "+step.Call) {
		if !slices.Contains(takes, e.Key.Value) {
			r.d.ReportNode(e.Key, fmt.Sprintf("%s takes no argument %q", step.Call, e.Key.Value), tree.Suggest(e.Key.Value, takes))
			continue
		}
		given[e.Key.Value] = true
		kept.Content = append(kept.Content, e.Key, e.Value)
	}
	r.d.DecodePart(kept, &step.Args, "the arguments of "+step.Call)
	if slices.Contains(takes, "container") && step.Args.Container == "" {
		step.Args.Container = "main"
	}
	return given
}

// optional are the arguments that have a meaning when they are left out.
func optional() []string {
	return []string{"null", "argv", "keep", "inherit", "allowed", "allowed_all_but", "container", "config", "net", "mnt", "pid", "process", "flags"}
}

func (r *resolver) required(at *yaml.Node, call string, given map[string]bool) {
	takes := scenario.Calls()[call].Args
	for _, arg := range takes {
		if !given[arg] && !slices.Contains(optional(), arg) {
			r.d.ReportNode(at, fmt.Sprintf("%s lacks its argument %s", call, arg), `write it, as "" or 0 if that is meant`)
		}
	}
	if slices.Contains(takes, "pid") && given["pid"] == given["process"] {
		r.d.ReportNode(at, call+" takes either pid or process", "give one of them")
	}
	for _, arg := range []string{"net", "mnt"} {
		if slices.Contains(takes, arg) && given[arg] == given["null"] {
			r.d.ReportNode(at, fmt.Sprintf("%s takes either %s or null: true", call, arg), "give one of them")
		}
	}
}

// flags checks the names that arguments are made of.
func (r *resolver) flags(step *scenario.Step) {
	a := &step.Args
	if a.Process != "" && !slices.Contains(r.names.targets, a.Process) {
		r.d.Report(r.d.Near(&a.Process), fmt.Sprintf("unknown process %q", a.Process), tree.Suggest(a.Process, r.names.targets))
	}
	for i, name := range a.Flags {
		r.oneOf(&a.Flags[i], name, "namespace flag", slices.Collect(maps.Keys(scenario.FlagNames())))
	}
	for i, name := range a.Keep {
		r.oneOf(&a.Keep[i], strings.TrimPrefix(name, "CAP_"), "capability", expect.Capabilities())
	}
	r.mnt(a.Mnt)
	if c := a.Config; c != nil {
		for i, name := range c.Flags {
			r.oneOf(&c.Flags[i], name, "namespace flag", slices.Collect(maps.Keys(scenario.FlagNames())))
		}
		switch {
		case c.CloneFlags > math.MaxUint32:
			r.d.Report(r.d.Near(&c.CloneFlags), fmt.Sprintf("clone_flags of %d has more than 32 bits", c.CloneFlags), "give the sum of CLONE_NEW... bits, or name them under flags:")
		case c.CloneFlags != 0 && len(c.Flags) > 0:
			r.d.Report(r.d.Near(&c.CloneFlags), "a config with clone_flags and flags", "name all of them under flags:, and remove clone_flags")
		}
		if c.NoCmd && len(c.Cmd) > 0 {
			r.d.Report(r.d.Near(&c.NoCmd), "a config with a command and without one", "remove cmd or no_cmd")
		}
		r.mnt(c.Mnt)
	}
}

func (r *resolver) mnt(m *scenario.Mnt) {
	if m != nil && m.Propagation != "" {
		r.oneOf(&m.Propagation, m.Propagation, "propagation", []string{"private", "shared", "slave", "unbindable"})
	}
}

func (r *resolver) oneOf(pointer *string, word, what string, known []string) {
	if !slices.Contains(known, word) {
		r.d.Report(r.d.Near(pointer), fmt.Sprintf("unknown %s %q", what, word), suggest(word, known, aboutSteps))
	}
}

// config makes sure that a container has a config before it is used.
func (r *resolver) config(at *yaml.Node, step *scenario.Step, given map[string]bool) {
	if !slices.Contains(scenario.Calls()[step.Call].Args, "container") || step.Args.Null {
		return
	}
	name := step.Args.Container
	if given["config"] {
		r.names.configs[name] = true
	}
	if !r.names.configs[name] {
		r.d.ReportNode(at, fmt.Sprintf("the container %q has no config yet", name), "add config: {...} here or to an earlier call, or null: true")
	}
}

// script gives the probe that a call starts its name, and checks what it does.
func (r *resolver) script(at *yaml.Node, step *scenario.Step) {
	signature := scenario.Calls()[step.Call]
	if !signature.Starts || step.Args.Null {
		if step.Script != nil {
			r.d.ReportNode(at, step.Call+" starts no probe, so it has no use for a script", "remove the script")
		}
		return
	}
	fallback := "probe"
	if step.Args.Container != "" {
		fallback = step.Args.Container
	}
	again := step.Script == nil && step.Args.Container != "" && slices.Contains(r.names.probes, fallback)
	if step.Script == nil {
		step.Script = &scenario.Script{}
	}
	s := step.Script
	if again { // container_start of a container that runs: the same probe
		s.Name = fallback
		return
	}
	r.probe(at, s, fallback)
	if s.Stay && signature.Blocks {
		r.d.Report(r.d.Near(&s.Stay), step.Call+" returns only when its probe has ended, so the probe cannot stay", "remove stay")
	}
	if s.Stay && s.Exit != 0 {
		r.d.Report(r.d.Near(&s.Exit), "a probe that stays has no exit status of its own", "give it with a later step probe: {exit: ...}")
	}
}

func (r *resolver) probe(at *yaml.Node, s *scenario.Script, fallback string) {
	taken := map[string]bool{}
	for _, name := range r.names.processes() {
		taken[name] = true
	}
	if s.Name == "" {
		s.Name = fresh(fallback, taken)
	}
	switch {
	case !label.MatchString(s.Name):
		r.d.ReportNode(at, fmt.Sprintf("the probe name %q is no name", s.Name), "use lower-case letters, digits and _")
	case taken[s.Name]:
		r.d.ReportNode(at, fmt.Sprintf("a probe named %q is started already", s.Name), "give this one another name")
	}
	r.names.probes = append(r.names.probes, s.Name)
	r.names.staying[s.Name] = s.Stay
	r.acts(s.Name, s.Do)
	r.status(s.Exit, r.d.Near(&s.Exit))
	r.within(&s.Kill, "kill", 1, lastSignal)
	r.watch(s.Name, s.Watch)
}
