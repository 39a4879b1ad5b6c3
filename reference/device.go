package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// device is a character device that every program may expect.
type device struct {
	name         string
	major, minor uint32
}

// deviceMode lets everybody read and write: none of the devices keeps anything.
const deviceMode = 0o666

func devices() []device {
	return []device{
		{"null", 1, 3},
		{"zero", 1, 5},
		{"full", 1, 7},
		{"random", 1, 8},
		{"urandom", 1, 9},
		{"tty", 5, 0},
	}
}

// standardStreams are the links of /dev to each process's own descriptors.
func standardStreams() []string { return []string{"stdin", "stdout", "stderr"} }

// CreateDevices fills rootfs/dev.
func (namespaces) CreateDevices(rootfs string) error {
	if rootfs == "" {
		return fmt.Errorf("create devices: empty rootfs: %w", unix.EINVAL)
	}
	folder := filepath.Join(rootfs, "dev")
	folderMade, err := makeFolder(folder)
	if err != nil {
		return fmt.Errorf("create devices: %w", err)
	}
	if made, err := fillDev(folder); err != nil {
		err = errors.Join(err, removeDevices(made))
		if folderMade {
			err = errors.Join(err, os.Remove(folder))
		}
		return fmt.Errorf("create devices: %w", err)
	}
	return nil
}

// fillDev makes the devices and links that are missing in folder, and says
// which it made, even if it fails halfway.
func fillDev(folder string) (made []string, err error) {
	for _, d := range devices() {
		path := filepath.Join(folder, d.name)
		created, err := d.create(path)
		if created {
			made = append(made, path)
		}
		if err != nil {
			return made, err
		}
	}
	for fd, name := range standardStreams() {
		path := filepath.Join(folder, name)
		created, err := linkOnce(fmt.Sprintf("/proc/self/fd/%d", fd), path)
		if created {
			made = append(made, path)
		}
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// create makes the device at path, unless it is there already.
func (d device) create(path string) (created bool, err error) {
	err = unix.Mknod(path, unix.S_IFCHR|deviceMode, d.number())
	switch {
	case err == nil:
		return true, os.Chmod(path, deviceMode) // mknod(2) heeds the umask
	case d.isAt(path):
		return false, nil
	case errors.Is(err, unix.EPERM):
		// A user namespace makes no device. But the host has this one, and
		// to show it here as well takes no more than a file to cover.
		return d.bind(path)
	default:
		return false, fmt.Errorf("mknod %s: %w", path, err)
	}
}

// bind shows the host's device at path.
func (d device) bind(path string) (created bool, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, deviceMode)
	if err != nil {
		return false, err
	}
	file.Close()
	return true, bindMount(filepath.Join("/dev", d.name), path)
}

func (d device) number() int { return int(unix.Mkdev(d.major, d.minor)) }

// isAt tells whether path is this device, and not just something of its name.
func (d device) isAt(path string) bool {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return false
	}
	return stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == uint64(d.number())
}

// linkOnce makes a symbolic link, unless the very same is there already.
func linkOnce(target, path string) (created bool, err error) {
	err = os.Symlink(target, path)
	if err == nil {
		return true, nil
	}
	if existing, readErr := os.Readlink(path); readErr == nil && existing == target {
		return false, nil
	}
	return false, err
}

// removeDevices takes away what fillDev made: the mount, where there is one,
// then the node, file or link.
func removeDevices(paths []string) error {
	var errs []error
	for _, path := range paths {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", path, err))
		}
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}
