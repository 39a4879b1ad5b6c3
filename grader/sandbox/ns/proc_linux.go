package ns

import (
	"errors"
	"os"
	"strconv"
)

// ownProc is an error if /proc shows other processes than those that we start: where what
// is written to /proc/PID reaches somebody else.
func ownProc() error {
	if self, err := os.Readlink("/proc/self"); err == nil && self == strconv.Itoa(os.Getpid()) {
		return nil
	}
	return errors.New("/proc is missing, or that of another PID namespace: have one mounted (bwrap --proc /proc; unshare --mount-proc; mount -t proc proc /proc)")
}
