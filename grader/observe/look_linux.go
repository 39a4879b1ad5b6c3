package observe

import (
	"cmp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// look is one look at the box: what several processes share is read once. It
// holds each network namespace it has visited, so that no inode means two of them.
type look struct {
	o       *Observer
	members []int // nil: not listed yet
	parents map[int]parent
	caps    capSets
	nets    map[int]*netView // by inode
	order   []*netView
	dead    time.Time // when nobody who is dying is waited for any more; none: nobody was yet
}

type parent struct{ pidNS, self int }

// detail is how much of a process is read.
type detail bool

const (
	light detail = false // no mounts, links, routes and descriptors
	whole detail = true
)

func (o *Observer) look(members []int) *look {
	return &look{
		o: o, members: members, parents: map[int]parent{}, caps: capSets{},
		nets: map[int]*netView{},
	}
}

func (l *look) close() {
	for _, v := range l.order {
		unix.Close(v.fd)
	}
}

// others are the members but for the box's init and the driver.
func (l *look) others() ([]evidence.Process, error) {
	all := []evidence.Process{}
	for _, pid := range l.members {
		if pid == l.o.init.pid || pid == l.o.driver.pid {
			continue
		}
		p, err := openProc(l.o.root, pid)
		if err != nil {
			continue
		}
		// Asked again now that the process is held: its pid may be another's.
		if l.o.boxPIDs.holds(l.o.root, pid) {
			seen, err := l.process(p, light)
			if err == nil {
				all = append(all, seen)
			} else if isBlind(err) {
				p.close()
				return nil, err
			}
		}
		p.close()
	}
	return all, nil
}

// process describes one process, by a thread that lives if there is one.
func (l *look) process(p *proc, much detail) (evidence.Process, error) {
	e, st, err := l.task(p, much)
	if err != nil || !st.headless() {
		return e, err
	}
	thread, err := p.livingThread()
	if err != nil {
		return e, nil //nolint:nilerr // the last one has ended meanwhile: a zombie after all
	}
	defer thread.close()
	living, _, err := l.task(thread, much)
	if isBlind(err) {
		return e, err
	}
	if err != nil {
		return e, nil //nolint:nilerr // likewise
	}
	living.NSpid, living.InsidePPID, living.DriverPID = e.NSpid, e.InsidePPID, e.DriverPID
	return living, nil
}

// task reads the status last: if it says alive, all that was read before it was
// read from the living.
func (l *look) task(p *proc, much detail) (evidence.Process, status, error) {
	p = p.afresh()
	e := evidence.Process{
		PID:       p.pid,
		NS:        namespaces(p),
		Argv:      arguments(p.read("cmdline", maxArgBytes)),
		Setgroups: strings.TrimSpace(string(p.read("setgroups", 64))),
		Root:      p.link("root"),
		Cwd:       p.link("cwd"),
		Hostname:  l.hostname(p),
	}
	if much == whole {
		e.Mounts = l.mounts(p)
		e.FDs = descriptors(p)
		e.Links, e.Routes = l.network(p, e.NS.Net)
	}
	uids := parseIDMap(p.read("uid_map", 64<<10))
	gids := parseIDMap(p.read("gid_map", 64<<10))
	st, err := p.settled(l.patience)
	if err = cmp.Or(l.o.blind(p, err == nil && st.memory), err); err != nil {
		return evidence.Process{}, st, err
	}
	l.fill(&e, st)
	l.identity(&e, st, uids, gids)
	e.UIDMap, e.GIDMap = l.maps(p, e.NS.User, uids, gids)
	return e, st, nil
}

// patience is until when the dying are waited for. Who is being waited for by somebody
// that never reaps may be dying for good.
func (l *look) patience() time.Time {
	if l.dead.IsZero() {
		l.dead = time.Now().Add(dying)
	}
	return l.dead
}

const dying = 300 * time.Millisecond

func (l *look) fill(e *evidence.Process, st status) {
	l.parents[e.PID] = parent{pidNS: e.NS.PID, self: st.self()}
	e.NSpid = st.nspid
	e.Depth = len(st.nspid) - l.o.driverPIDs.depth
	e.DriverPID = l.o.driverView(e.PID, st)
	e.PPID = st.ppid
	e.InsidePPID = l.insidePPID(e.NS.PID, st.ppid)
	e.Comm = st.name
	e.State = st.state
	e.Caps = l.caps.of(st)
	e.NoNewPrivs = st.noNewPri
	e.Seccomp = max(0, st.filterCount()-l.o.filters)
	e.Tracer = st.tracer
	e.Threads = st.threads
	e.DataKiB = st.dataKiB
}

// insidePPID is what getppid(2) answers in the pid namespace pidNS: a parent
// is either in the same one, or out of sight.
func (l *look) insidePPID(pidNS, ppid int) int {
	if ppid == 0 || pidNS == 0 {
		return 0
	}
	known, ok := l.parents[ppid]
	if !ok {
		known = l.o.parent(ppid)
		l.parents[ppid] = known
	}
	if known.pidNS != pidNS {
		return 0
	}
	return known.self
}

func (o *Observer) parent(pid int) parent {
	p, err := openProc(o.root, pid)
	if err != nil {
		return parent{}
	}
	defer p.close()
	st, _ := p.status()
	return parent{pidNS: p.ns("pid"), self: st.self()}
}

// identity translates the ids from the reader's view into the
// process's own.
func (l *look) identity(e *evidence.Process, st status, uids, gids idMap) {
	e.RealUID, e.UID, e.GID = st.ruid, st.uid, st.gid
	if e.NS.User != l.o.agentUser {
		e.RealUID, e.UID, e.GID = uids.seenAs(st.ruid), uids.seenAs(st.uid), gids.seenAs(st.gid)
	}
}

// maps counts the outside ids in the driver's user namespace if the process's
// lies below it. The kernel shows them in the reader's, which is the driver's
// own where the box has no user namespace.
func (l *look) maps(p *proc, user int, uids, gids idMap) (u, g []evidence.IDMap) {
	o := l.o
	if user == o.driverUser || o.driverUser == o.agentUser {
		return uids, gids
	}
	fd, err := p.open("ns/user", unix.O_RDONLY)
	if err != nil {
		return uids, gids
	}
	defer unix.Close(fd)
	if !descends(fd, o.driverUser) {
		return uids, gids
	}
	return uids.through(o.uids), gids.through(o.gids)
}

// mounts marks those that the sandbox made.
func (l *look) mounts(p *proc) []evidence.Mount {
	mounts := parseMounts(p.mountinfo())
	for i := range mounts {
		mounts[i].Sandbox = l.o.mounts[keyOf(mounts[i])]
	}
	return mounts
}

// hostname is empty if the namespace cannot be visited.
func (l *look) hostname(p *proc) string {
	fd, err := p.open("ns/uts", unix.O_RDONLY)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	return l.o.visitor.hostname(fd)
}
