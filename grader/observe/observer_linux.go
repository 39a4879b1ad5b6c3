package observe

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

var errNoProc = errors.New("no process to be seen in /proc")

// Observer looks at one box. All pids are those of the agent's own pid
// namespace. Its methods may be called from several goroutines at once.
type Observer struct {
	// Bystander is the pid of the driver's prepared child, 0 if there is none.
	// It is set before the first look.
	Bystander int

	root       int   // the agent's /proc
	init       *proc // held from New on, so that a recycled pid is nobody
	driver     *proc
	boxPIDs    pidSpace
	driverPIDs pidSpace
	boxProc    int // a /proc of the box's pid namespace, -1 if there is none
	keptRoot   int // see [Observer.KeepRoot]; -1 if there is none
	keptMounts int
	agentUser  int // inode of the agent's own user namespace
	driverUser int
	uids, gids idMap // of the driver's user namespace, as the agent sees them
	filters    int   // seccomp filters that the sandbox itself has put on the driver
	mounts     map[mountKey]bool
	home       map[string]string // the driver's namespaces, by kind
	visitor    *visitor
}

// New takes hold of a box by its init and its driver. How the driver stands at
// this moment is what later looks are compared with: its pid and user
// namespace, its seccomp filters, its mounts.
func New(initPID, driverPID int) (*Observer, error) {
	o := &Observer{root: -1, boxProc: -1, keptRoot: -1, keptMounts: -1}
	if err := o.hold(initPID, driverPID); err != nil {
		o.Close()
		return nil, fmt.Errorf("observe: %w", err)
	}
	if err := o.baseline(); err != nil {
		o.Close()
		return nil, fmt.Errorf("observe: driver: %w", err)
	}
	return o, nil
}

func (o *Observer) hold(initPID, driverPID int) (err error) {
	if o.visitor, err = theVisitor(); err != nil {
		return err
	}
	if o.root, err = openAt(unix.AT_FDCWD, "/proc", unix.O_PATH|unix.O_DIRECTORY); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if o.init, err = openProc(o.root, initPID); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if o.boxPIDs, err = pidSpaceOf(o.init); err != nil {
		return fmt.Errorf("init: pid namespace: %w", err)
	}
	o.boxProc = o.boxPIDs.listing()
	if o.driver, err = openProc(o.root, driverPID); err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	if o.driverPIDs, err = pidSpaceOf(o.driver); err != nil {
		return fmt.Errorf("driver: pid namespace: %w", err)
	}
	return nil
}

func (o *Observer) baseline() error {
	self := &proc{dir: o.root}
	o.agentUser = number(between(self.link("self/ns/user"), ":[", "]"))
	o.driverUser = o.driver.ns("user")
	o.uids = parseIDMap(o.driver.read("uid_map", 64<<10))
	o.gids = parseIDMap(o.driver.read("gid_map", 64<<10))
	o.stand()
	o.mounts = map[mountKey]bool{}
	for _, m := range parseMounts(o.driver.mountinfo()) {
		o.mounts[keyOf(m)] = true
	}
	st, err := o.driver.status()
	o.filters = st.filterCount()
	if r := o.driver.refused; r != nil { // our own launcher still, whatever it will become
		return &BlindError{o.driver.pid, r.name, r.err}
	}
	return err
}

// Close lets go of the box.
func (o *Observer) Close() {
	o.forgetRoot()
	for _, p := range []*proc{o.init, o.driver} {
		if p != nil {
			p.close()
		}
	}
	for _, s := range []pidSpace{o.boxPIDs, o.driverPIDs} {
		if s.fd > 0 {
			unix.Close(s.fd)
		}
	}
	for _, fd := range []int{o.root, o.boxProc} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// Snapshot looks at the whole box, and at the paths in watch as the driver
// would find them, or as it would have: see [Observer.KeepRoot]. A driver that is
// gone leaves a Driver with pid 0; an init that is gone means that there is no box,
// and is an error.
func (o *Observer) Snapshot(watch []string) (evidence.Snapshot, error) {
	members, err := o.Members()
	if err != nil {
		return evidence.Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	l := o.look(members)
	defer l.close()
	s := evidence.Snapshot{}
	if s.Peer, err = l.process(o.init, whole); err != nil {
		return s, fmt.Errorf("snapshot: init: %w", err)
	}
	if driver, err := l.process(o.driver, whole); err == nil {
		s.Driver = driver
		s.Astray = o.Astray()
	} else if isBlind(err) {
		return s, fmt.Errorf("snapshot: driver: %w", err)
	}
	if s.Processes, err = l.others(); err != nil {
		return s, fmt.Errorf("snapshot: %w", err)
	}
	s.Zombies, s.Bystander = o.unreaped()
	s.Pins = l.pins(s.Driver.Mounts)
	s.Files = o.filesOf(o.driver, watch)
	return s, nil
}

// Process looks at one process in full. It is an error if the process is gone
// before it has been seen; one that has died but is not reaped yet is seen as a
// zombie, with what the kernel still tells of it.
func (o *Observer) Process(pid int) (evidence.Process, error) {
	p, err := openProc(o.root, pid)
	if err != nil {
		return evidence.Process{}, err
	}
	defer p.close()
	l := o.look(nil)
	defer l.close()
	return l.process(p, whole)
}
