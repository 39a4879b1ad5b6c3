package reference

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// noSurprises is how a pseudo-filesystem is mounted: nobody becomes root by it,
// finds a device in it, or runs anything from it.
const noSurprises = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// MountProc mounts the proc of the caller's PID namespace on target.
func (namespaces) MountProc(target string) error {
	return mountFilesystem("proc", target, noSurprises, "")
}

// MountSysfs mounts the sysfs of the caller's network namespace on target.
func (namespaces) MountSysfs(target string) error {
	return mountFilesystem("sysfs", target, noSurprises, "")
}

// MountDevfs mounts an empty tmpfs on target, to hold devices. A devtmpfs would
// not do: there is one in the whole system, and it shows the host's.
func (namespaces) MountDevfs(target string) error {
	return mountFilesystem("tmpfs", target, unix.MS_NOSUID, "mode=0755")
}

// mountFilesystem mounts a new filesystem of a kind on target, a folder that is
// created if it is missing, and removed again if nothing came of it.
func mountFilesystem(kind, target string, flags uintptr, data string) error {
	made, err := makeFolder(target)
	if err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	if err := unix.Mount(kind, target, kind, flags, data); err != nil {
		err = fmt.Errorf("mount %s on %s: %w", kind, target, err)
		if made {
			err = errors.Join(err, os.Remove(target))
		}
		return err
	}
	return nil
}

// makeFolder makes sure that path is a folder, and says whether it was missing.
func makeFolder(path string) (made bool, err error) {
	if path == "" {
		return false, fmt.Errorf("empty path: %w", unix.EINVAL)
	}
	_, err = os.Stat(path)
	missing := errors.Is(err, unix.ENOENT)
	err = os.MkdirAll(path, 0o755) // ENOTDIR for a file
	return missing && err == nil, err
}
