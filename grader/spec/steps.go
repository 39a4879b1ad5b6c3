package spec

import (
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"moulinette/grader/scenario"
	"moulinette/grader/spec/tree"
)

// stepDescription is what a step holds beside a contract call.
type stepDescription struct {
	As      string           `yaml:"as" doc:"label; default: the name of the call, with _2, _3 ... when repeated"`
	Times   int              `yaml:"times" doc:"repeat the call, after a few to warm up; what it leaves is in grown"`
	Anyhow  bool             `yaml:"anyhow" doc:"with times: go on after a call that failed"`
	Then    []string         `yaml:"then" doc:"with times: calls on the same container after each"`
	Async   bool             `yaml:"async" doc:"do not wait for the call's answer: for a kill while it is under way"`
	Script  *scenario.Script `yaml:"script" doc:"what the probe that the call starts does"`
	Host    *scenario.Host   `yaml:"host" doc:"something done by the sandbox in the peer's namespaces"`
	Probe   *scenario.Ask    `yaml:"probe" doc:"ask a waiting probe to act"`
	Observe string           `yaml:"observe" doc:"take a snapshot under this label"`
	Kill    string           `yaml:"kill" doc:"driver: kill it, as a parent that dies"`
}

// deeds are the keys of which a step has one, beside the calls.
func deeds() []string { return []string{"host", "probe", "observe", "kill"} }

func (r *resolver) steps(n *yaml.Node) []scenario.Step {
	if n == nil || n.Kind != yaml.SequenceNode {
		if n != nil {
			r.d.ReportNode(n, "steps must be a list", "write one step a dash")
		}
		return nil
	}
	items := n.Content
	if len(items) > maxSteps {
		r.d.ReportNode(items[maxSteps], fmt.Sprintf("%d steps, more than %d", len(items), maxSteps), "make it several scenarios, or repeat a call with times:")
		items = items[:maxSteps]
	}
	steps := make([]scenario.Step, len(items))
	for i, item := range items {
		r.step(r.substitute(item), &steps[i])
	}
	return steps
}

// maxSteps is how many steps a scenario, or acts a probe, may have: more than anybody
// waits for, and few enough for each to be compared with all before it.
const maxSteps = 200

func (r *resolver) step(n *yaml.Node, step *scenario.Step) {
	var main []tree.Entry
	rest := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	for _, e := range r.d.Entries(n, "a step") {
		_, call := scenario.Calls()[e.Key.Value]
		if call || slices.Contains(deeds(), e.Key.Value) {
			main = append(main, e)
		}
		if !call {
			rest.Content = append(rest.Content, e.Key, e.Value)
		}
	}
	if !r.oneDeed(n, main, rest) {
		return
	}
	var desc stepDescription
	r.description(rest, &desc)
	step.As, step.Times, step.Async, step.Script = desc.As, desc.Times, desc.Async, desc.Script
	step.Anyhow, step.Then = desc.Anyhow, desc.Then
	switch key := main[0].Key; key.Value {
	case "host":
		step.Host = desc.Host
		r.host(main[0].Value, step)
	case "probe":
		step.Probe = desc.Probe
		r.ask(main[0].Value, step)
	case "observe":
		step.Observe = true
		r.observe(main[0].Value, step, desc)
	case "kill":
		step.Kill = desc.Kill
		r.kill(main[0].Value, step)
	default:
		step.Call = key.Value
		r.call(main[0], step)
	}
}

// description decodes the keys that are no call; an unknown one may also have
// been meant as a call.
func (r *resolver) description(rest *yaml.Node, desc *stepDescription) {
	known := append(slices.Collect(maps.Keys(scenario.Calls())), append(deeds(), "as", "times", "anyhow", "then", "async", "script")...)
	kept := *rest
	kept.Content = nil
	for i := 0; i < len(rest.Content); i += 2 {
		key := rest.Content[i]
		if !slices.Contains(known, key.Value) {
			r.d.ReportNode(key, fmt.Sprintf("unknown call or key %q in a step", key.Value), suggest(key.Value, known, aboutSteps))
			continue
		}
		kept.Content = append(kept.Content, key, rest.Content[i+1])
	}
	r.d.DecodePart(&kept, desc, "a step")
}

func (r *resolver) oneDeed(n *yaml.Node, main []tree.Entry, rest *yaml.Node) bool {
	switch {
	case len(main) == 1:
		return true
	case len(main) > 1:
		r.d.ReportNode(main[1].Key, fmt.Sprintf("a step does one thing, this one has %s and %s", main[0].Key.Value, main[1].Key.Value), "make it two steps")
	case n.Kind == yaml.MappingNode:
		var desc stepDescription
		before := len(r.d.Problems)
		r.description(rest, &desc)
		if len(r.d.Problems) == before {
			r.d.ReportNode(n, "a step that does nothing", "name a call of the contract, or host, probe, observe, kill")
		}
	}
	return false
}

// label gives a step its label, and refuses one that is taken.
func (r *resolver) label(n *yaml.Node, step *scenario.Step, fallback string) string {
	if step.As == "" {
		step.As = fresh(fallback, r.names.labels)
	}
	if !label.MatchString(step.As) {
		r.d.ReportNode(n, fmt.Sprintf("the label %q is no name", step.As), "use lower-case letters, digits and _")
	}
	if first, taken := r.names.labels[step.As]; taken {
		r.d.ReportNode(n, fmt.Sprintf("the label %q is taken by the step at line %d", step.As, first.Line), "give one of them another with as:")
	}
	if step.As == "before" || step.As == "after" {
		r.d.ReportNode(n, fmt.Sprintf("the label %q stands for the snapshots around all steps", step.As), "choose another")
	}
	r.names.labels[step.As] = tree.Pos{Line: n.Line, Column: n.Column}
	return step.As
}

// fresh is name, or name_2, name_3 ... if it is taken.
func fresh[V any](name string, taken map[string]V) string {
	for candidate, i := name, 2; ; i++ {
		if _, is := taken[candidate]; !is {
			return candidate
		}
		candidate = fmt.Sprintf("%s_%d", name, i)
	}
}

func (r *resolver) host(n *yaml.Node, step *scenario.Step) {
	r.label(n, step, "host")
	r.alone(n, step, "host")
	h := step.Host
	if h == nil {
		h = &scenario.Host{}
		step.Host = h
	}
	set := 0
	for _, place := range []*string{&h.Mount, &h.Umount, &h.Write} {
		if *place != "" {
			set++
			r.absolute(place)
		}
	}
	if h.NetnsAdd != "" {
		set++
		r.netns(&h.NetnsAdd)
	}
	if set != 1 {
		r.d.ReportNode(n, fmt.Sprintf("host does one thing, this one has %d", set), "give one of mount, umount, netns_add, write")
	}
}

func (r *resolver) observe(n *yaml.Node, step *scenario.Step, desc stepDescription) {
	if desc.As != "" {
		r.d.ReportNode(n, "as has no use beside observe", "the value of observe is the label")
	}
	step.As = desc.Observe
	r.names.at = append(r.names.at, r.label(n, step, "observe"))
	r.alone(n, step, "observe")
}

func (r *resolver) kill(n *yaml.Node, step *scenario.Step) {
	r.label(n, step, "kill")
	r.alone(n, step, "kill")
	if step.Kill != "driver" {
		r.d.ReportNode(n, fmt.Sprintf("cannot kill %q", step.Kill), "write kill: driver")
	}
	r.names.killed = true
}

// alone refuses what only a call can have.
func (r *resolver) alone(n *yaml.Node, step *scenario.Step, what string) {
	if step.Times != 0 || step.Anyhow || step.Then != nil {
		r.d.ReportNode(n, "times has no use beside "+what, "remove it")
	}
	if step.Async {
		r.d.ReportNode(n, "async has no use beside "+what, "remove it")
	}
	if step.Script != nil {
		r.d.ReportNode(n, "script has no use beside "+what, "put it beside the call that starts the probe")
	}
}

func (r *resolver) ask(n *yaml.Node, step *scenario.Step) {
	r.label(n, step, "ask")
	r.alone(n, step, "probe")
	if step.Probe == nil {
		step.Probe = &scenario.Ask{}
	}
	a := step.Probe
	processes := r.names.processes()
	if a.Name == "" && len(processes) > 0 {
		a.Name = processes[0]
	}
	switch {
	case !slices.Contains(processes, a.Name):
		r.d.ReportNode(n, fmt.Sprintf("no probe %q is started before this step", a.Name), tree.Suggest(a.Name, processes))
	case r.names.ended[a.Name]:
		r.d.ReportNode(n, fmt.Sprintf("the probe %q has ended by now: an earlier step told it to exit, or killed it", a.Name), "ask it before that step")
	case !r.names.staying[a.Name]:
		r.d.ReportNode(n, fmt.Sprintf("the probe %q does not stay: it has ended by now", a.Name), "add stay: true to its script")
	}
	r.acts(a.Name, a.Do)
	r.within(&a.Kill, "kill", 1, lastSignal)
	if a.Exit != nil {
		r.status(*a.Exit, r.d.Near(a.Exit))
	}
	// Whatever the signal, the line to a probe that was sent one is closed, and it ends.
	r.names.ended[a.Name] = a.Exit != nil || a.Kill != 0
	r.names.asked = append(r.names.asked, a.Name)
}

func (r *resolver) status(exit int, at tree.Pos) {
	if exit < 0 || exit > 255 {
		r.d.Report(at, fmt.Sprintf("an exit status of %d", exit), "stay between 0 and 255")
	}
}

// acts labels and checks what a probe is to do.
func (r *resolver) acts(probe string, acts []scenario.Act) {
	if n := len(r.names.acts[probe]) + len(acts); n > maxSteps {
		r.d.Report(r.d.Near(&acts[0]), fmt.Sprintf("%d acts of one probe, more than %d", n, maxSteps), "make it several scenarios")
		return
	}
	taken := map[string]bool{}
	for _, known := range r.names.acts[probe] {
		taken[known] = true
	}
	for i := range acts {
		a := &acts[i]
		if _, ok := scenario.Acts()[a.Do]; !ok {
			r.d.Report(r.d.Near(&a.Do), fmt.Sprintf("unknown act %q", a.Do), suggest(a.Do, slices.Collect(maps.Keys(scenario.Acts())), aboutSteps))
		}
		r.act(a)
		if a.As == "" {
			a.As = fresh(a.Do, taken)
		}
		if taken[a.As] {
			r.d.Report(r.d.Near(&a.As), fmt.Sprintf("the act %q of this probe is there twice", a.As), "give it another label with as:")
		}
		taken[a.As] = true
		r.names.acts[probe] = append(r.names.acts[probe], a.As)
	}
}

// act checks what a deed needs.
func (r *resolver) act(a *scenario.Act) {
	r.within(&a.Signal, "signal", 1, lastSignal)
	r.within(&a.Port, "port", 1, 65_535)
	switch a.Do {
	case "syscall":
		if a.Text != "" {
			r.oneOf(&a.Text, a.Text, "system call", scenario.SyscallNames())
		}
	case "sleep":
		if a.MS < 1 || a.MS > longest {
			r.d.Report(r.d.Near(a), fmt.Sprintf("a sleep of %d milliseconds", a.MS), fmt.Sprintf("give ms: from 1 to %d", longest))
		}
	case "write", "read", "list", "stat", "mkdir", "mount_tmpfs", "umount":
		if a.Path == "" {
			r.d.Report(r.d.Near(a), fmt.Sprintf("the act %s has no path", a.Do), "add path:")
		}
	}
}
