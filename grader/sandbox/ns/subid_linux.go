package ns

import (
	"os"
	"os/user"
	"strconv"

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
