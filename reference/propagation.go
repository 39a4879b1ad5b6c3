package reference

import (
	"fmt"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// MakeMountPrivate cuts the mounts at and below path off from their peers.
func (namespaces) MakeMountPrivate(path string) error {
	return propagate("private", path, unix.MS_PRIVATE)
}

// MakeMountShared makes the mounts at and below path exchange events with their
// peers.
func (namespaces) MakeMountShared(path string) error {
	return propagate("shared", path, unix.MS_SHARED)
}

// MakeMountSlave lets events reach the mounts at and below path, and none leave.
func (namespaces) MakeMountSlave(path string) error {
	return propagate("slave", path, unix.MS_SLAVE)
}

// MakeMountUnbindable makes the mounts at and below path private, and refuses
// bind mounts of them.
func (namespaces) MakeMountUnbindable(path string) error {
	return propagate("unbindable", path, unix.MS_UNBINDABLE)
}

// propagate changes the mounts at and below path. The kernel answers EINVAL
// where nothing is mounted: propagation belongs to a mount, not to a folder.
func propagate(kind, path string, flag uintptr) error {
	if err := unix.Mount("", path, "", flag|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make mount %s %q: %w", kind, path, err)
	}
	return nil
}

// isolateMounts comes before the first mount in a new mount namespace, whose
// mounts are still peers of those they were copied from. Whatever is wanted in
// the end, nothing that is mounted here must appear out there.
func (n namespaces) isolateMounts(wanted contract.MountPropagation) error {
	if wanted == contract.Slave {
		return n.MakeMountSlave("/")
	}
	return n.MakeMountPrivate("/")
}

// settleMounts comes after the last mount. Shared then means shared with the
// namespaces that will be copied from this one; and unbindable could not have
// come sooner, since bind mounts were still to be made.
func (n namespaces) settleMounts(wanted contract.MountPropagation) error {
	switch wanted {
	case contract.Shared:
		return n.MakeMountShared("/")
	case contract.Unbindable:
		return n.MakeMountUnbindable("/")
	default: // done by isolateMounts
		return nil
	}
}
