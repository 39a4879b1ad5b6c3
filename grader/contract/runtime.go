package contract

import (
	"io"
	"os/exec"
)

// Runtime is what a submission's New returns: the whole exercise but its bonus.
type Runtime interface {
	Info
	PID
	Network
	Mount
	User
	Container
}

// Info tells about namespaces in general.
type Info interface {
	// PrintNamespaceInfo writes one line for each kind of namespace
	// ([NamespaceTypes]) with the calling thread's own identity for it, the
	// target of the link under /proc/self/ns. The text is for a reader and
	// is never graded. See namespaces(7).
	PrintNamespaceInfo(w io.Writer) error
}

// PID is about process-id namespaces. See pid_namespaces(7).
type PID interface {
	// CreatePIDNamespace runs child as PID 1 of a new PID namespace, waits
	// for it and returns its exit status.
	//
	// In this order: refuse a nil child; ask for CLONE_NEWPID when starting
	// it (and for nothing else); wait for this child and no other, for a
	// waitpid(-1) steals somebody else's; tell an exit from a signal.
	// The caller stays in its own namespaces, and nothing is left behind on
	// any path: no zombie, no descriptor, no memory.
	//
	// status is the exit status (0 to 255). err is set when the child could
	// not be started or was killed by a signal; status is then -1.
	//
	// See clone(2), waitpid(2), pid_namespaces(7).
	CreatePIDNamespace(child *exec.Cmd) (status int, err error)

	// IsContainerInit reports whether the caller is PID 1 of its PID
	// namespace. See getpid(2).
	IsContainerInit() bool

	// DemonstratePIDIsolation shows a reader, on w, one child with its two
	// PIDs: 1 inside, another outside. Never graded on its text.
	DemonstratePIDIsolation(w io.Writer) error
}

// Network is about network namespaces. Names of namespaces are one path
// component; names of interfaces hold at most 15 bytes, no '/' and no space.
// See network_namespaces(7), veth(4), rtnetlink(7).
type Network interface {
	// CreateNetworkNamespace makes a new network namespace and pins it at
	// /var/run/netns/NAME, so that it outlives its maker and `ip netns`
	// shows it.
	//
	// In this order: refuse a name that is empty, ".", "..", holds a '/' or
	// is longer than 255 bytes (EINVAL); make the folder if it is missing;
	// create the file exclusively, so that an existing name is refused
	// (EEXIST) and nothing is stacked on it; unshare on a thread of your
	// own, or in a child, so that the caller stays where it was; bind-mount
	// that thread's ns/net on the file. If a step fails, remove the file.
	//
	// See ip-netns(8), unshare(2), mount(2).
	CreateNetworkNamespace(name string) error

	// CreateVethPair makes two connected virtual interfaces named a and b in
	// the caller's network namespace. An invalid or taken name is refused
	// (EINVAL, EEXIST) and nothing is left behind. See veth(4).
	CreateVethPair(a, b string) error

	// MoveInterfaceToNetns moves iface of the caller's namespace to the
	// namespace pinned as netns. An interface that leaves its namespace
	// loses its addresses and goes down. See ip-link(8) under netns, and
	// IFLA_NET_NS_FD in <linux/if_link.h>.
	MoveInterfaceToNetns(iface, netns string) error

	// ConfigureInterface gives iface, in the caller's namespace, the IPv4
	// address ip with prefixLen leading bits (0 to 32). A bad address or
	// prefix is refused with EINVAL before anything is changed.
	ConfigureInterface(iface, ip string, prefixLen int) error

	// InterfaceUp sets IFF_UP on iface in the caller's namespace.
	// See netdevice(7).
	InterfaceUp(iface string) error

	// SetupContainerNetwork connects the existing namespace pinned as
	// ctx.Name: it makes the pair VethHost/VethContainer, moves the second
	// end inside, gives both ends their address (a /24), and raises both
	// and, inside, lo. The caller ends where it began. If a step fails, the
	// pair is removed again: deleting one end deletes both.
	SetupContainerNetwork(ctx *NetNamespaceContext) error

	// ExecInNetns runs argv inside the namespace pinned as netns, waits for
	// it and returns its exit status, as CreatePIDNamespace does; what cannot
	// be executed is an error, or 127 as a shell has it. argv is a vector,
	// never a line for a shell. The caller stays in its own namespace. See
	// setns(2).
	ExecInNetns(netns string, argv []string) (status int, err error)

	// DemonstrateNetworkIsolation shows a reader two namespaces that reach
	// each other over a pair. Never graded on its text.
	DemonstrateNetworkIsolation(w io.Writer) error
}

// Mount is about mount namespaces. See mount_namespaces(7), mount(2).
type Mount interface {
	// SetupMountNamespace moves the calling thread into a new mount
	// namespace, gives every mount of it ctx.Propagation (recursively), and
	// makes the bind mounts of ctx ("source:target", target inside
	// ctx.Rootfs, or absolute when Rootfs is empty), each with all that is
	// mounted below its source (MS_BIND with MS_REC). A target that is
	// missing inside Rootfs is created: a folder (0o755) for a folder, an empty file
	// for anything else. Propagation comes before the first mount, as private
	// if it is to be Shared or Unbindable: a shared mount would carry it to
	// the host, an unbindable one cannot be its source. Those two come last.
	SetupMountNamespace(ctx *MountNamespaceContext) error

	// MakeMountPrivate cuts the mount at path and all below it off: nothing
	// comes in, nothing goes out (MS_PRIVATE with MS_REC). A path that is no
	// mount point is an error (EINVAL).
	MakeMountPrivate(path string) error

	// MakeMountShared makes the mount at path and all below it members of
	// peer groups (MS_SHARED with MS_REC).
	MakeMountShared(path string) error

	// MakeMountSlave lets events in and none out (MS_SLAVE with MS_REC). It
	// needs a shared mount with a peer to be a slave of.
	MakeMountSlave(path string) error

	// MakeMountUnbindable makes the mount private and refuses bind mounts of
	// it (MS_UNBINDABLE with MS_REC).
	MakeMountUnbindable(path string) error

	// PivotRootSetup makes newRoot the root of the calling thread's mount
	// namespace and lets the old root go.
	//
	// In this order: bind-mount newRoot on itself, recursively, for
	// pivot_root(2) wants a mount point (EINVAL or EBUSY otherwise); create
	// putOld, a folder below newRoot; pivot; chdir to "/"; unmount the old
	// root with MNT_DETACH; remove its folder. Its parent mount must not be
	// shared.
	// Afterwards nothing of the old root can be reached.
	// If a step up to the pivot fails, what was made before it (the bind
	// mount, the folder) is taken away again.
	PivotRootSetup(newRoot, putOld string) error

	// MountProc mounts a proc of the caller's PID namespace on target, which
	// is created if missing. In a user namespace the kernel asks for another
	// proc that is fully visible: mount it before the old root is detached.
	MountProc(target string) error

	// MountSysfs mounts sysfs on target, created if missing.
	MountSysfs(target string) error

	// MountDevfs mounts a tmpfs (nosuid, mode 0755) on target, created if
	// missing, to hold the devices of a container.
	MountDevfs(target string) error

	// CreateDevices makes rootfs/dev with null 1:3, zero 1:5, full 1:7,
	// random 1:8, urandom 1:9 (mode 0666), tty 5:0, and the links stdin,
	// stdout, stderr to /proc/self/fd/0, 1, 2. Where the kernel refuses
	// mknod(2), as in a user namespace, bind-mounting the host's node over
	// an empty file serves as well.
	CreateDevices(rootfs string) error

	// DemonstrateMountPropagation shows a reader what private, shared and
	// slave mean. Never graded on its text.
	DemonstrateMountPropagation(w io.Writer) error
}

// User is about user namespaces. A pid names a process in a new user
// namespace that has no maps yet; each map can be written once.
// See user_namespaces(7).
type User interface {
	// WriteUIDMap writes text ("inside outside count") to /proc/PID/uid_map
	// in one write(2); the kernel takes no second.
	WriteUIDMap(pid int, text string) error

	// WriteGIDMap writes text to /proc/PID/gid_map. For a writer without
	// CAP_SETGID in the parent namespace the kernel wants DenySetgroups
	// first (EPERM otherwise).
	WriteGIDMap(pid int, text string) error

	// SetupUIDMap maps count user ids from inside on to those from outside
	// on. A count below 1 or a negative id is refused with EINVAL.
	SetupUIDMap(pid, inside, outside, count int) error

	// SetupGIDMap does the same for groups.
	SetupGIDMap(pid, inside, outside, count int) error

	// DenySetgroups writes "deny" to /proc/PID/setgroups: a process that may
	// drop a group could lose a restriction that the group stood for.
	DenySetgroups(pid int) error

	// DropCapabilities leaves the calling thread at most the capabilities
	// whose bit is set in keep (bit n is capability n), in its effective,
	// permitted, inheritable, ambient and bounding sets. The bounding set
	// comes first: dropping from it needs CAP_SETPCAP. See capabilities(7).
	DropCapabilities(keep uint64) error

	// DemonstrateUserNamespace shows a reader a process that is root inside
	// and not outside. Never graded on its text.
	DemonstrateUserNamespace(w io.Writer) error
}

// Container is the small runtime built from all of it. Its life is
// ContainerCreate, then ContainerWait or ContainerStop, then ContainerCleanup.
// Once it was waited for or stopped it holds no descriptor any more: who never
// cleans up loses none.
type Container interface {
	// ContainerInit fills the unset fields of cfg: Hostname "container",
	// CloneFlags [DefaultCloneFlags], PID -1. What is set stays.
	ContainerInit(cfg *ContainerConfig) error

	// ContainerCreate starts cfg.Cmd in a new container and returns once the
	// child is released; cfg.PID is then its PID as the caller sees it.
	//
	// A container that runs already is not lost: refuse cfg (EBUSY), or end
	// it first. A Rootfs without a new mount namespace cannot be entered, and
	// the command must not run outside it.
	//
	// In this order: refuse a nil cfg or an empty Cmd; make the sync pipe;
	// start [EntryCommand] with the clone flags (0 means
	// [DefaultCloneFlags]); close the child's end in the parent; with
	// CLONE_NEWUSER write the maps (setgroups deny, uid_map, gid_map); with
	// Net connect the new network namespace, pinned as Net.Name if that is
	// not empty (a name that exists is refused, and keeps what it stands
	// for); release the child by writing a byte to the pipe. The child must
	// not do anything before. The pipe's end without a byte means that the
	// parent has died: the child must then end, and run nothing.
	//
	// On any failure the child is killed and reaped, and all is undone.
	ContainerCreate(cfg *ContainerConfig) error

	// ContainerStart makes sure that the container runs: one that was not
	// created yet, or whose end was waited for, is created; one that runs is
	// left alone.
	ContainerStart(cfg *ContainerConfig) error

	// ContainerWait waits for the container's end, fills cfg.Status, and
	// returns the exit status; -1 or 128+n with an error for a container
	// killed by signal n.
	ContainerWait(cfg *ContainerConfig) (status int, err error)

	// ContainerStop ends a running container and everything in it, and
	// reaps it: SIGTERM, a moment of grace, SIGKILL. PID 1 of a namespace
	// ignores a SIGTERM it has no handler for. Stopping a container that
	// has ended is no error.
	ContainerStop(cfg *ContainerConfig) error

	// ContainerEntry is the child side. It runs in the new namespaces, in a
	// process of its own (see [EntryCommand]), and does not return if all
	// goes well: it ends in execve(2) of cfg.Cmd.
	//
	// In this order: wait for the sync pipe; with a user namespace become
	// the mapped user; set the hostname (only in a new UTS namespace); in a
	// new mount namespace, and only there, give all mounts Mnt.Propagation
	// (private without a Mnt), make the bind mounts of Mnt, one after the
	// other (below the Rootfs if there is one, otherwise at their absolute
	// targets), and with a Rootfs make /proc and /dev in it, and pivot into
	// it; exec. As in SetupMountNamespace, Shared and Unbindable start as
	// private, and come last: after the pivot.
	//
	// The command inherits no descriptor but 0, 1 and 2. If a step fails the
	// command must not run: return the error, and the process ends with
	// status 125 (126 or 127 when the command cannot be executed).
	ContainerEntry(cfg *ContainerConfig) error

	// ContainerPrintStatus writes a few lines for a reader. Never graded.
	ContainerPrintStatus(w io.Writer, cfg *ContainerConfig) error

	// ContainerCleanup gives back all that the container holds: a running
	// child is stopped, pipe ends are closed, its veth pair and named
	// namespace removed. Calling it twice is no error.
	ContainerCleanup(cfg *ContainerConfig) error
}

// Seccomp is the bonus. A Runtime that also implements it is graded on it, each
// method by itself.
// See seccomp(2).
type Seccomp interface {
	// SetupSeccompFilter sets no_new_privs and then installs, on the calling
	// thread, a BPF filter that lets only the system calls in allowed
	// (numbers of the native ABI) through. Anything else fails with EPERM or
	// kills, and is logged (SECCOMP_FILTER_FLAG_LOG). A call of another
	// architecture or of the x32 ABI is never let through.
	SetupSeccompFilter(allowed []int) error

	// ContainerCreateSecure is ContainerCreate with a filter in the
	// container, installed between the release of the sync pipe and the
	// exec. It stops at least reboot, mount, umount2, pivot_root, ptrace,
	// kexec_load, init_module, finit_module and delete_module; what an
	// ordinary program needs (files, sockets, threads, exec) goes through.
	ContainerCreateSecure(cfg *ContainerConfig) error
}
