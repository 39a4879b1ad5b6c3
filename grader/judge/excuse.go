package judge

import (
	"path"
	"slices"
	"strings"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// excuses are the refusals of the sandbox alone that a failure may come from.
// Whoever fails anyway can make refused calls too, so that only those count which
// a step of the scenario asks for, in the place where it wants them. Nothing
// excuses a panic, an impostor, a flood or a missing call.
func excuses(sc *spec.Scenario, rec *evidence.Record) (due []evidence.Refusal) {
	if len(rec.Withheld) == 0 || !mayBeExcused(rec) {
		return nil
	}
	run, _ := sc.Resolve(rec.Seed)
	for _, r := range rec.Withheld {
		if slices.ContainsFunc(run.Steps, func(step scenario.Step) bool { return asksFor(step, r) }) {
			due = append(due, r)
		}
	}
	return due
}

func mayBeExcused(rec *evidence.Record) bool {
	for _, c := range rec.Calls {
		if c.Panic != "" {
			return false
		}
	}
	for _, p := range rec.Probes {
		if p.Impostor != "" {
			return false
		}
	}
	return missing(rec) == "" && slices.Contains([]evidence.Outcome{evidence.Completed, evidence.Exited, evidence.Hung}, rec.End.Outcome)
}

// asksFor tells whether a step cannot well be done without what was refused.
// Paths are the caller's, and so a container's own once it has pivoted.
func asksFor(step scenario.Step, r evidence.Refusal) bool {
	a := step.Args
	proc := r.What == "mount proc"
	switch {
	case step.Call == "mount_proc":
		return proc && r.Target == a.Target
	case step.Call == "create_devices":
		return !proc && inDev(r, a.Rootfs)
	case a.Config != nil && a.Config.Rootfs == "":
		return proc && r.Target == "/proc"
	case a.Config != nil:
		return inRoot(r, a.Config.Rootfs)
	case a.Mnt != nil && a.Mnt.Rootfs != "":
		return inRoot(r, a.Mnt.Rootfs)
	}
	return false
}

// inRoot tells whether a container with that root is given such things there.
func inRoot(r evidence.Refusal, root string) bool {
	if r.What == "mount proc" {
		return r.Target == "/proc" || r.Target == path.Join(root, "proc")
	}
	return inDev(r, root) || inDev(r, "/")
}

// inDev tells whether a device, or the folder of all, belongs into dev of a root.
func inDev(r evidence.Refusal, root string) bool {
	dev := path.Join(root, "dev")
	if strings.HasPrefix(r.What, "mknod ") {
		return path.Dir(r.Target) == dev
	}
	return r.Target == dev
}
