package observe

import (
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// agrees compares what is seen from outside with what the actor sees itself.
func agrees(t *testing.T, a *actor, p evidence.Process) {
	t.Helper()
	ids, hostname := a.self()
	equal(t, a.name+": pid", p.PID, a.pid)
	equal(t, a.name+": getpid", p.NSpid[len(p.NSpid)-1], ids[0])
	equal(t, a.name+": getppid", p.InsidePPID, ids[1])
	equal(t, a.name+": geteuid", p.UID, ids[2])
	equal(t, a.name+": getegid", p.GID, ids[3])
	equal(t, a.name+": hostname", p.Hostname, hostname)
}

func TestPIDs(t *testing.T) {
	b := newBox(t)
	first := b.driver.spawn("first", unix.CLONE_NEWPID|unix.CLONE_NEWUTS, "")
	first.do("sethostname", "seahaven")
	first.do("comm", "tru\nman\\x")
	second := first.spawn("second", 0, "")
	third := second.spawn("third", unix.CLONE_NEWPID, "")
	for _, want := range []struct {
		a                        *actor
		depth, driver, ppid, own int
	}{
		{b.init, 0, 1, os.Getpid(), 1},
		{b.driver, 0, b.driver.own, b.init.pid, b.driver.own},
		{first, 1, first.own, b.driver.pid, 1},
		{second, 1, 0, first.pid, second.own},
		{third, 2, 0, second.pid, 1},
	} {
		p := want.a.seen()
		agrees(t, want.a, p)
		equal(t, want.a.name+": depth", p.Depth, want.depth)
		equal(t, want.a.name+": ppid", p.PPID, want.ppid)
		equal(t, want.a.name+": last NSpid", p.NSpid[len(p.NSpid)-1], want.own)
		equal(t, want.a.name+": first NSpid", p.NSpid[0], want.a.pid)
		if want.driver == 0 {
			want.driver = p.NSpid[len(p.NSpid)-1-want.depth]
		}
		equal(t, want.a.name+": driver's pid", p.DriverPID, want.driver)
		host, ok := b.o.Host(want.driver)
		equal(t, want.a.name+": host", host, want.a.pid)
		equal(t, want.a.name+": host found", ok, true)
		equal(t, want.a.name+": state", p.State, "S")
		if got := p.Argv; !slices.Equal(got, []string{"/proc/self/exe", "-test.run=^$", want.a.name}) {
			t.Errorf("%s: argv: got %q", want.a.name, got)
		}
	}
	equal(t, "name", first.seen().Comm, "tru\nman\\x")
	equal(t, "hostname of the driver", b.driver.seen().Hostname, "box")
}

func TestHostRefuses(t *testing.T) {
	b := newBox(t)
	tids := numericNames(b.o.driver.list("task", 100))
	data, err := os.ReadFile("/proc/" + strconv.Itoa(tids[len(tids)-1]) + "/status")
	must(t, err)
	st := parseStatus(data)
	for _, pid := range []int{-1, 0, 1 << 22, st.self()} {
		if host, ok := b.o.Host(pid); ok {
			t.Errorf("pid %d: got host %d; want none", pid, host)
		}
	}
}

func TestNamespaces(t *testing.T) {
	b := newBox(t)
	c := b.driver.spawn("c", unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWCGROUP, "")
	for _, a := range []*actor{b.init, b.driver, c} {
		ns := a.seen().NS
		for name, got := range map[string]int{
			"pid": ns.PID, "pid_for_children": ns.PIDForChildren, "mnt": ns.Mnt, "net": ns.Net,
			"uts": ns.UTS, "ipc": ns.IPC, "user": ns.User, "cgroup": ns.Cgroup,
		} {
			want := number(between(a.do("readlink", "/proc/self/ns/"+name), ":[", "]"))
			equal(t, a.name+": "+name, got, want)
		}
	}
	d, i, n := b.driver.seen().NS, b.init.seen().NS, c.seen().NS
	if d.Mnt == i.Mnt || d.PID == n.PID || d.Net == n.Net || d.IPC == n.IPC || d.Cgroup == n.Cgroup || d.User != n.User {
		t.Errorf("namespaces: driver %+v, init %+v, child %+v", d, i, n)
	}
	b.driver.do("unshare", strconv.Itoa(unix.CLONE_NEWPID))
	equal(t, "pid_for_children before the first child", b.driver.seen().NS.PIDForChildren, 0)
}

// TestAstray counts threads that went elsewhere and stayed there; the main thread
// may go where it likes.
func TestAstray(t *testing.T) {
	b := newBox(t)
	equal(t, "at home", b.o.Astray(), 0)
	b.driver.do("stray", strconv.Itoa(unix.CLONE_NEWNET))
	b.driver.do("stray", strconv.Itoa(unix.CLONE_NEWUTS))
	equal(t, "two threads gone", b.o.Astray(), 2)
	b.driver.do("unshare", strconv.Itoa(unix.CLONE_NEWIPC))
	equal(t, "and the main thread", b.o.Astray(), 2)
}

// TestSwitches finds that a driver sleeps, as one does that waits for a word, and
// that it has been at work in between.
func TestSwitches(t *testing.T) {
	b := newBox(t)
	asleep := func() int {
		for last := -1; ; {
			now := b.o.Switches()
			if now > 0 && now == last {
				return now
			}
			last = now
		}
	}
	before := asleep()
	b.driver.do("unshare", strconv.Itoa(unix.CLONE_NEWIPC))
	if after := asleep(); after <= before {
		t.Errorf("%d switches, and %d after some work", before, after)
	}
}

// TestMaps checks that outside ids are the numbers that were written.
func TestMaps(t *testing.T) {
	b := newBox(t)
	line := evidence.IDMap{Inside: 5, Outside: 0, Count: 1}
	if ranged() {
		line = evidence.IDMap{Inside: 0, Outside: 1000, Count: 1}
	}
	text := strconv.Itoa(line.Inside) + " " + strconv.Itoa(line.Outside) + " 1"
	mapped := b.driver.spawn("mapped", unix.CLONE_NEWUSER, text)
	p := mapped.seen()
	agrees(t, mapped, p)
	equal(t, "uid", p.UID, line.Inside)
	if diff := cmp.Diff(p.UIDMap, []evidence.IDMap{line}); diff != "" {
		t.Errorf("uid map: got - want +\n%s", diff)
	}
	if diff := cmp.Diff(p.GIDMap, []evidence.IDMap{line}); diff != "" {
		t.Errorf("gid map: got - want +\n%s", diff)
	}
	equal(t, "setgroups", p.Setgroups, "deny")
	// Two levels down the ids are still counted in the driver's namespace.
	deeper := mapped.spawn("deeper", unix.CLONE_NEWUSER, "7 "+strconv.Itoa(line.Inside)+" 1")
	agrees(t, deeper, deeper.seen())
	if diff := cmp.Diff(deeper.seen().UIDMap, []evidence.IDMap{{Inside: 7, Outside: line.Outside, Count: 1}}); diff != "" {
		t.Errorf("deeper map: got - want +\n%s", diff)
	}
	own := boxIDs()
	if diff := cmp.Diff(b.driver.seen().UIDMap, []evidence.IDMap{{Inside: 0, Outside: own.HostID, Count: own.Size}}); diff != "" {
		t.Errorf("driver's map: got - want +\n%s", diff)
	}
}

func TestUnmapped(t *testing.T) {
	b := newBox(t)
	c := b.driver.spawn("c", unix.CLONE_NEWUSER, "")
	p := c.seen()
	agrees(t, c, p)
	equal(t, "uid", p.UID, overflowID)
	equal(t, "lines", len(p.UIDMap)+len(p.GIDMap), 0)
	equal(t, "effective capabilities", len(p.Caps.Effective), 0)
	b.driver.do("idmap", "setgroups", strconv.Itoa(c.own), "deny")
	b.driver.do("idmap", "uid_map", strconv.Itoa(c.own), "0 0 1")
	p = c.seen()
	agrees(t, c, p)
	equal(t, "setgroups", p.Setgroups, "deny")
	equal(t, "uid lines", len(p.UIDMap), 1)
	equal(t, "gid lines", len(p.GIDMap), 0)
}

// TestOtherUser is what an undumpable process looks like.
func TestOtherUser(t *testing.T) {
	if !ranged() {
		t.Skip("one id only")
	}
	b := newBox(t)
	c := b.driver.spawn("c", 0, "")
	c.do("setuid", "1234")
	p := c.seen()
	agrees(t, c, p)
	equal(t, "uid", p.UID, 1234)
	equal(t, "gid", p.GID, 1234)
	equal(t, "real uid", p.RealUID, 1234)
	equal(t, "capabilities", len(p.Caps.Effective), 0)
	equal(t, "root", p.Root, "/")
	equal(t, "lines", len(p.UIDMap), 1)
}

func TestPrivileges(t *testing.T) {
	b := newBox(t, []string{"seccomp"})
	c := b.driver.spawn("c", 0, "")
	p := c.seen()
	equal(t, "filters", p.Seccomp, 0)
	equal(t, "no_new_privs", p.NoNewPrivs, false)
	equal(t, "has SYS_ADMIN", slices.Contains(p.Caps.Effective, "SYS_ADMIN"), true)
	equal(t, "sorted", slices.IsSorted(p.Caps.Bounding), true)
	c.do("dropcap", strconv.Itoa(unix.CAP_SYS_TIME))
	c.do("nnp")
	c.do("seccomp")
	c.do("seccomp")
	p = c.seen()
	equal(t, "filters", p.Seccomp, 2)
	equal(t, "no_new_privs", p.NoNewPrivs, true)
	equal(t, "effective SYS_TIME", slices.Contains(p.Caps.Effective, "SYS_TIME"), false)
	equal(t, "permitted SYS_TIME", slices.Contains(p.Caps.Permitted, "SYS_TIME"), true)
	equal(t, "bounding SYS_TIME", slices.Contains(p.Caps.Bounding, "SYS_TIME"), false)
	equal(t, "init's filters", b.init.seen().Seccomp, 0)
}

// TestManyGroups: a line of them stands before the rest of a status.
func TestManyGroups(t *testing.T) {
	if !ranged() {
		t.Skip("one id only")
	}
	b := newBox(t, []string{"groups"})
	c := b.driver.spawn("c", 0, "")
	p := c.seen()
	agrees(t, c, p)
	equal(t, "has SYS_ADMIN", slices.Contains(p.Caps.Effective, "SYS_ADMIN"), true)
	equal(t, "alive", p.Threads > 0, true)
	_, err := b.o.Sample()
	must(t, err)
	equal(t, "awake", b.o.Switches() >= 0, true)
}

func TestMembers(t *testing.T) {
	b := newBox(t)
	c := b.driver.spawn("c", unix.CLONE_NEWPID|unix.CLONE_NEWUSER, "0 0 1")
	d := c.spawn("d", unix.CLONE_NEWPID, "")
	dead := c.corpse("dead")
	other := newBox(t) // whose processes are none of ours
	want := []int{b.init.pid, b.driver.pid, c.pid, d.pid, dead}
	slices.Sort(want)
	check := func() {
		got, err := b.o.Members()
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("members: got %v; want %v", got, want)
		}
		for _, a := range []*actor{c, b.driver} {
			equal(t, "driver's pid of "+a.name, a.seen().DriverPID, a.own)
			if host, ok := b.o.Host(a.own); !ok || host != a.pid {
				t.Errorf("host: got %d %v; want %d", host, ok, a.pid)
			}
		}
		equal(t, "driver's pid of a stranger", b.o.driverView(other.driver.pid, status{nspid: []int{1, 2}}), 0)
	}
	check()
	if b.o.boxProc >= 0 { // as before Linux 6.17
		must(t, unix.Close(b.o.boxProc))
		b.o.boxProc = -1
		check()
	}
	b.o.boxPIDs.direct, b.o.driverPIDs.direct = false, false // as before Linux 6.11
	check()
}

func TestSnapshotProcesses(t *testing.T) {
	b := newBox(t)
	c := b.driver.spawn("c", unix.CLONE_NEWPID, "")
	dead := c.corpse("dead")
	s := b.snapshot()
	equal(t, "driver", s.Driver.PID, b.driver.pid)
	equal(t, "peer", s.Peer.PID, b.init.pid)
	if s.Driver.Mounts == nil || s.Driver.FDs == nil || s.Driver.Links == nil {
		t.Error("driver was not seen whole")
	}
	equal(t, "others", len(s.Processes), 2)
	for _, p := range s.Processes {
		if p.Mounts != nil || p.FDs != nil || p.Links != nil || p.Routes != nil {
			t.Errorf("process %d is not light", p.PID)
		}
		if p.PID == dead {
			equal(t, "state", p.State, "Z")
			equal(t, "zombie's depth", p.Depth, 1)
			equal(t, "zombie's pid namespace", p.NS.PID, c.seen().NS.PID)
			equal(t, "zombie's parent", p.PPID, c.pid)
			equal(t, "zombie's parent inside", p.InsidePPID, 1)
		}
	}
}

func TestZombies(t *testing.T) {
	b := newBox(t)
	before, err := b.o.Sample()
	must(t, err)
	bystander := b.driver.corpse("bystander")
	b.driver.corpse("left")
	b.driver.spawn("alive", 0, "")
	b.o.Bystander = bystander
	s := b.snapshot()
	equal(t, "zombies", s.Zombies, 1)
	equal(t, "bystander", s.Bystander, true)
	b.driver.do("open", "/dev/null")
	b.driver.do("mount", "x", "/mnt", "tmpfs", "0")
	b.driver.do("reap", "bystander")
	after, err := b.o.Sample()
	must(t, err)
	equal(t, "zombies", after.Zombies, 1)
	equal(t, "mounts", after.Mounts-before.Mounts, 1)
	p := b.driver.seen()
	equal(t, "threads", after.Threads, p.Threads)
	equal(t, "descriptors", after.FDs, len(p.FDs))
	if after.FDs <= before.FDs || after.DataKiB < 1000 {
		t.Errorf("sample: got %+v after %+v", after, before)
	}
	s = b.snapshot()
	equal(t, "bystander reaped", s.Bystander, false)
	equal(t, "zombies", s.Zombies, 1)
}

func TestNobody(t *testing.T) {
	b := newBox(t)
	c := b.driver.spawn("c", 0, "")
	c.exit(0)
	b.driver.do("reap", "c")
	if _, err := b.o.Process(c.pid); err == nil {
		t.Error("a process that is gone: got no error")
	}
	if _, err := New(b.init.pid, c.pid); err == nil {
		t.Error("a driver that is gone: got no error")
	}
	if f := b.o.Files(c.pid, []string{"/"}); f["/"].Exists {
		t.Error("a path in a process that is gone: exists")
	}
	must(t, syscall.Kill(b.driver.pid, syscall.SIGKILL))
	b.init.do("zombie", "driver")
	equal(t, "killed driver", b.snapshot().Driver.State, "Z")
	b.init.do("reap", "driver")
	equal(t, "reaped driver", b.snapshot("/").Driver.PID, 0)
	if _, err := b.o.Sample(); err == nil {
		t.Error("a sample of nobody: got no error")
	}
	b.stop()
	if _, err := b.o.Snapshot(nil); err == nil {
		t.Error("a box that is gone: got no error")
	}
}
