package scenario

import "sync"

// Step is one thing done. Exactly one of Call, Host, Probe, Observe and Kill
// is set.
type Step struct {
	As      string   `json:"as"`                // unique label under which calls, or a snapshot, are recorded; never empty once resolved
	Call    string   `json:"call,omitempty"`    // a contract call, see [Calls]
	Args    Args     `json:"args"`              // its arguments
	Times   int      `json:"times,omitempty"`   // repeat the call; 0 and 1 mean once; only the last answer and the first failure are kept
	Anyhow  bool     `json:"anyhow,omitempty"`  // with Times: go on after a call that failed
	Then    []string `json:"then,omitempty"`    // with Times: calls on the same container after each, as container_wait; the last answer counts
	Script  *Script  `json:"script,omitempty"`  // what the probe that the call starts shall do; nil: check in and exit 0
	Host    *Host    `json:"host,omitempty"`    // something done by the sandbox, in the peer's namespaces
	Probe   *Ask     `json:"probe,omitempty"`   // ask a waiting probe to act
	Observe bool     `json:"observe,omitempty"` // take a snapshot, recorded as at[As]
	Kill    string   `json:"kill,omitempty"`    // "driver": SIGKILL to the driver, as a parent that dies; after an Async call: once a fault holds
	Async   bool     `json:"async,omitempty"`   // do not wait for the call's answer before the next step
}

// Script is what a probe does after it has checked in and been observed.
type Script struct {
	Name  string   `json:"name,omitempty" yaml:"name"` // evidence is recorded as probes[Name]; default "probe"
	Do    []Act    `json:"do,omitempty" yaml:"do"`
	Exit  int      `json:"exit,omitempty" yaml:"exit"`   // exit status at the end
	Kill  int      `json:"kill,omitempty" yaml:"kill"`   // end it by this signal, sent from outside; PID 1 only heeds 9
	Stay  bool     `json:"stay,omitempty" yaml:"stay"`   // wait for later steps instead of exiting
	Watch []string `json:"watch,omitempty" yaml:"watch"` // paths looked at in the probe's root when it checks in
}

// Ask lets a waiting probe act. It is observed again first.
type Ask struct {
	Name string `json:"name" yaml:"name"`
	Do   []Act  `json:"do,omitempty" yaml:"do"`
	Exit *int   `json:"exit,omitempty" yaml:"exit"` // end it with this status
	Kill int    `json:"kill,omitempty" yaml:"kill"` // end it by this signal, sent from outside
}

// Act is one deed of the probe. Its outcome is recorded as
// probes[NAME].acts[As]: ok, errno, value, text.
type Act struct {
	As     string `json:"as" yaml:"as"` // default: Do
	Do     string `json:"do" yaml:"do"` // see [Acts]
	Path   string `json:"path,omitempty" yaml:"path"`
	Text   string `json:"text,omitempty" yaml:"text"`
	Addr   string `json:"addr,omitempty" yaml:"addr"` // IPv4 address
	Port   int    `json:"port,omitempty" yaml:"port"`
	PID    int    `json:"pid,omitempty" yaml:"pid"`
	Signal int    `json:"signal,omitempty" yaml:"signal"`
	MS     int    `json:"ms,omitempty" yaml:"ms"`
}

// Acts tells what each deed of the probe is.
func Acts() map[string]string {
	return map[string]string{
		"write":         "write Text to Path, created if missing",
		"read":          "read Path; text holds its first 4 KiB",
		"list":          "list the folder Path; text holds the names, sorted, one a line",
		"stat":          "lstat Path; text holds its type and mode, value its device number",
		"mkdir":         "make the folder Path",
		"mount_tmpfs":   "mount a tmpfs on Path, created if missing",
		"umount":        "umount2(Path, MNT_DETACH)",
		"chroot_escape": "try to leave the root with chroot and chdir .. ; ok if another root was reached",
		"sethostname":   "sethostname(Text)",
		"hostname":      "text holds uname's nodename",
		"pids":          "text holds the pids seen in /proc, sorted, separated by blanks, and value their number; not ok if no proc is mounted there",
		"kill":          "kill(PID, Signal); Signal 0 asks whether PID is visible",
		"signal":        "send Signal to itself; with SIGKILL as PID 1 nothing happens",
		"ignore":        "ignore Signal from now on",
		"die":           "end by Signal: the default action is restored first; as PID 1 the kernel protects it",
		"sleep":         "wait MS milliseconds",
		"fork":          "start a child that waits and ignores SIGTERM; value is its pid",
		"listen":        "listen on TCP Addr:Port and answer what connects",
		"connect":       "connect to TCP Addr:Port and exchange a message",
		"reboot":        "reboot(2) with LINUX_REBOOT_CMD_CAD_OFF, tried in a child",
		"ptrace":        "ptrace(PTRACE_TRACEME), tried in a child",
		"mount":         "mount(2) of a tmpfs on /tmp, tried in a child",
		"umount2":       "umount2(\"/tmp\", MNT_DETACH), tried in a child",
		"syscall":       "the system call Text (see SyscallNames), or number PID, without arguments, tried in a child",
		"x32":           "getpid through the x32 ABI, tried in a child; ok if the kernel ran it",
		"i386":          "getpid through the i386 ABI (int 0x80), tried in a child; ok if the kernel ran it",
		"setuid":        "setuid(PID)",
		"stdin_eof":     "read(0); ok if it is at its end or closed",
	}
}

// SyscallNames lists what the act syscall can be asked for by name: calls that
// do no harm without arguments, or that every box refuses.
func SyscallNames() []string {
	return []string{"delete_module", "finit_module", "getpriority", "getsid", "init_module", "kexec_load", "pivot_root", "sched_yield"}
}

// Host is something done outside the submission's view. One field is set.
type Host struct {
	Mount    string `json:"mount,omitempty" yaml:"mount"`         // mount a tmpfs on this path in the peer's mount namespace, folder made if missing
	Umount   string `json:"umount,omitempty" yaml:"umount"`       // unmount it there
	NetnsAdd string `json:"netns_add,omitempty" yaml:"netns_add"` // pin a new network namespace, as `ip netns add` does
	Write    string `json:"write,omitempty" yaml:"write"`         // make a file with this path in the peer's view
}

// Calls lists the calls of the contract, and the shim's own, and the arguments each takes.
// It is not to be changed.
func Calls() map[string]Signature { return calls() }

// calls is not made before it is needed: the probe and the drivers start often.
var calls = sync.OnceValue(func() map[string]Signature {
	return map[string]Signature{
		"print_namespace_info": {},
		"is_container_init":    {Args: []string{"flags", "process"}},
		"create_pid_namespace": {Args: []string{"null"}, Starts: true, Blocks: true},

		"create_network_namespace": {Args: []string{"name"}},
		"create_veth_pair":         {Args: []string{"a", "b"}},
		"move_interface_to_netns":  {Args: []string{"iface", "netns"}},
		"configure_interface":      {Args: []string{"iface", "ip", "prefix"}},
		"interface_up":             {Args: []string{"iface"}},
		"setup_container_network":  {Args: []string{"net", "null"}},
		"exec_in_netns":            {Args: []string{"netns", "argv"}, Starts: true, Blocks: true},

		"setup_mount_namespace": {Args: []string{"mnt", "null"}},
		"make_mount_private":    {Args: []string{"path"}},
		"make_mount_shared":     {Args: []string{"path"}},
		"make_mount_slave":      {Args: []string{"path"}},
		"make_mount_unbindable": {Args: []string{"path"}},
		"pivot_root_setup":      {Args: []string{"new_root", "put_old"}},
		"mount_proc":            {Args: []string{"target"}},
		"mount_sysfs":           {Args: []string{"target"}},
		"mount_devfs":           {Args: []string{"target"}},
		"create_devices":        {Args: []string{"rootfs"}},

		"write_uid_map":     {Args: []string{"pid", "process", "text"}},
		"write_gid_map":     {Args: []string{"pid", "process", "text"}},
		"setup_uid_map":     {Args: []string{"pid", "process", "inside", "outside", "count"}},
		"setup_gid_map":     {Args: []string{"pid", "process", "inside", "outside", "count"}},
		"deny_setgroups":    {Args: []string{"pid", "process"}},
		"drop_capabilities": {Args: []string{"keep", "inherit"}, Starts: true, Blocks: true},

		"container_init":          {Args: []string{"container", "config", "null"}},
		"container_create":        {Args: []string{"container", "config", "null"}, Starts: true},
		"container_start":         {Args: []string{"container", "config", "null"}, Starts: true},
		"container_wait":          {Args: []string{"container", "null"}},
		"container_stop":          {Args: []string{"container", "null"}},
		"container_print_status":  {Args: []string{"container", "null"}},
		"container_cleanup":       {Args: []string{"container", "null"}},
		"container_create_secure": {Args: []string{"container", "config", "null"}, Starts: true},
		"setup_seccomp_filter":    {Args: []string{"allowed", "allowed_all_but"}, Starts: true, Blocks: true},

		"demo":      {Own: true},
		"run_probe": {Own: true, Args: []string{"argv"}, Starts: true, Blocks: true}, // a plain child, to look around where earlier calls have led
	}
})

// Signature is how a call is written in a step.
type Signature struct {
	Args   []string // keys of [Args] that it takes
	Starts bool     // a probe is started by it: takes a script
	Blocks bool     // it returns only when that probe has ended, so the script may not stay
	Own    bool     // no call of the contract: what the shim does by itself
}

// Args are the arguments of all calls in one flat struct; [Calls] says which
// call takes which.
type Args struct {
	Null          bool     `json:"null,omitempty" yaml:"null"` // hand over nil instead
	Name          string   `json:"name,omitempty" yaml:"name"`
	A             string   `json:"a,omitempty" yaml:"a"`
	B             string   `json:"b,omitempty" yaml:"b"`
	Iface         string   `json:"iface,omitempty" yaml:"iface"`
	Netns         string   `json:"netns,omitempty" yaml:"netns"`
	IP            string   `json:"ip,omitempty" yaml:"ip"`
	Prefix        int      `json:"prefix,omitempty" yaml:"prefix"`
	Argv          []string `json:"argv,omitempty" yaml:"argv"` // default: the probe
	Path          string   `json:"path,omitempty" yaml:"path"`
	Target        string   `json:"target,omitempty" yaml:"target"`
	NewRoot       string   `json:"new_root,omitempty" yaml:"new_root"`
	PutOld        string   `json:"put_old,omitempty" yaml:"put_old"`
	Rootfs        string   `json:"rootfs,omitempty" yaml:"rootfs"`
	PID           int      `json:"pid,omitempty" yaml:"pid"`
	Process       string   `json:"process,omitempty" yaml:"process"` // a target of the world, instead of pid; is_container_init: asked by a guest of its PID namespace
	Flags         []string `json:"flags,omitempty" yaml:"flags"`     // asked by the first process of new namespaces, see [FlagNames]
	Text          string   `json:"text,omitempty" yaml:"text"`
	Inside        int      `json:"inside,omitempty" yaml:"inside"`
	Outside       int      `json:"outside,omitempty" yaml:"outside"`
	Count         int      `json:"count,omitempty" yaml:"count"`
	Keep          []string `json:"keep,omitempty" yaml:"keep"`                       // capability names, CAP_ left out or not
	Inherit       bool     `json:"inherit,omitempty" yaml:"inherit"`                 // drop_capabilities: the caller begins with all that it has inheritable and ambient too
	Allowed       []string `json:"allowed,omitempty" yaml:"allowed"`                 // system call names
	AllowedAllBut []string `json:"allowed_all_but,omitempty" yaml:"allowed_all_but"` // all but these names
	Container     string   `json:"container,omitempty" yaml:"container"`             // label of a config kept by the driver; default "main"
	Net           *Net     `json:"net,omitempty" yaml:"net"`
	Mnt           *Mnt     `json:"mnt,omitempty" yaml:"mnt"`
	Config        *Config  `json:"config,omitempty" yaml:"config"`
}

// Net mirrors the contract's NetNamespaceContext.
type Net struct {
	Name          string `json:"name,omitempty" yaml:"name"`
	VethHost      string `json:"veth_host,omitempty" yaml:"veth_host"`
	VethContainer string `json:"veth_container,omitempty" yaml:"veth_container"`
	IPHost        string `json:"ip_host,omitempty" yaml:"ip_host"`
	IPContainer   string `json:"ip_container,omitempty" yaml:"ip_container"`
}

// Mnt mirrors the contract's MountNamespaceContext.
type Mnt struct {
	Rootfs      string   `json:"rootfs,omitempty" yaml:"rootfs"`
	BindMounts  []string `json:"bind_mounts,omitempty" yaml:"bind_mounts"`
	Propagation string   `json:"propagation,omitempty" yaml:"propagation"` // private (default), shared, slave, unbindable
}

// User mirrors the contract's UserNamespaceContext.
type User struct {
	HostUID      int  `json:"host_uid,omitempty" yaml:"host_uid"`
	ContainerUID int  `json:"container_uid,omitempty" yaml:"container_uid"`
	HostGID      int  `json:"host_gid,omitempty" yaml:"host_gid"`
	ContainerGID int  `json:"container_gid,omitempty" yaml:"container_gid"`
	MapRoot      bool `json:"map_root,omitempty" yaml:"map_root"`
}

// Config mirrors the contract's ContainerConfig.
type Config struct {
	Hostname   string   `json:"hostname,omitempty" yaml:"hostname"`
	Rootfs     string   `json:"rootfs,omitempty" yaml:"rootfs"`
	Cmd        []string `json:"cmd,omitempty" yaml:"cmd"`       // default: the probe
	NoCmd      bool     `json:"no_cmd,omitempty" yaml:"no_cmd"` // not even that: nothing to run
	CloneFlags uint64   `json:"clone_flags,omitempty" yaml:"clone_flags"`
	Flags      []string `json:"flags,omitempty" yaml:"flags"` // names of bits, instead of CloneFlags
	Net        *Net     `json:"net,omitempty" yaml:"net"`
	Mnt        *Mnt     `json:"mnt,omitempty" yaml:"mnt"`
	User       *User    `json:"user,omitempty" yaml:"user"`
}

// FlagNames maps the names used in specs to CLONE_NEW* bits of clone(2).
func FlagNames() map[string]uint64 {
	return map[string]uint64{
		"mnt": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000,
		"user": 0x10000000, "pid": 0x20000000, "net": 0x40000000,
	}
}
