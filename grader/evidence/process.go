package evidence

// Process is one process as the kernel shows it from outside.
type Process struct {
	PID        int      `json:"pid" expr:"pid"`                 // in the agent's PID namespace
	NSpid      []int    `json:"nspid" expr:"nspid"`             // from the agent's namespace inwards; the last is its own view
	Depth      int      `json:"depth" expr:"depth"`             // PID namespaces between the driver's and its own: 0 is the driver's
	DriverPID  int      `json:"driver_pid" expr:"driver_pid"`   // its pid in the driver's PID namespace, 0 if not visible there
	PPID       int      `json:"ppid" expr:"ppid"`               // in the agent's namespace
	InsidePPID int      `json:"inside_ppid" expr:"inside_ppid"` // what getppid(2) answers inside: 0 if the parent is outside its PID namespace
	Comm       string   `json:"comm" expr:"comm"`
	Argv       []string `json:"argv,omitempty" expr:"argv"`
	State      string   `json:"state" expr:"state" one:"R S D T t Z X I"` // see proc_pid_stat(5)
	NS         NS       `json:"ns" expr:"ns"`
	UIDMap     []IDMap  `json:"uid_map" expr:"uid_map"` // outside ids are the driver's, see IDMap
	GIDMap     []IDMap  `json:"gid_map" expr:"gid_map"`
	Setgroups  string   `json:"setgroups" expr:"setgroups" one:"allow deny"`
	UID        int      `json:"uid" expr:"uid"` // effective, as it sees itself (65534 if unmapped)
	GID        int      `json:"gid" expr:"gid"`
	RealUID    int      `json:"real_uid" expr:"real_uid"` // what getuid(2) answers; UID is geteuid(2)'s
	Caps       Caps     `json:"caps" expr:"caps"`
	NoNewPrivs bool     `json:"no_new_privs" expr:"no_new_privs"`
	Seccomp    int      `json:"seccomp" expr:"seccomp"` // filters beyond those of the sandbox itself
	Tracer     int      `json:"tracer" expr:"tracer"`
	Threads    int      `json:"threads" expr:"threads"`
	DataKiB    int      `json:"data_kib" expr:"data_kib"`
	Root       string   `json:"root" expr:"root"` // "/" unless it was chrooted
	Cwd        string   `json:"cwd" expr:"cwd"`
	Hostname   string   `json:"hostname" expr:"hostname"` // of its UTS namespace
	Mounts     []Mount  `json:"mounts,omitempty" expr:"mounts"`
	Links      []Link   `json:"links,omitempty" expr:"links"` // of its network namespace
	Routes     []Route  `json:"routes,omitempty" expr:"routes"`
	FDs        []FD     `json:"fds,omitempty" expr:"fds"`
}

// NS holds the identity of each namespace of a process: the inode of
// /proc/PID/ns/*.
type NS struct {
	PID            int `json:"pid" expr:"pid"`
	PIDForChildren int `json:"pid_for_children" expr:"pid_for_children"` // 0 if unshared and still without a process
	Mnt            int `json:"mnt" expr:"mnt"`
	Net            int `json:"net" expr:"net"`
	UTS            int `json:"uts" expr:"uts"`
	IPC            int `json:"ipc" expr:"ipc"`
	User           int `json:"user" expr:"user"`
	Cgroup         int `json:"cgroup" expr:"cgroup"`
}

// IDMap is one line of a map. Outside is counted in the driver's user namespace
// for a process in one below it, and in the agent's for any other.
type IDMap struct {
	Inside  int `json:"inside" expr:"inside"`
	Outside int `json:"outside" expr:"outside"`
	Count   int `json:"count" expr:"count"`
}

// Caps are the capability sets, as names without CAP_, sorted.
type Caps struct {
	Effective   []string `json:"effective" expr:"effective" one:"capability"`
	Permitted   []string `json:"permitted" expr:"permitted" one:"capability"`
	Inheritable []string `json:"inheritable" expr:"inheritable" one:"capability"`
	Bounding    []string `json:"bounding" expr:"bounding" one:"capability"`
	Ambient     []string `json:"ambient" expr:"ambient" one:"capability"`
}

// Mount is one line of mountinfo; see proc_pid_mountinfo(5).
type Mount struct {
	ID          int      `json:"id" expr:"id"`
	Parent      int      `json:"parent" expr:"parent"`
	Device      string   `json:"device" expr:"device"` // major:minor
	Root        string   `json:"root" expr:"root"`
	Target      string   `json:"target" expr:"target"`
	Type        string   `json:"type" expr:"type"`
	Source      string   `json:"source" expr:"source"`
	Options     []string `json:"options" expr:"options"`
	Shared      int      `json:"shared" expr:"shared"` // peer group, 0 if none
	Master      int      `json:"master" expr:"master"` // peer group it is a slave of, 0 if none
	Unbindable  bool     `json:"unbindable" expr:"unbindable"`
	Propagation string   `json:"propagation" expr:"propagation" one:"private shared slave slave+shared unbindable"`
	Sandbox     bool     `json:"sandbox" expr:"sandbox"` // was there before the first step, in the driver's namespace (same device, root and target)
}

// Link is a network interface.
type Link struct {
	Name      string   `json:"name" expr:"name"`
	Kind      string   `json:"kind" expr:"kind"` // loopback, veth, bridge, ...
	Index     int      `json:"index" expr:"index"`
	Peer      int      `json:"peer" expr:"peer"`             // index of the other end (IFLA_LINK), 0 if none
	PeerNetns int      `json:"peer_netns" expr:"peer_netns"` // inode of the namespace that holds the other end; 0 if unknown
	Up        bool     `json:"up" expr:"up"`                 // IFF_UP
	Running   bool     `json:"running" expr:"running"`       // up, and has a carrier (IFF_LOWER_UP)
	Addrs     []string `json:"addrs" expr:"addrs"`           // IPv4 and prefix, as 10.0.0.1/24
}

// Route is one IPv4 route of the main table.
type Route struct {
	Dst  string `json:"dst" expr:"dst"` // CIDR, or "default"
	Via  string `json:"via" expr:"via"`
	Link string `json:"link" expr:"link"`
}

// Pin is an entry of /run/netns.
type Pin struct {
	Name    string  `json:"name" expr:"name"`
	Netns   int     `json:"netns" expr:"netns"` // inode of the pinned namespace, 0 if it is a plain file
	Links   []Link  `json:"links" expr:"links"`
	Routes  []Route `json:"routes" expr:"routes"`
	Stacked int     `json:"stacked" expr:"stacked"` // mounts on top of one another; 1 is right
}

// FD is an open descriptor.
type FD struct {
	N      int    `json:"n" expr:"n"`
	Target string `json:"target" expr:"target"` // link text of /proc/PID/fd/N
	Type   string `json:"type" expr:"type" one:"file dir pipe socket device anon"`
}

// File is a path looked at from outside.
type File struct {
	Exists  bool     `json:"exists" expr:"exists"`
	Type    string   `json:"type" expr:"type" one:"file dir link char block fifo socket"`
	Mode    int      `json:"mode" expr:"mode"` // permission bits
	Major   int      `json:"major" expr:"major"`
	Minor   int      `json:"minor" expr:"minor"`
	Link    string   `json:"link" expr:"link"`       // target of a symbolic link
	Content string   `json:"content" expr:"content"` // first 4 KiB of a regular file
	Entries []string `json:"entries" expr:"entries"` // names in a folder, sorted
}
