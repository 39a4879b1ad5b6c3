package ns

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	subid "github.com/moby/sys/user"
)

// findSubIDs looks this user up in /etc/subuid and /etc/subgid; see subuid(5).
func findSubIDs() (subIDs, error) {
	names := []string{strconv.Itoa(os.Geteuid())}
	if me, err := user.LookupId(names[0]); err == nil {
		names = append(names, me.Username)
	}
	uid, err := firstRange("/etc/subuid", names)
	if err != nil {
		return subIDs{}, err
	}
	gid, err := firstRange("/etc/subgid", names)
	return subIDs{uid: uid, gid: gid}, err
}

// everyID tells whether we are in a user namespace that has every id. Root of another
// one, as in a container without root outside, has no ids to give and makes no devices:
// it is as good as an ordinary user.
func everyID() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err != nil || slices.Equal(strings.Fields(string(text)), []string{"0", "0", "4294967295"})
}

func firstRange(file string, names []string) (int, error) {
	ranges, err := subid.ParseSubIDFileFilter(file, func(s subid.SubID) bool {
		return s.Count >= idsNeeded-1 && (s.Name == names[0] || s.Name == names[len(names)-1])
	})
	if err != nil {
		return 0, err
	}
	if len(ranges) == 0 {
		return 0, errNoSubIDs
	}
	return int(ranges[0].SubID), nil
}
