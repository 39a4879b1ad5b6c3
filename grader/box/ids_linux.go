package box

import (
	"bufio"
	"fmt"
	"os"
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

// inMap looks through lines of the first id inside, the first outside, and how many
// (user_namespaces(7)).
func inMap(file string, first, count int) bool {
	f, err := os.Open(file)
	if err != nil {
		return true
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var inside, outside, n int
		_, err := fmt.Sscan(lines.Text(), &inside, &outside, &n)
		if err == nil && inside <= first && first+count <= inside+n {
			return true
		}
	}
	return false
}
