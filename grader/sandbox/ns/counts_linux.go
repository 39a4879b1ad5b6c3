package ns

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"moulinette/grader/lack"
)

// perBox is how many namespaces of a kind a box and the containers in it may take at a
// time: twice what gradings were seen to need.
const perBox = 16

// enoughNamespaces is an error if the kernel gives fewer than boxes and what runs in them
// take: a submission would meet with ENOSPC sooner or later, and pay for it.
func enoughNamespaces() error {
	for _, kind := range []string{"user", "mnt", "pid", "net", "uts", "ipc", "cgroup"} {
		data, err := os.ReadFile("/proc/sys/user/max_" + kind + "_namespaces")
		if err != nil {
			continue // a kernel that does not count them
		}
		most, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if least := perBox * widest(); err == nil && most < least {
			name := "user.max_" + kind + "_namespaces"
			return &lack.Error{
				EN: fmt.Sprintf("%s is %d, %d are needed: as root, sysctl -w %s=15000", name, most, least, name),
				FR: fmt.Sprintf("%s vaut %d, il en faut %d : en root, sysctl -w %s=15000", name, most, least, name),
			}
		}
	}
	return nil
}
