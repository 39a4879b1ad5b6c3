package student

import (
	"io"

	"moulinette/grader/contract"
)

// SetupMountNamespace moves the calling thread into a mount namespace of its
// own, with its own propagation and some bind mounts.
//
// A new mount namespace starts as a copy, and on most machines a copy of shared
// mounts: what you mount in yours shows up in the other. So one thing comes
// before the first mount. See mount_namespaces(7), unshare(2).
//
// Pitfalls:
//   - This time it is the calling thread that has to move. Do not go and hide.
//   - "source:target" has a colon, or it is a mistake.
//   - Bind the mounts below the source too, or the kernel may refuse.
//   - A thread whose namespace was not finished should not be left in it.
func (namespaces) SetupMountNamespace(ctx *contract.MountNamespaceContext) error {
	return contract.ErrNotImplemented
}

// MakeMountPrivate cuts a mount off: nothing comes in, nothing goes out.
//
// The four that follow are one system call with different flags, and that call
// does nothing else when it gets one of them: what it needs besides is a path.
// See mount(2), "changing the propagation type", and look at the tags before the
// dash in /proc/self/mountinfo, see proc_pid_mountinfo(5).
//
// Pitfalls: the mounts below it are to follow, and there is a flag for that.
// Propagation belongs to a mount, not to a folder: what does the kernel answer
// for a path where nothing is mounted? Hand that answer on.
func (namespaces) MakeMountPrivate(path string) error {
	return contract.ErrNotImplemented
}

// MakeMountShared makes a mount a member of a peer group: what is mounted on one
// of them appears on all.
func (namespaces) MakeMountShared(path string) error {
	return contract.ErrNotImplemented
}

// MakeMountSlave lets events in and none out: the host can hand the island a
// disk, the island cannot hand the host anything.
//
// Whose slave? A mount without a peer has nobody to be a slave of, and just
// becomes private.
func (namespaces) MakeMountSlave(path string) error {
	return contract.ErrNotImplemented
}

// MakeMountUnbindable makes a mount private, and one that cannot be bind-mounted
// elsewhere. Think of what happens when you bind / somewhere below /, twice.
func (namespaces) MakeMountUnbindable(path string) error {
	return contract.ErrNotImplemented
}

// PivotRootSetup makes newRoot the root, and lets the old one go. The horizon is
// a wall; this is how it gets there.
//
// The contract lists the steps. pivot_root(2) lists the conditions, most of which
// are an EINVAL that says nothing. They are usually met in this order: newRoot
// has to be a mount point; putOld has to be below it; their mounts must not be
// shared.
//
// Pitfalls:
//   - After the call, all paths mean something else. Where is putOld now?
//   - As long as your working directory is out there, so are you.
//   - The old root is busy: you were in it a moment ago. There is a way of
//     unmounting for that, see umount2(2).
//   - A step that fails leaves neither the mount nor the folder.
func (namespaces) PivotRootSetup(newRoot, putOld string) error {
	return contract.ErrNotImplemented
}

// MountProc mounts a proc of the caller's PID namespace on target.
//
// Which processes it shows is decided by who mounts it. `ps` in a container
// with the host's /proc shows the host. See proc(5), and mount(2) for the flags
// that keep surprises out of it.
func (namespaces) MountProc(target string) error {
	return contract.ErrNotImplemented
}

// MountSysfs mounts sysfs on target. See sysfs(5).
//
// What it shows of the network depends on who mounts it, too.
func (namespaces) MountSysfs(target string) error {
	return contract.ErrNotImplemented
}

// MountDevfs mounts a tmpfs on target, to hold devices. See tmpfs(5).
//
// Pitfall: a devtmpfs sounds right. There is only one in the whole system, and
// in it are the host's disks.
func (namespaces) MountDevfs(target string) error {
	return contract.ErrNotImplemented
}

// CreateDevices makes the six devices and the three links that programs expect
// in /dev.
//
// A device is a name for two numbers: `ls -l /dev/null` shows them. See mknod(2),
// makedev(3), null(4), random(4).
//
// Pitfalls:
//   - mknod(2) heeds the umask, and the mode is to be 0666.
//   - In a user namespace it is refused, whoever you are. But the host's device
//     exists: how does one and the same file show up in two places?
//   - Being called twice is no reason to fail.
func (namespaces) CreateDevices(rootfs string) error {
	return contract.ErrNotImplemented
}

// DemonstrateMountPropagation shows a reader what private, shared and slave
// mean: two views of one folder, a mount in the one, a look at the other.
//
// Clean up after yourself; a mount namespace for the demonstration does most of
// it.
func (namespaces) DemonstrateMountPropagation(w io.Writer) error {
	return contract.ErrNotImplemented
}
