package observe

import (
	"strings"

	"moulinette/grader/evidence"
)

// maxMapLines is the kernel's own limit on the lines of a map.
const maxMapLines = 340

// overflowID is what a process sees in place of an id that its map lacks.
const overflowID = 65534

// idMap is a uid_map or gid_map as the reader was shown it.
type idMap []evidence.IDMap

// parseIDMap leaves out lines that are not three numbers.
func parseIDMap(data []byte) idMap {
	m := idMap{}
	for line := range strings.Lines(string(data)) {
		n := numbers(line)
		if len(n) == 3 && n[2] > 0 && len(m) < maxMapLines {
			m = append(m, evidence.IDMap{Inside: n[0], Outside: n[1], Count: n[2]})
		}
	}
	return m
}

// inside translates an outside id.
func (m idMap) inside(outside int) (int, bool) {
	for _, e := range m {
		if d := outside - e.Outside; d >= 0 && d < e.Count {
			return e.Inside + d, true
		}
	}
	return 0, false
}

// seenAs is the id that a process with this map sees for an outside id.
func (m idMap) seenAs(outside int) int {
	if id, ok := m.inside(outside); ok {
		return id
	}
	return overflowID
}

// through counts the outside ids of m inside parent. The kernel lets no line
// of a map cross two lines of its parent's, so the first id speaks for all. A
// line that the parent does not cover stays as it was.
func (m idMap) through(parent idMap) idMap {
	counted := make(idMap, len(m))
	for i, e := range m {
		if id, ok := parent.inside(e.Outside); ok {
			e.Outside = id
		}
		counted[i] = e
	}
	return counted
}
