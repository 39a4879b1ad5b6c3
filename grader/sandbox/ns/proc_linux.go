package ns

import (
	"os"
	"strconv"

	"moulinette/grader/lack"
)

// ownProc is an error if /proc shows other processes than those that we start: where what
// is written to /proc/PID reaches somebody else.
func ownProc() error {
	if self, err := os.Readlink("/proc/self"); err == nil && self == strconv.Itoa(os.Getpid()) {
		return nil
	}
	const how = "bwrap --proc /proc; unshare --mount-proc; mount -t proc proc /proc"
	return &lack.Error{
		EN: "/proc is missing, or that of another PID namespace: have one mounted (" + how + ")",
		FR: "/proc manque, ou c'est celui d'un autre espace de noms PID : faites-en monter un (" + how + ")",
	}
}
