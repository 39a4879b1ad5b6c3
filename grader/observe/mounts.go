package observe

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"moulinette/grader/evidence"
)

const (
	maxMounts    = 2_000
	maxMountLine = 32 << 10 // folders can be nested until a line passes any limit
	mountsBytes  = 8 << 20
)

// mountKey tells a mount again in another reading of mountinfo.
type mountKey struct{ device, root, target string }

func keyOf(m evidence.Mount) mountKey { return mountKey{m.Device, m.Root, m.Target} }

// parseMounts reads a mountinfo. A line that is too long or makes no sense is
// left out, so that it cannot hide the others.
func parseMounts(data []byte) []evidence.Mount {
	mounts := make([]evidence.Mount, 0, min(maxMounts, bytes.Count(data, []byte{'\n'})+1))
	if infos, err := mountinfo.GetMountsFromReader(bytes.NewReader(data), nil); err == nil {
		for _, info := range infos[:min(maxMounts, len(infos))] {
			mounts = append(mounts, mountOf(info))
		}
		return mounts
	}
	for line := range bytes.Lines(data) {
		if len(line) > maxMountLine || len(mounts) == maxMounts {
			continue
		}
		infos, err := mountinfo.GetMountsFromReader(bytes.NewReader(line), nil)
		if err == nil && len(infos) == 1 {
			mounts = append(mounts, mountOf(infos[0]))
		}
	}
	return mounts
}

func mountOf(info *mountinfo.Info) evidence.Mount {
	m := evidence.Mount{
		ID:      info.ID,
		Parent:  info.Parent,
		Device:  strconv.Itoa(info.Major) + ":" + strconv.Itoa(info.Minor),
		Root:    info.Root,
		Target:  info.Mountpoint,
		Type:    info.FSType,
		Source:  info.Source,
		Options: strings.Split(info.Options, ","),
	}
	setPropagation(&m, info.Optional)
	return m
}

// setPropagation reads the optional fields, as "shared:12 master:3".
func setPropagation(m *evidence.Mount, fields string) {
	for field := range strings.FieldsSeq(fields) {
		tag, value, _ := strings.Cut(field, ":")
		switch tag {
		case "shared":
			m.Shared = number(value)
		case "master":
			m.Master = number(value)
		case "unbindable":
			m.Unbindable = true
		}
	}
	m.Propagation = propagation(m)
}

func propagation(m *evidence.Mount) string {
	switch {
	case m.Unbindable:
		return "unbindable"
	case m.Shared > 0 && m.Master > 0:
		return "slave+shared"
	case m.Shared > 0:
		return "shared"
	case m.Master > 0:
		return "slave"
	}
	return "private"
}
