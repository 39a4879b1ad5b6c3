package box

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// asideName is the group into which a grader steps aside. It has no number, so
// sweep leaves it alone: it goes with the group around it, which was ours alone.
const asideName = cgroupPrefix + "self"

// StepAside makes room for the groups of boxes in the group of version 2 that this
// process is in, as in a scope of systemd's that was started for it: a group
// with processes in it can bound none below it (cgroups(7), no internal processes).
// The grader goes into a group beside the boxes'. Where anybody else is in the group,
// be it the shell that waits, it stays as it is: nothing of what is there afterwards may
// have changed. So it does where no group can be made. Agents start after it.
func StepAside(m Mode) {
	_, v2 := cgroupMounts()
	if v2 == "" {
		return
	}
	dir := unifiedDir(m, v2, ownCgroups()[""])
	if controls(dir) && !delegated(dir) {
		stepAside(dir, strconv.Itoa(os.Getpid()))
	}
}

// unifiedDir is the folder of version 2 below which our groups are made.
func unifiedDir(m Mode, mount, own string) string {
	if m == Root || m == Privileged {
		return mount
	}
	if filepath.Base(own) == asideName {
		own = filepath.Dir(own)
	}
	return filepath.Join(mount, own)
}

// controls reports whether dir is ours and has the controllers that we need.
func controls(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	has := strings.Fields(string(text))
	return err == nil && slices.Contains(has, "memory") && slices.Contains(has, "pids") && unix.Access(dir, unix.W_OK) == nil
}

// stepAside moves the process self into a group below dir, if nobody else is in dir.
// What has been of no use is undone.
func stepAside(dir, self string) {
	here := filepath.Join(dir, "cgroup.procs")
	if members, err := os.ReadFile(here); err != nil || strings.TrimSpace(string(members)) != self {
		return
	}
	aside := filepath.Join(dir, asideName)
	if err := os.Mkdir(aside, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return
	}
	_ = os.WriteFile(filepath.Join(aside, "cgroup.procs"), []byte(self), 0o600)
	if !delegated(dir) {
		_ = os.WriteFile(here, []byte(self), 0o600)
		_ = unix.Rmdir(aside)
	}
}
