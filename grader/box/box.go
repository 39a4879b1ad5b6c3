// Package box opens one fresh set of namespaces for one scenario: id maps,
// mounts that cannot be undone from inside, limits, an init of ours as PID 1,
// and a clean-up that leaves nothing.
//
// It runs in the agent, and knows nothing of steps, faults or evidence.
//
// How a box comes about. The agent keeps one locked thread whose mount
// namespace holds a template: a private root with read-only system folders. In
// the same mounts lives the nursery, a puppet (see the package of that name) that
// clones the inits of boxes, puppets too, into new user, mount, pid, net, uts,
// ipc and cgroup namespaces; the kernel locks every mount that they inherit
// across the user namespace (mount_namespaces(7)), so a submission can neither
// unmount nor remount them. A box's init is told to mount what is its own, to
// prepare the world, and to launch the driver in a mount namespace of its own
// whose mounts are peers of init's. No program of ours is executed for any of
// this: that would cost more than all the rest.
package box

import (
	"time"

	"moulinette/grader/scenario"
)

// Features a host may offer to scenarios; see [Template.Features].
const (
	FeatureIDRange      = "id_range"      // 65536 user and group ids inside, not just one
	FeatureDevices      = "devices"       // mknod of the six safe devices works, or is granted
	FeatureProcRemount  = "proc_remount"  // proc can be mounted after the old root is gone, or is granted
	FeatureRealRoot     = "real_root"     // no user namespace around the submission
	FeatureIPCommand    = "ip_command"    // iproute2's ip
	FeatureFaults       = "faults"        // seccomp user notification
	FeatureOtherABI     = "other_abi"     // system calls of another architecture
	FeatureMemoryLimit  = "memory_limit"  // a cgroup bounds the memory of the whole box
	FeatureProcessLimit = "process_limit" // a cgroup bounds its number of processes
)

// Mode says who the agent is.
type Mode string

// The modes. The zero value is invalid.
const (
	Root        Mode = "root"        // real root: a box gets a range of ids of its own
	Subordinate Mode = "subordinate" // an ordinary user with ids from /etc/subuid, or root of a container's few
	Single      Mode = "single"      // whoever has nothing but its own id
	Privileged  Mode = "privileged"  // real root, and no user namespace around the box
)

// idRange is how many ids a box has when it has a range.
const idRange = 65536

// firstUID gives the id, in the agent's own user namespace, that is root in
// the box. As real root each agent uses a range of its own, told apart by its
// pid, so that two boxes share no per-user quota (keys, processes, inotify).
func (m Mode) firstUID(pid int) int {
	switch m {
	case Root:
		return firstRange + pid%ranges*idRange
	case Subordinate:
		return 1
	default:
		return 0
	}
}

func (m Mode) ids() int {
	switch m {
	case Root:
		return idRange
	case Subordinate:
		return idRange - 1
	default:
		return 1
	}
}

// Options describe the box of one scenario.
type Options struct {
	World   scenario.World
	Limits  scenario.Limits // with defaults filled in
	Filter  *Filter         // that the driver is launched behind, nil: none
	Variant string          // see scenario.Scenario
	Real    bool            // no user namespace: for a host that is thrown away
}

// openTimeout bounds each exchange with our own processes in the box. It only
// guards against a hang of ours; nothing of the submission runs before.
const openTimeout = 20 * time.Second
