package box

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Fit is how many, of so many that take so many bytes of memory each, there is memory
// for; one in any case.
func Fit(most int, each int64) int {
	free, known := room()
	if !known {
		return most
	}
	return int(max(1, min(int64(most), free/each)))
}

// room is how many bytes of memory programs may still take here: before the host swaps
// (/proc/meminfo, MemAvailable; Linux 3.14), and before the limit of our control group,
// or of one above it, is met. It is not known where nothing tells.
func room() (free int64, known bool) {
	free, known = available()
	v1, v2 := cgroupMounts()
	own := ownCgroups()
	for controller, h := range map[string]hierarchy{
		"":       {v2, "memory.max", "memory.current", "inactive_file"},
		"memory": {v1["memory"], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
	} {
		if left, limited := h.room(own[controller]); limited && (!known || left < free) {
			free, known = left, true
		}
	}
	return free, known
}

func available() (free int64, known bool) {
	text, _ := os.ReadFile("/proc/meminfo") // nothing where it cannot be read
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "MemAvailable:"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// hierarchy is where one is mounted, and what its files and its statistics are called
// (cgroups(7); the kernel's cgroup-v1/memory.rst and cgroup-v2.rst).
type hierarchy struct{ root, limit, used, idle string }

// room is the least of a group and of those above it. A path that does not lead there,
// as in a container that sees no more than its own group, begins with what it does see.
func (h hierarchy) room(group string) (free int64, limited bool) {
	if h.root == "" {
		return 0, false
	}
	for dir := filepath.Join("/", group); ; dir = filepath.Dir(dir) {
		if left, ok := h.left(filepath.Join(h.root, dir)); ok && (!limited || left < free) {
			free, limited = left, true
		}
		if dir == "/" {
			return free, limited
		}
	}
}

// left is what one group's own limit leaves. Files that nobody has used lately give
// way to programs.
func (h hierarchy) left(dir string) (free int64, limited bool) {
	limit, ok := bytesIn(filepath.Join(dir, h.limit))
	used, known := bytesIn(filepath.Join(dir, h.used))
	if !ok || !known || limit > unlimited {
		return 0, false
	}
	stat, _ := os.ReadFile(filepath.Join(dir, "memory.stat")) // without it, no file gives way
	for line := range strings.Lines(string(stat)) {
		if value, found := strings.CutPrefix(line, h.idle+" "); found {
			idle, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			used -= idle
		}
	}
	return max(0, limit-used), true
}

// unlimited is more than any limit that means one: version 1 has a number for none.
const unlimited = 1 << 60

// bytesIn reads a file of one number. "max" is none.
func bytesIn(name string) (int64, bool) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n, err == nil
}
