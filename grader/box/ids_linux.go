package box

import (
	"slices"

	"github.com/moby/sys/user"
)

// Ranges of ids that root takes where it is root of the host's, each agent one.
const (
	firstRange = 1 << 30
	ranges     = 16000
)

// HasRanges reports whether this user namespace has the ids that [Root] takes. That
// of the host has all; a container's may have few, and then its root has no others.
func HasRanges() bool { return Mapped(firstRange, ranges*idRange) }

// Mapped reports whether this user namespace has count user and group ids from first
// on, in one piece. Where that cannot be read, it is taken for the host's.
func Mapped(first, count int) bool {
	return inMap("/proc/self/uid_map", first, count) && inMap("/proc/self/gid_map", first, count)
}

// inMap looks through the lines of a map (user_namespaces(7)).
func inMap(file string, first, count int) bool {
	lines, err := user.ParseIDMapFile(file)
	return err != nil || slices.ContainsFunc(lines, func(m user.IDMap) bool {
		return m.ID <= int64(first) && int64(first+count) <= m.ID+m.Count
	})
}
