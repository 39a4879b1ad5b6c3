package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/scenario"
)

// world checks what the box is to hold, and names its targets.
func (r *resolver) world(w *scenario.World) {
	r.mounts(w.Mounts)
	r.namespaces(w.Netns)
	for i := range w.Files {
		r.absolute(&w.Files[i].Path)
	}
	for i := range w.Roots {
		r.root(&w.Roots[i])
	}
	for i := range w.Links {
		r.iface(&w.Links[i].A)
		r.iface(&w.Links[i].B)
	}
	for i := range w.Targets {
		r.target(&w.Targets[i])
	}
	if w.Cwd != "" {
		r.absolute(&w.Cwd)
	}
	if w.As < 0 {
		r.d.Report(r.d.Near(&w.As), "a negative user id", "leave as out for root")
	}
	if w.Group < 0 || w.Group > 0 && w.As == 0 {
		r.d.Report(r.d.Near(&w.Group), fmt.Sprintf("the group %d goes with no user", w.Group), "give as: a user id, and a group id above 0, or leave group out")
	}
}

func (r *resolver) root(root *scenario.Root) {
	r.absolute(&root.Path)
	if !strings.HasPrefix(root.Path, scenario.WorkDir+"/") {
		r.d.Report(r.d.Near(&root.Path), fmt.Sprintf("the root %q is not below %s", root.Path, scenario.WorkDir), "move it there")
	}
	for i, name := range root.Without {
		r.oneOf(&root.Without[i], name, "folder of a root", []string{"proc", "dev", "sys", "tmp"})
	}
}

func (r *resolver) iface(pointer *string) {
	if name := *pointer; name == "" || len(name) > 15 || strings.ContainsAny(name, "/ \t\n") {
		r.d.Report(r.d.Near(pointer), fmt.Sprintf("%q is no name of an interface", name), "use 1 to 15 characters without blank or slash")
	}
}

func (r *resolver) target(t *scenario.Target) {
	if !label.MatchString(t.Name) {
		r.d.Report(r.d.Near(t), fmt.Sprintf("the target name %q is no name", t.Name), "use lower-case letters, digits and _")
	}
	if slices.Contains(r.names.targets, t.Name) {
		r.d.Report(r.d.Near(t), fmt.Sprintf("a target named %q is there already", t.Name), "give this one another name")
	}
	for i, name := range t.Flags {
		r.oneOf(&t.Flags[i], name, "namespace flag", slices.Collect(maps.Keys(scenario.FlagNames())))
	}
	r.names.targets = append(r.names.targets, t.Name)
	r.names.staying[t.Name] = true
}

func (r *resolver) faults(faults []scenario.Fault) {
	for i := range faults {
		f := &faults[i]
		if _, ok := scenario.Effects()[f.Effect]; !ok && f.Effect == "" {
			r.d.Report(r.d.Near(&f.Effect), "a fault without an effect", "add effect:; "+suggest("", slices.Collect(maps.Keys(scenario.Effects())), aboutFaults))
		} else if !ok {
			r.d.Report(r.d.Near(&f.Effect), fmt.Sprintf("unknown effect %q", f.Effect), suggest(f.Effect, slices.Collect(maps.Keys(scenario.Effects())), aboutFaults))
		}
		switch {
		case f.Errno == "" && !f.Hold:
			r.d.Report(r.d.Near(f), "a fault that neither fails nor holds a call", "give it an errno, or hold: true")
		case f.Errno != "" && f.Hold:
			r.d.Report(r.d.Near(&f.Errno), "a fault that both fails and holds a call", "give it an errno, or hold: true")
		case f.Errno != "":
			if !slices.Contains(scenario.Errnos(), f.Errno) {
				r.d.Report(r.d.At(&f.Errno), fmt.Sprintf("unknown errno %q", f.Errno), suggest(f.Errno, scenario.Errnos(), aboutFaults))
			}
		}
		if f.Nth < 0 {
			r.d.Report(r.d.Near(&f.Nth), "nth below 0", "count from 1; 0 is every call")
		}
		if f.HoldMS != 0 && !f.Hold {
			r.d.Report(r.d.Near(&f.HoldMS), "hold_ms without hold: true", "add hold: true")
		}
		r.within(&f.HoldMS, "hold_ms", 1, longest)
		r.onPath(f)
		r.reached(faults[:i], f)
	}
}

// onPaths are the effects that are had on a path. The other calls have none to be told by.
func onPaths() []string {
	return []string{
		"mount", "mount_proc", "mount_bind", "propagation", "umount", "pivot_root", "mknod", "execve",
		"open_uid_map", "open_gid_map", "open_setgroups",
	}
}

// onPath checks the path of a fault: one that no call can have would never be met.
func (r *resolver) onPath(f *scenario.Fault) {
	if f.Path == "" {
		return
	}
	r.absolute(&f.Path)
	_, known := scenario.Effects()[f.Effect]
	if known && !slices.Contains(onPaths(), f.Effect) {
		r.d.Report(r.d.Near(&f.Path), fmt.Sprintf("a path for the effect %s, which is had on none, so the fault never strikes", f.Effect), "remove path, which is for "+strings.Join(onPaths(), ", "))
	}
}

// reached refuses a fault of which an earlier one takes every call: it would never strike,
// and be held against whoever made the call.
func (r *resolver) reached(earlier []scenario.Fault, f *scenario.Fault) {
	for _, e := range earlier {
		if e.Effect == f.Effect && (e.Path == "" || e.Path == f.Path) && (e.Nth == 0 || e.Nth == f.Nth && e.Path == f.Path) {
			r.d.Report(r.d.Near(f), fmt.Sprintf("this fault never strikes: an earlier one takes every call that is %s", f.Effect), "tell them apart by nth or path, or remove one")
			return
		}
	}
}

// watch notes what the scenario, or a probe, watches.
func (r *resolver) watch(probe string, paths []string) {
	for i := range paths {
		r.absolute(&paths[i])
	}
	r.names.watched[probe] = append(r.names.watched[probe], paths...)
}
