package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// bind is a bind mount to make: source, on the host, shows up at target as well.
type bind struct{ source, target string }

// parseBinds reads "source:target" texts. Targets are absolute.
func parseBinds(texts []string) ([]bind, error) {
	var binds []bind
	for _, text := range texts {
		source, target, _ := strings.Cut(text, ":")
		if source == "" || !filepath.IsAbs(target) || strings.Contains(target, ":") {
			return nil, fmt.Errorf("bad bind mount %q: %w", text, unix.EINVAL)
		}
		binds = append(binds, bind{source, target})
	}
	return binds, nil
}

// mountAll makes the bind mounts, inside rootfs if there is one.
func mountAll(binds []bind, rootfs string) error {
	for _, b := range binds {
		target := b.target
		if rootfs != "" {
			var err error
			if target, err = b.prepareTarget(rootfs); err != nil {
				return fmt.Errorf("bind mount %s: %w", b.source, err)
			}
		}
		if err := bindMount(b.source, target); err != nil {
			return err
		}
	}
	return nil
}

// prepareTarget makes the target in rootfs if it is missing: a folder for a
// folder, a file for anything else. [os.Root] refuses a link that leads out of
// rootfs, where we would create the file, and mount, in the host's tree.
func (b bind) prepareTarget(rootfs string) (string, error) {
	source, err := os.Stat(b.source)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return "", err
	}
	defer root.Close()
	target := filepath.Join(".", filepath.Clean(b.target))
	if _, err := root.Stat(target); err == nil || !errors.Is(err, unix.ENOENT) {
		return filepath.Join(rootfs, target), err
	}
	if source.IsDir() {
		return filepath.Join(rootfs, target), root.MkdirAll(target, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return "", err
	}
	return filepath.Join(rootfs, target), root.WriteFile(target, nil, 0o644)
}

// bindMount makes source appear at target too, with all that is mounted below.
// Without MS_REC the kernel refuses to copy a tree that a user namespace may
// not look behind.
func bindMount(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind mount %s on %s: %w", source, target, err)
	}
	return nil
}
