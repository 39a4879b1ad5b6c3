package contract

import (
	"os"
	"syscall"
)

// NamespaceInfo describes one kind of namespace.
type NamespaceInfo struct {
	Name        string  // as under /proc/PID/ns
	Flag        uintptr // CLONE_NEW* of clone(2)
	ProcPath    string
	Description string
}

// NamespaceTypes lists the seven kinds that the exercise is about. Linux 5.6
// added an eighth, time, which the exercise leaves out.
func NamespaceTypes() []NamespaceInfo {
	return []NamespaceInfo{
		{"mnt", syscall.CLONE_NEWNS, "/proc/self/ns/mnt", "mount points"},
		{"uts", syscall.CLONE_NEWUTS, "/proc/self/ns/uts", "hostname and NIS domain name"},
		{"ipc", syscall.CLONE_NEWIPC, "/proc/self/ns/ipc", "System V IPC and POSIX message queues"},
		{"pid", syscall.CLONE_NEWPID, "/proc/self/ns/pid", "process ids"},
		{"net", syscall.CLONE_NEWNET, "/proc/self/ns/net", "network devices, addresses, routes, ports"},
		{"user", syscall.CLONE_NEWUSER, "/proc/self/ns/user", "user and group ids, capabilities"},
		{"cgroup", CloneNewCgroup, "/proc/self/ns/cgroup", "root of the cgroup tree"},
	}
}

// CloneNewCgroup is CLONE_NEWCGROUP of clone(2), which package syscall lacks.
const CloneNewCgroup = 0x02000000

// DefaultCloneFlags is what CloneFlags 0 stands for.
const DefaultCloneFlags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// NetnsDir is where network namespaces are pinned; see ip-netns(8).
const NetnsDir = "/var/run/netns"

// MountPropagation says what happens to mounts made at one place and seen at
// another; see mount_namespaces(7). The zero value is private.
type MountPropagation int

// The four kinds of propagation.
const (
	Private MountPropagation = iota
	Shared
	Slave
	Unbindable
)

// NetNamespaceContext describes the connection between a container's network
// namespace and its host.
type NetNamespaceContext struct {
	Name          string `json:"name"` // pinned under [NetnsDir]
	VethHost      string `json:"veth_host"`
	VethContainer string `json:"veth_container"`
	IPHost        string `json:"ip_host"` // without prefix; a /24 is meant
	IPContainer   string `json:"ip_container"`
	NSFd          int    `json:"-"` // for the implementation's own use; -1 or 0 when unset
}

// MountNamespaceContext describes a mount namespace.
type MountNamespaceContext struct {
	Rootfs      string           `json:"rootfs"`
	BindMounts  []string         `json:"bind_mounts"` // "source:target"
	Propagation MountPropagation `json:"propagation"`
}

// UserNamespaceContext says who a container's user is outside.
type UserNamespaceContext struct {
	HostUID      int  `json:"host_uid"`
	ContainerUID int  `json:"container_uid"`
	HostGID      int  `json:"host_gid"`
	ContainerGID int  `json:"container_gid"`
	MapRoot      bool `json:"map_root"` // 0 inside, whatever ContainerUID and ContainerGID say
}

// ContainerConfig describes a container and, once created, its state.
type ContainerConfig struct {
	Hostname   string                 `json:"hostname"`
	Rootfs     string                 `json:"rootfs"`      // empty: that of Mnt; without any, the container keeps its caller's files
	Cmd        []string               `json:"cmd"`         // Cmd[0] is a path inside Rootfs
	CloneFlags uintptr                `json:"clone_flags"` // 0: DefaultCloneFlags
	Net        *NetNamespaceContext   `json:"net,omitempty"`
	Mnt        *MountNamespaceContext `json:"mnt,omitempty"`
	User       *UserNamespaceContext  `json:"user,omitempty"` // with CLONE_NEWUSER; nil: 0 inside is the caller
	Secure     bool                   `json:"secure"`         // set by ContainerCreateSecure: the child installs the filter

	// State, filled by the implementation. None of it reaches the child.
	PID      int                `json:"-"` // as the creator sees it
	Status   syscall.WaitStatus `json:"-"` // after ContainerWait or ContainerStop
	SyncPipe [2]*os.File        `json:"-"` // 0 read end, 1 write end
	Private  any                `json:"-"` // the implementation's own bookkeeping
}
