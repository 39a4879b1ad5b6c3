package reference

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// DropCapabilities leaves the calling thread at most the capabilities in keep.
func (namespaces) DropCapabilities(keep uint64) error {
	// The bounding set goes first, while CAP_SETPCAP is there to do it. It is
	// what the next execve(2) by user 0 would otherwise fill the others from.
	for _, c := range capabilities() {
		if keep&(1<<c) != 0 {
			continue
		}
		if err := dropBounding(c); err != nil {
			return fmt.Errorf("drop capabilities: bounding set, capability %d: %w", c, err)
		}
	}
	// The kernel takes from the ambient set what leaves the permitted or the
	// inheritable one, so this empties four sets.
	err := changeCapabilities(func(low, high *unix.CapUserData) {
		restrict(low, uint32(keep))
		restrict(high, uint32(keep>>32))
	})
	if err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// dropBounding takes c from the bounding set. Nothing is asked of the kernel
// for one that is gone, so an unprivileged caller may drop what it has not got.
func dropBounding(c uintptr) error {
	present, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
	if err != nil || present == 0 {
		return err
	}
	return unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
}

// restrict leaves the three sets of one half at most what is in keep.
func restrict(half *unix.CapUserData, keep uint32) {
	half.Effective &= keep
	half.Permitted &= keep
	half.Inheritable &= keep
}

// dropInheritable empties the inheritable set, and with it the ambient one.
func dropInheritable() error {
	return changeCapabilities(func(low, high *unix.CapUserData) {
		low.Inheritable, high.Inheritable = 0, 0
	})
}

// changeCapabilities edits the sets of the calling thread. Sixty-four
// capabilities come as two halves of thirty-two.
func changeCapabilities(edit func(low, high *unix.CapUserData)) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var halves [2]unix.CapUserData
	if err := unix.Capget(&header, &halves[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	edit(&halves[0], &halves[1])
	if err := unix.Capset(&header, &halves[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}

// capabilities lists what this kernel knows, which may be more or less than
// what this program was compiled with.
func capabilities() []uintptr {
	var known []uintptr
	for c := uintptr(0); c < 64; c++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			break
		}
		known = append(known, c)
	}
	return known
}
