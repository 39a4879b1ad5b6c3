package fingerprint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// network is this namespace's links, addresses and routes, and named namespaces.
func network(Place) (map[string]string, error) {
	facts := map[string]string{}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		a := l.Attrs()
		facts["link "+a.Name] = fmt.Sprint(a.Index, l.Type(), a.MTU, a.Flags&0x1, a.HardwareAddr, a.MasterIndex, a.NetNsID)
		addresses, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return nil, err
		}
		for _, addr := range addresses {
			facts["address "+addr.String()] = a.Name
		}
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		facts["route "+r.String()] = "there"
	}
	pins, err := filepath.Glob("/run/netns/*")
	for _, pin := range pins {
		facts[pin] = "there"
	}
	return facts, err
}

// processes are those that must be as before: our ancestors and PID 1 live, whom
// the test named lives, and nobody descends from us who did not. Others come and
// go as they like; a descendant whose parent dies stays one, for whoever takes a
// fingerprint is a subreaper (see [Reaper]).
func processes(p Place) (map[string]string, error) {
	table, err := readProcesses()
	if err != nil {
		return nil, err
	}
	facts := map[string]string{}
	for pid := os.Getppid(); pid > 1; pid = table[pid].parent {
		facts[fmt.Sprintf("ancestor %d", pid)] = table[pid].started
	}
	facts["PID 1"] = table[1].started
	for _, pid := range p.Living {
		facts[fmt.Sprintf("living %d", pid)] = table[pid].started + " " + table[pid].state
	}
	for pid, of := range table {
		// A dead one waits for whoever is its parent now, as it would for PID 1.
		if !strings.Contains("ZX", of.state) && of.descendsFrom(os.Getpid(), table) {
			facts[fmt.Sprintf("descendant %d", pid)] = of.name
		}
	}
	return facts, nil
}

// process is what /proc/PID/stat says of one.
type process struct {
	name, state, started string
	parent               int
}

func (p process) descendsFrom(pid int, table map[int]process) bool {
	for range 64 {
		if p.parent == pid {
			return true
		}
		next, ok := table[p.parent]
		if !ok {
			return false
		}
		p = next
	}
	return false
}

func readProcesses() (map[int]process, error) {
	entries, err := os.ReadDir("/proc")
	table := map[int]process{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		open, shut := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[shut+1:]))
		parent, _ := strconv.Atoi(fields[1])
		state := "lives"
		if strings.Contains("TtZX", fields[0]) {
			state = fields[0]
		}
		table[pid] = process{string(text[open+1 : shut]), state, fields[19], parent}
	}
	return table, err
}

// Reaper makes this process the parent of all its descendants whose own parent
// dies, so that none of them is lost sight of.
func Reaper() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// cgroups are the groups and what each allows, as far as they are our business: those
// at the top of each hierarchy, those above the group that we are in, and all below it.
// In the others sessions and services of the machine come and go. Those of gradings are
// left out as well: on a busy machine there are others beside us. [Groups] tells of our own.
func cgroups(Place) (map[string]string, error) {
	facts := map[string]string{}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	ours := ownGroups(string(own))
	for _, tree := range hierarchies() {
		err = errors.Join(err, filepath.WalkDir(tree, func(path string, e os.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // it has just been removed
			case !e.IsDir():
				return nil
			case strings.HasPrefix(e.Name(), groupPrefix):
				return filepath.SkipDir
			case !concerns(strings.TrimPrefix(path, tree), ours):
				return filepath.SkipDir
			}
			facts[path] = limits(path)
			return nil
		}))
	}
	return facts, err
}

// hierarchies are the folders that a cgroup file system is mounted on.
func hierarchies() (trees []string) {
	for _, pattern := range []string{"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/*/cgroup.procs"} {
		found, _ := filepath.Glob(pattern)
		for _, file := range found {
			trees = append(trees, filepath.Dir(file))
		}
		if trees != nil {
			break // version 2 alone
		}
	}
	return trees
}

// ownGroups are the groups that we are in, but for those at the top, by
// /proc/self/cgroup (cgroups(7)).
func ownGroups(text string) (groups []string) {
	for line := range strings.Lines(text) {
		if _, group, _ := strings.Cut(strings.TrimSpace(line), ":/"); group != "" {
			groups = append(groups, "/"+group)
		}
	}
	return groups
}

// concerns tells whether a group, given by its path below the top, is at the top or
// next to it, above one of ours, one of ours, or below one.
func concerns(group string, ours []string) bool {
	if strings.Count(group, "/") <= 1 {
		return true
	}
	return slices.ContainsFunc(ours, func(own string) bool {
		return strings.HasPrefix(own+"/", group+"/") || strings.HasPrefix(group+"/", own+"/")
	})
}

const groupPrefix = "moulinette-"

// Groups lists the cgroups that these agents have left. One that lives is another
// grader's, which has a number of ours.
func Groups(agents map[int]bool) (left []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.IsDir() || !strings.HasPrefix(e.Name(), groupPrefix) {
			return nil // it has just been removed, or is not a grading's
		}
		pid, _, _ := strings.Cut(strings.TrimPrefix(e.Name(), groupPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && agents[n] && !lives(n) {
			left = append(left, path)
		}
		return nil
	})
	return left
}

func lives(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}

// limits are the settings of a group that a submission would like to change.
func limits(group string) string {
	var all []string
	for _, name := range []string{
		"memory.limit_in_bytes", "memory.max", "pids.max", "cpu.max", "cpu.cfs_quota_us", "notify_on_release", "release_agent",
		"devices.list", "freezer.state", "cgroup.freeze", "cgroup.subtree_control",
	} {
		if text, err := os.ReadFile(filepath.Join(group, name)); err == nil {
			all = append(all, name+"="+strings.TrimSpace(string(text)))
		}
	}
	return strings.Join(all, " ")
}

// ipc are System V objects, message queues, and named abstract sockets.
func ipc(Place) (map[string]string, error) {
	facts := map[string]string{}
	for _, kind := range []string{"shm", "sem", "msg"} {
		text, err := os.ReadFile("/proc/sysvipc/" + kind)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 2 && fields[0] != "key" {
				facts[kind+" "+fields[1]] = fields[0] + " " + fields[2]
			}
		}
	}
	queues, _ := filepath.Glob("/dev/mqueue/*")
	for _, q := range queues {
		facts["queue "+q] = "there"
	}
	return facts, abstractSockets(facts)
}

// firstBoxUID is where the ids begin that boxes have: theirs are nobody else's,
// and other gradings beside us use them.
const firstBoxUID = 1 << 30

// keys are the keys that each user of this machine has, and their quota.
func keys(Place) (map[string]string, error) {
	text, err := os.ReadFile("/proc/key-users")
	facts := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if uid, err := strconv.Atoi(strings.TrimSuffix(fields[0], ":")); err == nil && uid < firstBoxUID {
			facts[fmt.Sprintf("uid %d", uid)] = strings.Join(fields[2:], " ")
		}
	}
	return facts, err
}
