package expect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/evidence"
)

// Helper is a function that expressions can call, beside those of the engine.
type Helper struct {
	Name string
	Form string // how it is called, and what it gives
	Doc  string
	call func(...any) (any, error)
	// types are pointers to the functions whose signatures it accepts.
	types []any
}

// Helpers lists the functions for a reader, sorted by name.
func Helpers() []Helper {
	all := helpers()
	slices.SortFunc(all, func(a, b Helper) int { return strings.Compare(a.Name, b.Name) })
	return all
}

type (
	process  = evidence.Process
	snapshot = evidence.Snapshot
)

func helpers() []Helper {
	return slices.Concat(mountHelpers(), networkHelpers(), processHelpers(), changeHelpers(), fileHelpers())
}

// fileHelpers has the engine's keys again, which are in another order each time.
func fileHelpers() []Helper {
	return []Helper{{
		Name: "keys", Form: "keys(FILES) -> list of text",
		Doc:   "the paths of files that were looked at, sorted",
		call:  func(p ...any) (any, error) { return slices.Sorted(maps.Keys(p[0].(map[string]evidence.File))), nil },
		types: []any{new(func(map[string]evidence.File) []string)},
	}}
}

func mountHelpers() []Helper {
	return []Helper{{
		Name: "mount", Form: "mount(PROCESS or MOUNTS, TARGET) -> mount",
		Doc: "the topmost mount on exactly TARGET; without one, its target is empty",
		call: func(p ...any) (any, error) {
			found := evidence.Mount{}
			for _, m := range mountsOf(p[0]) {
				if m.Target == p[1].(string) {
					found = m
				}
			}
			return found, nil
		},
		types: []any{new(func(process, string) evidence.Mount), new(func([]evidence.Mount, string) evidence.Mount)},
	}, {
		Name: "mounts_below", Form: "mounts_below(PROCESS or MOUNTS, FOLDER) -> list of mounts",
		Doc: "the mounts on FOLDER and below it",
		call: func(p ...any) (any, error) {
			return slices.DeleteFunc(slices.Clone(mountsOf(p[0])), func(m evidence.Mount) bool {
				return !below(m.Target, p[1].(string))
			}), nil
		},
		types: []any{new(func(process, string) []evidence.Mount), new(func([]evidence.Mount, string) []evidence.Mount)},
	}}
}

func mountsOf(from any) []evidence.Mount {
	if mounts, ok := from.([]evidence.Mount); ok {
		return mounts
	}
	return processOf(from).Mounts
}

func below(path, folder string) bool {
	folder = strings.TrimSuffix(folder, "/")
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func networkHelpers() []Helper {
	return []Helper{{
		Name: "link", Form: "link(PROCESS or PIN or LINKS, NAME) -> link",
		Doc: "the network interface of that name; without one, its name is empty",
		call: func(p ...any) (any, error) {
			return find(linksOf(p[0]), func(l evidence.Link) bool { return l.Name == p[1].(string) }), nil
		},
		types: []any{
			new(func(process, string) evidence.Link), new(func(evidence.Pin, string) evidence.Link),
			new(func([]evidence.Link, string) evidence.Link),
		},
	}, {
		Name: "pin", Form: "pin(SNAPSHOT, NAME) -> pin",
		Doc: "the entry NAME of /run/netns; without one, its name is empty",
		call: func(p ...any) (any, error) {
			return find(p[0].(snapshot).Pins, func(n evidence.Pin) bool { return n.Name == p[1].(string) }), nil
		},
		types: []any{new(func(snapshot, string) evidence.Pin)},
	}, {
		Name: "route", Form: "route(PROCESS or PIN, DESTINATION) -> route",
		Doc: "the IPv4 route to DESTINATION (a CIDR, or default); without one, its dst is empty",
		call: func(p ...any) (any, error) {
			return find(routesOf(p[0]), func(r evidence.Route) bool { return r.Dst == p[1].(string) }), nil
		},
		types: []any{new(func(process, string) evidence.Route), new(func(evidence.Pin, string) evidence.Route)},
	}}
}

// find gives the first item that is wanted, or a zero one.
func find[T any](items []T, wanted func(T) bool) (found T) {
	if i := slices.IndexFunc(items, wanted); i >= 0 {
		found = items[i]
	}
	return found
}

func linksOf(from any) []evidence.Link {
	switch from := from.(type) {
	case evidence.Pin:
		return from.Links
	case []evidence.Link:
		return from
	}
	return processOf(from).Links
}

func routesOf(from any) []evidence.Route {
	if pin, ok := from.(evidence.Pin); ok {
		return pin.Routes
	}
	return processOf(from).Routes
}

func processHelpers() []Helper {
	return []Helper{{
		Name: "new_ns", Form: "new_ns(PROCESS, OTHER) -> list of text",
		Doc: "the kinds of namespace in which PROCESS is elsewhere than OTHER, sorted, as [\"mnt\", \"pid\"]; an expectation that asks it of a process that was not seen is false",
		call: func(p ...any) (any, error) {
			a, b := processOf(p[0]), processOf(p[1])
			if a.PID == 0 || b.PID == 0 { // of which no answer would be right: "net" is not in [], nor in anything
				return nil, errUnseen
			}
			return newNS(a, b), nil
		},
		types: []any{new(func(process, process) []string)},
	}, {
		Name: "same_ns", Form: "same_ns(PROCESS, OTHER) -> bool",
		Doc: "both were seen and share every namespace, that of their future children too",
		call: func(p ...any) (any, error) {
			a, b := processOf(p[0]), processOf(p[1])
			return a.PID != 0 && b.PID != 0 && a.NS == b.NS, nil
		},
		types: []any{new(func(process, process) bool)},
	}, {
		Name: "lineage", Form: "lineage(SNAPSHOT, PROCESS) -> list of processes",
		Doc: "PROCESS, its parent, and so on up to the driver, which is left out; empty if it does not descend from the driver",
		call: func(p ...any) (any, error) {
			return lineage(p[0].(snapshot), processOf(p[1])), nil
		},
		types: []any{new(func(snapshot, process) []process)},
	}, {
		Name: "mapped", Form: "mapped(PROCESS, UID) -> int",
		Doc: "the user id outside that UID inside stands for, -1 if it is not mapped",
		call: func(p ...any) (any, error) {
			return outside(processOf(p[0]).UIDMap, p[1].(int)), nil
		},
		types: []any{new(func(process, int) int)},
	}, {
		Name: "mapped_gid", Form: "mapped_gid(PROCESS, GID) -> int",
		Doc: "the same for group ids",
		call: func(p ...any) (any, error) {
			return outside(processOf(p[0]).GIDMap, p[1].(int)), nil
		},
		types: []any{new(func(process, int) int)},
	}}
}

// processOf takes a process, or the pointer under which a record keeps one.
func processOf(from any) process {
	if p, ok := from.(*process); ok && p != nil {
		return *p
	}
	p, _ := from.(process)
	return p
}

func lineage(at snapshot, of process) []process {
	line := []process{}
	for pid := of.PID; pid != at.Driver.PID; {
		i := slices.IndexFunc(at.Processes, func(p process) bool { return p.PID == pid })
		if i < 0 || len(line) > len(at.Processes) {
			return []process{}
		}
		line = append(line, at.Processes[i])
		pid = at.Processes[i].PPID
	}
	return line
}

var errUnseen = errors.New("new_ns: a process that was not seen")

func newNS(a, b process) []string {
	kinds := []string{}
	for _, k := range []struct {
		name string
		a, b int
	}{
		{"cgroup", a.NS.Cgroup, b.NS.Cgroup},
		{"ipc", a.NS.IPC, b.NS.IPC},
		{"mnt", a.NS.Mnt, b.NS.Mnt},
		{"net", a.NS.Net, b.NS.Net},
		{"pid", a.NS.PID, b.NS.PID},
		{"user", a.NS.User, b.NS.User},
		{"uts", a.NS.UTS, b.NS.UTS},
	} {
		if k.a != k.b {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

func outside(lines []evidence.IDMap, inside int) int {
	for _, m := range lines {
		if inside >= m.Inside && inside < m.Inside+m.Count {
			return m.Outside + inside - m.Inside
		}
	}
	return -1
}

func changeHelpers() []Helper {
	return []Helper{{
		Name: "left", Form: "left(BEFORE, AFTER) -> list of text",
		Doc:  "what stayed behind between two snapshots: descriptors of the driver (but for a few that may serve the next call: three sockets, a pipe to itself), zombies, running processes, and the bystander if somebody reaped it",
		call: func(p ...any) (any, error) { return left(p[0].(snapshot), p[1].(snapshot)), nil },
		types: []any{
			new(func(snapshot, snapshot) []string),
		},
	}, {
		Name: "added", Form: "added(BEFORE, AFTER) -> list of text",
		Doc:  "names of what is new in the second of two lists of mounts, links or pins",
		call: func(p ...any) (any, error) { return added(labels(p[0]), labels(p[1])), nil },
		types: []any{
			new(func(_, _ []evidence.Mount) []string), new(func(_, _ []evidence.Link) []string), new(func(_, _ []evidence.Pin) []string),
		},
	}}
}

func left(before, after snapshot) []string {
	found := []string{}
	note := func(n int, what string) {
		if n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, what))
		}
	}
	note(len(after.Driver.FDs)-len(before.Driver.FDs)-kept(before, after), "descriptors")
	note(after.Zombies-before.Zombies, "zombies")
	note(strangers(before, after), "processes")
	if before.Bystander && !after.Bystander {
		found = append(found, "bystander reaped")
	}
	if after.Driver.PID == 0 {
		found = append(found, "driver gone")
	}
	return found
}

// maxHandles is how many handles may be kept: one of netlink has a socket for
// each of its families (route, xfrm, netfilter).
const maxHandles = 3

// kept counts the new descriptors of the driver that may serve its next call as
// well: a few handles, and one pipe of which it has both ends, by which a signal
// handler wakes it. Who opens them once loses nothing by it; a leak has more
// after a few calls.
func kept(before, after snapshot) int {
	handles, pipes := reusable(before.Driver.FDs)
	newHandles, newPipes := reusable(after.Driver.FDs)
	return min(maxHandles, max(0, newHandles-handles)) + 2*min(1, max(0, newPipes-pipes))
}

func reusable(fds []evidence.FD) (handles, pipes int) {
	ends := map[string]int{}
	for _, fd := range fds {
		switch {
		case fd.Type == "socket", slices.Contains([]string{"anon_inode:[eventfd]", "anon_inode:[eventpoll]", "anon_inode:[signalfd]"}, fd.Target):
			handles++
		case fd.Type == "pipe":
			if ends[fd.Target]++; ends[fd.Target] == 2 {
				pipes++
			}
		}
	}
	return handles, pipes
}

// strangers counts the live processes that were not there before.
func strangers(before, after snapshot) (n int) {
	known := map[int]bool{}
	for _, p := range before.Processes {
		known[p.PID] = true
	}
	for _, p := range after.Processes {
		if !known[p.PID] && p.State != "Z" {
			n++
		}
	}
	return n
}

func labels(list any) []string {
	var names []string
	switch list := list.(type) {
	case []evidence.Mount:
		for _, m := range list {
			names = append(names, m.Target)
		}
	case []evidence.Link:
		for _, l := range list {
			names = append(names, l.Name)
		}
	case []evidence.Pin:
		for _, p := range list {
			names = append(names, p.Name)
		}
	}
	return names
}

// added counts: a second mount on the same target is new.
func added(before, after []string) []string {
	count := map[string]int{}
	for _, name := range before {
		count[name]++
	}
	fresh := []string{}
	for _, name := range after {
		if count[name]--; count[name] < 0 {
			fresh = append(fresh, name)
		}
	}
	return fresh
}

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
