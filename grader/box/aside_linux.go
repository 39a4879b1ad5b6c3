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
// sweep leaves it alone: whoever gave us the group around it, takes both away.
const asideName = cgroupPrefix + "self"

// StepAside makes room for the groups of boxes in the group of version 2 that this
// process is in, as in a scope of systemd's that is delegated to its user: a group
// with processes in it can bound none below it (cgroups(7), no internal processes).
// The grader, and those who wait for it, go into a group beside the boxes'. Where
// others are in the group, which are none of our business, it stays as it is; so it
// does where no group can be made. Agents start after it.
func StepAside(m Mode) {
	_, v2 := cgroupMounts()
	if v2 == "" {
		return
	}
	dir := unifiedDir(m, v2, ownCgroups()[""])
	if controls(dir) && !delegated(dir) {
		stepAside(dir, lineage(os.Getpid()))
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

// stepAside moves what is in dir into a group below it, if all of it is in kin. What
// has been of no use is undone.
func stepAside(dir string, kin []int) {
	here := filepath.Join(dir, "cgroup.procs")
	members, ok := numbers(here)
	if !ok || slices.ContainsFunc(members, func(pid int) bool { return !slices.Contains(kin, pid) }) {
		return
	}
	aside := filepath.Join(dir, asideName)
	if err := os.Mkdir(aside, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return
	}
	move(members, filepath.Join(aside, "cgroup.procs"))
	if !delegated(dir) {
		move(members, here)
		_ = unix.Rmdir(aside)
	}
}

// move has processes go into a group, each by a write of its own.
func move(pids []int, procs string) {
	for _, pid := range pids {
		_ = os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0o600)
	}
}

// lineage is a process and all from which it comes, as far as they can be seen.
func lineage(pid int) (line []int) {
	for pid > 0 && !slices.Contains(line, pid) {
		line = append(line, pid)
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		_, after, found := strings.Cut(string(text), "\nPPid:")
		if err != nil || !found {
			break
		}
		pid, _ = strconv.Atoi(strings.TrimSpace(strings.SplitN(after, "\n", 2)[0]))
	}
	return line
}

// numbers reads a list of processes.
func numbers(file string) (pids []int, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, false
	}
	for word := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, false
		}
		pids = append(pids, pid)
	}
	return pids, true
}
