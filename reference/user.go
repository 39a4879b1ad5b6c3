package reference

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// WriteUIDMap writes text to the user map of pid's user namespace.
func (namespaces) WriteUIDMap(pid int, text string) error {
	return writeMap(pid, "uid_map", text)
}

// WriteGIDMap writes text to the group map of pid's user namespace.
func (namespaces) WriteGIDMap(pid int, text string) error {
	return writeMap(pid, "gid_map", text)
}

// SetupUIDMap maps count users, inside and following to outside and following.
func (n namespaces) SetupUIDMap(pid, inside, outside, count int) error {
	text, err := mapLine(inside, outside, count)
	if err != nil {
		return fmt.Errorf("setup uid_map: %w", err)
	}
	return n.WriteUIDMap(pid, text)
}

// SetupGIDMap maps count groups, inside and following to outside and following.
func (n namespaces) SetupGIDMap(pid, inside, outside, count int) error {
	text, err := mapLine(inside, outside, count)
	if err != nil {
		return fmt.Errorf("setup gid_map: %w", err)
	}
	return n.WriteGIDMap(pid, text)
}

// DenySetgroups takes setgroups(2) away from pid's user namespace, for good. A
// file that the group "guests" may not read would open to a guest who could
// just leave that group: this is why an unprivileged gid_map has this price.
func (namespaces) DenySetgroups(pid int) error {
	return writeMap(pid, "setgroups", "deny")
}

// writeMap writes text to a file of /proc/PID in a single write(2): the kernel
// takes a map as a whole, and takes it once.
func writeMap(pid int, name, text string) error {
	if pid < 1 || strings.TrimSpace(text) == "" {
		return fmt.Errorf("write %s of %d: %q: %w", name, pid, text, unix.EINVAL)
	}
	file, err := os.OpenFile(fmt.Sprintf("/proc/%d/%s", pid, name), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return fmt.Errorf("write %s %q: %w", name, text, err)
	}
	return nil
}

// mapLine is one line of a map.
func mapLine(inside, outside, count int) (string, error) {
	if inside < 0 || outside < 0 || count < 1 {
		return "", fmt.Errorf("bad map %d %d %d: %w", inside, outside, count, unix.EINVAL)
	}
	return fmt.Sprintf("%d %d %d", inside, outside, count), nil
}
