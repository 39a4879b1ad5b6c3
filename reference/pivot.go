package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// PivotRootSetup makes newRoot the root of the calling thread's mount namespace.
// putOld is a path below newRoot, given in full or as seen from newRoot.
func (namespaces) PivotRootSetup(newRoot, putOld string) error {
	inner, err := pathBelow(newRoot, putOld)
	if err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	// After the bind mount "." would still be the folder below it.
	newRoot, err = filepath.Abs(newRoot)
	if err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := pivot(newRoot, inner); err != nil {
		return fmt.Errorf("pivot root %s: %w", newRoot, err)
	}
	// From here on there is no way back: whoever gets an error should end.
	if err := dropOldRoot(filepath.Join("/", inner)); err != nil {
		return fmt.Errorf("pivot root %s: %w", newRoot, err)
	}
	return nil
}

// pivot turns newRoot into "/", and puts the old root on the folder inner of it.
// As long as it fails, nothing has happened.
func pivot(newRoot, inner string) (err error) {
	// pivot_root(2) exchanges mounts, and newRoot may be a mere folder.
	if err := bindMount(newRoot, newRoot); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Unmount(newRoot, unix.MNT_DETACH))
		}
	}()
	putOld := filepath.Join(newRoot, inner)
	made, err := makeFolder(putOld)
	if err != nil {
		return err
	}
	if err := unix.PivotRoot(newRoot, putOld); err != nil {
		if made {
			err = errors.Join(err, os.Remove(putOld))
		}
		return err
	}
	return nil
}

// dropOldRoot closes the door: the working directory is the last way back to
// the old root, and a lazy unmount takes it off with everything below.
func dropOldRoot(oldRoot string) error {
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	if err := unix.Unmount(oldRoot, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount old root: %w", err)
	}
	return os.Remove(oldRoot)
}

// pathBelow says where putOld lies as seen from newRoot. The root itself cannot
// be pivoted to, nor can the old root be put on top of the new one.
func pathBelow(newRoot, putOld string) (string, error) {
	if newRoot == "" || putOld == "" || filepath.Clean(newRoot) == "/" {
		return "", fmt.Errorf("bad roots %q, %q: %w", newRoot, putOld, unix.EINVAL)
	}
	inner, err := filepath.Rel(newRoot, putOld)
	if outside := err != nil || !filepath.IsLocal(inner); outside && !filepath.IsAbs(putOld) {
		inner = filepath.Clean(putOld)
	}
	if inner == "." || !filepath.IsLocal(inner) {
		return "", fmt.Errorf("%q is not below %q: %w", putOld, newRoot, unix.EINVAL)
	}
	return inner, nil
}
