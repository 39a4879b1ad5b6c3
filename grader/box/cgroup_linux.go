package box

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
	"moulinette/grader/scenario"
)

// cgroupPrefix names our groups; a leftover of a killed run is known by it and
// by the pid of the agent that made it, and its PID namespace.
const cgroupPrefix = "moulinette-"

// cgroups is what the host lets us limit. Files are written directly: the
// kernel's interface is smaller than any library for it (cgroups(7)).
type cgroups struct {
	memoryDir string // parent of our groups in the hierarchy that has the controller; empty: no limit
	pidsDir   string
	unified   bool       // version 2: both are the same folder
	own       []*os.File // lists of threads of the groups that the agent itself is in
}

// findCgroups looks for hierarchies in which a group can be made and limited.
// Having none is no error: rlimits are set in any case.
func findCgroups(m Mode) *cgroups {
	c := &cgroups{}
	v1, v2 := cgroupMounts()
	own := ownCgroups()
	if v2 != "" {
		if dir := unifiedDir(m, v2, own[""]); delegated(dir) {
			return &cgroups{memoryDir: dir, pidsDir: dir, unified: true}
		}
	}
	c.memoryDir = usable(v1["memory"])
	c.pidsDir = usable(v1["pids"])
	for _, list := range different(threads(c.memoryDir, own["memory"]), threads(c.pidsDir, own["pids"])) {
		f, err := os.OpenFile(list, os.O_WRONLY, 0)
		if err != nil {
			return &cgroups{}
		}
		c.own = append(c.own, f)
	}
	sweep(c.memoryDir, sweepTimeout)
	sweep(c.pidsDir, sweepTimeout)
	return c
}

// Sweep removes the groups that agents which are dead by now have left, for whoever
// had to kill one. All together are given so long: what was in them dies with its agent,
// but not at once.
func Sweep(m Mode, timeout time.Duration) {
	c := findCgroups(m)
	closeAll(c.own)
	for _, dir := range different(c.memoryDir, c.pidsDir) {
		sweep(dir, timeout)
	}
}

// threads is the list of threads of a group of version 1.
func threads(dir, group string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, group, "tasks")
}

func (c *cgroups) memory() bool { return c.memoryDir != "" }
func (c *cgroups) pids() bool   { return c.pidsDir != "" }

// cgroupMounts finds where version 1 controllers and version 2 are mounted.
func cgroupMounts() (v1 map[string]string, v2 string) {
	v1 = map[string]string{}
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return v1, ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			v2 = fields[1]
		case "cgroup":
			for option := range strings.SplitSeq(fields[3], ",") {
				v1[option] = fields[1]
			}
		}
	}
	return v1, v2
}

// ownCgroups maps each version 1 controller, and "" for version 2, to the group
// that this process is in.
func ownCgroups() map[string]string {
	own := map[string]string{}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return own
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	return own
}

// delegated reports whether groups with memory and pids limits can be made in
// dir, a folder of cgroup version 2.
func delegated(dir string) bool {
	sweep(dir, sweepTimeout)
	if unix.Access(dir, unix.W_OK) != nil {
		return false
	}
	control := filepath.Join(dir, "cgroup.subtree_control")
	if err := os.WriteFile(control, []byte("+memory +pids"), 0); err != nil {
		return false
	}
	text, err := os.ReadFile(control)
	return err == nil && strings.Contains(string(text), "memory") && strings.Contains(string(text), "pids")
}

func usable(dir string) string {
	if dir == "" || unix.Access(dir, unix.W_OK) != nil {
		return ""
	}
	return dir
}

// sweep removes groups whose agent is dead: a grader that was killed leaves
// nothing but these empty folders. One with our own pid is of somebody dead, too: we
// sweep before we make any, and what is in use cannot be removed. Who lives in another
// PID namespace is not for us to say: those go when they are old.
func sweep(dir string, timeout time.Duration) {
	if dir == "" {
		return
	}
	groups, err := filepath.Glob(filepath.Join(dir, cgroupPrefix+"*"))
	if err != nil {
		return
	}
	deadline := time.Now().Add(timeout)
	for _, g := range groups {
		parts := strings.Split(strings.TrimPrefix(filepath.Base(g), cgroupPrefix), "-")
		n, err := strconv.Atoi(parts[0])
		switch {
		case err != nil:
		case parts[len(parts)-1] != pidSpace():
			if info, err := os.Stat(g); err == nil && time.Since(info.ModTime()) > old {
				_ = unix.Rmdir(g)
			}
		case n == os.Getpid() || errors.Is(unix.Kill(n, 0), unix.ESRCH):
			_ = removeGroup(g, time.Until(deadline))
		}
	}
}

const old = time.Hour

// pidSpace tells our own PID namespace from others: pids mean something in one only.
var pidSpace = sync.OnceValue(func() string {
	text, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "0"
	}
	return strings.Trim(text, "pid:[]")
})

// group is the cgroup of one box, in one or two hierarchies.
type group struct {
	memoryDir, pidsDir string
	unified            bool
	entry              []*os.File // open until init was started: lists of threads, or the folder
	own                []*os.File
}

// make makes the n-th group. It has no limits yet.
func (c *cgroups) make(n int) (*group, error) {
	name := fmt.Sprintf("%s%d-%d-%s", cgroupPrefix, os.Getpid(), n, pidSpace())
	g := &group{unified: c.unified, own: c.own}
	if c.memory() {
		g.memoryDir = filepath.Join(c.memoryDir, name)
	}
	if c.pids() {
		g.pidsDir = filepath.Join(c.pidsDir, name)
	}
	for _, dir := range g.dirs() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return g, err
		}
		entry, flags := threads(dir, ""), os.O_WRONLY
		if g.unified {
			entry, flags = dir, os.O_RDONLY
		}
		f, err := os.OpenFile(entry, flags, 0)
		if err != nil {
			return g, err
		}
		g.entry = append(g.entry, f)
	}
	return g, nil
}

// limit sets what all processes of the group may use together.
func (g *group) limit(l scenario.Limits) error {
	memory := "memory.limit_in_bytes"
	if g.unified {
		memory = "memory.max"
		// What does not fit is not swapped out for as long as there is swap. A kernel
		// without it has no such file.
		_ = setLimit(g.memoryDir, "memory.swap.max", 0)
	}
	if err := setLimit(g.memoryDir, memory, l.MemoryMiB<<20); err != nil {
		return err
	}
	return setLimit(g.pidsDir, "pids.max", l.Processes)
}

// start has a puppet clone a child in the group; the puppet has the group's files
// from fdGroups on. To move the child there afterwards would be to stop every
// fork of the machine for an RCU grace period, some 10 ms. The puppet goes into
// groups of version 1 itself, which it may without that (cgroups(7), tasks), and
// comes back; version 2 has CLONE_INTO_CGROUP (clone(2), Linux 5.7).
func (g *group) start(p *puppet.Program, flags int, child func()) puppet.Step {
	if g.unified {
		signal := flags & 0xff // CSIGNAL
		arguments := p.Words(flags&^signal|unix.CLONE_INTO_CGROUP, 0, 0, 0, signal, 0, 0, 0, 0, 0, fdGroups)
		return p.Call("clone", unix.SYS_CLONE3, arguments, cloneArgsSize).Fork(puppet.Control, child)
	}
	for i := range g.entry {
		p.Call("go into the cgroup", unix.SYS_WRITE, fdGroups+i, "0", 1)
	}
	clone := p.Call("clone", unix.SYS_CLONE, flags, 0, 0, 0, 0).Fork(puppet.Control, child)
	leave(p, len(g.own), fdGroups+len(g.entry))
	return clone
}

// cloneArgsSize is what Linux 5.7 knows of struct clone_args.
const cloneArgsSize = 88

// leave has a puppet that has lists of threads from fd on go into their groups.
func leave(p *puppet.Program, lists, fd int) {
	for i := range lists {
		p.Call("leave the cgroup", unix.SYS_WRITE, fd+i, "0", 1)
	}
}

// entered lets go of what only start needs.
func (g *group) entered() { closeAll(g.entry); g.entry = nil }

// files are what a puppet needs to start a child in the group.
func (g *group) files() []*os.File { return append(slices.Clone(g.entry), g.own...) }

func setLimit(dir, file string, value int) error {
	if dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(value)), 0)
}

func (g *group) dirs() []string { return different(g.memoryDir, g.pidsDir) }

// different lists two folders, each once, as far as there are any.
func different(memory, pids string) (dirs []string) {
	if memory != "" {
		dirs = append(dirs, memory)
	}
	if pids != "" && pids != memory {
		dirs = append(dirs, pids)
	}
	return dirs
}

// exhausted says which limit was hit.
func (g *group) exhausted() string {
	if g == nil {
		return ""
	}
	oom, key := "memory.oom_control", "oom_kill"
	if g.unified {
		oom = "memory.events"
	}
	if g.memoryDir != "" && counter(filepath.Join(g.memoryDir, oom), key) > 0 {
		return "memory"
	}
	if g.pidsDir != "" && counter(filepath.Join(g.pidsDir, "pids.events"), "max") > 0 {
		return "processes"
	}
	return ""
}

// counter reads the number behind key in a file of "key number" lines.
func counter(file, key string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == key {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}

// remove deletes the groups. A group stays busy for a moment after its last
// process has been reaped.
func (g *group) remove() error {
	if g == nil {
		return nil
	}
	for _, dir := range g.dirs() {
		if err := removeGroup(dir, openTimeout); err != nil {
			return err
		}
	}
	return nil
}

// sweepTimeout is for groups whose processes are dead already.
const sweepTimeout = 250 * time.Millisecond

func removeGroup(dir string, timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); ; {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("cgroup: rmdir %s: %w", dir, err)
		}
		removeBelow(dir)
		<-time.After(time.Millisecond)
	}
}

// removeBelow removes the groups that a submission made in its own, where that is
// its user's: the innermost first.
func removeBelow(dir string) {
	var below []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != dir {
			below = append(below, path)
		}
		return nil
	})
	for _, path := range slices.Backward(below) {
		_ = unix.Rmdir(path)
	}
}
