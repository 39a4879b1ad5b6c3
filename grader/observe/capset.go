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

func (s *status) capabilities() evidence.Caps {
	return evidence.Caps{
		Effective:   capNames(s.caps.effective),
		Permitted:   capNames(s.caps.permitted),
		Inheritable: capNames(s.caps.inheritable),
		Bounding:    capNames(s.caps.bounding),
		Ambient:     capNames(s.caps.ambient),
	}
}
