package scenario

// Fault makes something fail, or holds it, by its effect: a refused PID
// namespace hits clone by its flags, clone3 by its struct and unshare alike.
type Fault struct {
	Effect string `json:"effect" yaml:"effect"`             // see [Effects]
	Nth    int    `json:"nth,omitempty" yaml:"nth"`         // the nth matching call, counted over the whole box; 0: every one
	Errno  string `json:"errno,omitempty" yaml:"errno"`     // the call fails with it, without being made
	Hold   bool   `json:"hold,omitempty" yaml:"hold"`       // instead: hold the call until a probe has checked in and been observed, or HoldMS have passed
	HoldMS int    `json:"hold_ms,omitempty" yaml:"hold_ms"` // 0 means [HoldMS]
	Spare  bool   `json:"spare,omitempty" yaml:"spare"`     // a right solution may do without such a call: it is no fault then
	Path   string `json:"path,omitempty" yaml:"path"`       // only calls on this path (mount target, opened file); a hint for rendezvous, see package fault
}

// HoldMS is how long a call is held if the fault does not say.
const HoldMS = 200

// Effects tells what each effect is.
func Effects() map[string]string {
	return map[string]string{
		"new_pid":        "a new PID namespace, by clone, clone3 or unshare",
		"new_net":        "a new network namespace",
		"new_mnt":        "a new mount namespace",
		"new_user":       "a new user namespace",
		"new_uts":        "a new UTS namespace",
		"new_ipc":        "a new IPC namespace",
		"pipe":           "pipe or pipe2, and socketpair and eventfd2, from the first step on",
		"fork":           "a new process (not a thread)",
		"mount":          "mount(2), fsmount, move_mount, open_tree with OPEN_TREE_CLONE, mount_setattr",
		"mount_proc":     "mounting a proc",
		"mount_bind":     "a bind mount",
		"propagation":    "a change of propagation",
		"umount":         "umount2",
		"pivot_root":     "pivot_root",
		"sethostname":    "sethostname",
		"setns":          "setns",
		"open_uid_map":   "opening a /proc/PID/uid_map for writing",
		"open_gid_map":   "opening a /proc/PID/gid_map for writing",
		"open_setgroups": "opening a /proc/PID/setgroups for writing",
		"execve":         "execve and execveat of the probe's path",
		"seccomp":        "installing a seccomp filter, by seccomp or prctl",
		"capset":         "capset and PR_CAPBSET_DROP",
		"setuid":         "setuid, setreuid, setresuid",
		"mknod":          "mknod and mknodat of a device",
		"netlink":        "opening an AF_NETLINK socket",
	}
}
