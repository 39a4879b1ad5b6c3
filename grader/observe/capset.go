package observe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/capability"

	"moulinette/grader/evidence"
)

// capNames are the names of the bits of a capability set, without CAP_, sorted.
func capNames(set uint64) []string {
	names := []string{}
	for bit := range 64 {
		if set&(1<<bit) != 0 {
			names = append(names, capName(bit))
		}
	}
	slices.Sort(names)
	return names
}

func capName(bit int) string {
	if name := capability.Cap(bit).String(); name != "unknown" {
		return strings.ToUpper(name)
	}
	return strconv.Itoa(bit)
}

// capSets keeps the names of the sets met so far: most processes have the same.
type capSets map[uint64][]string

func (c capSets) names(set uint64) []string {
	if _, ok := c[set]; !ok {
		c[set] = capNames(set)
	}
	return c[set]
}

func (c capSets) of(s status) evidence.Caps {
	return evidence.Caps{
		Effective:   c.names(s.caps.effective),
		Permitted:   c.names(s.caps.permitted),
		Inheritable: c.names(s.caps.inheritable),
		Bounding:    c.names(s.caps.bounding),
		Ambient:     c.names(s.caps.ambient),
	}
}
