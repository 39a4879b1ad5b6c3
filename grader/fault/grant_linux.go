package fault

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/fault/caller"
)

// outcome is what came of a call that the box's user namespace may refuse.
type outcome struct {
	made    bool     // by us, and well
	refusal *refusal // what the caller would have got without our user namespace
	err     error    // why we did not make it
}

// deed is a closer look at a call, and what follows from it.
type deed func(*call) outcome

// deed is what is to be done about the call, nil for letting it go on.
func (s *Supervisor) deed(c *call) deed {
	looks := s.opt.Grant || s.opt.Withhold
	m := c.mount
	switch {
	case c.node != nil && looks && c.node.harmless():
		return s.makeNode
	case m == nil:
		return nil
	case m.fresh() && m.fsType == "proc" && looks:
		return s.mountProc
	case m.fresh() && m.fsType == "tmpfs" && s.opt.Grant && path.Base(c.target) == "dev":
		return s.mountTmpfs
	case m.fresh() && m.fsType == "devtmpfs" && looks:
		return s.mountDevtmpfs
	case m.flags&(unix.MS_REMOUNT|unix.MS_BIND) == unix.MS_REMOUNT && len(s.ours) > 0:
		return s.remount
	}
	return nil
}

// settle makes the call in its caller's stead, if the kernel would refuse it
// for no reason but our user namespace. In all other cases, and in doubt, the
// caller makes it and has the kernel's own answer.
func (s *Supervisor) settle(c *call, event *evidence.Event, do deed) {
	o := do(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(o.err, unix.EMFILE) || errors.Is(o.err, unix.ENFILE) { // our own want: the caller would be refused for it
		s.result.Err = errors.Join(s.result.Err, fmt.Errorf("%s in the caller's stead: %w", c.name, o.err))
	}
	switch {
	case o.made:
		noteAlso(event, "granted")
		if s.interrupted(c, s.listener.fail(c.id, 0)) {
			s.made[c.tid] = c.identity()
		}
		return
	case o.refusal != nil:
		noteAlso(event, "withheld")
		s.refuse(o.refusal)
	}
	s.goOn(c)
}

// waiting tells whether the caller still waits, so that what was opened of it
// was its own.
func (s *Supervisor) waiting(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.valid(c.id)
}

// harmless devices are the six that a container is given.
func (n *node) harmless() bool {
	if n.mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	switch n.number() {
	case "1:3", "1:5", "1:7", "1:8", "1:9", "5:0":
		return true
	}
	return false
}

// makeNode makes a device node where the caller could make any other file.
func (s *Supervisor) makeNode(c *call) outcome {
	st, err := c.Status()
	if err != nil || !st.Can(unix.CAP_MKNOD) || !st.Can(unix.CAP_DAC_OVERRIDE) || c.SameUserns() {
		return outcome{}
	}
	dir, base := path.Split(c.node.path)
	if base == "" || base == "." || base == ".." {
		return outcome{}
	}
	fd, err := c.Open(c.node.dirfd, dir)
	if err != nil {
		return outcome{err: err}
	}
	defer unix.Close(fd)
	if !mayCreate(c.Thread, fd, base) || !s.waiting(c) {
		return outcome{}
	}
	if !s.opt.Grant {
		return c.withheldNode(fd, base)
	}
	err = caller.OnThread(func() error { return c.node.make(fd, base, st) })
	if errors.Is(err, errNoDevices) {
		return c.withheldNode(fd, base)
	}
	return outcome{made: err == nil, err: err}
}

// mayCreate tells whether the kernel would get as far as the question of
// devices: a folder that the caller may write to, and no such name in it yet.
func mayCreate(c caller.Thread, dir int, base string) bool {
	var st unix.Stat_t
	if unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) != unix.ENOENT {
		return false
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(dir, &fs) != nil || fs.Flags&unix.ST_RDONLY != 0 {
		return false
	}
	if unix.Fstat(dir, &st) != nil {
		return false
	}
	return c.IDMap("uid_map").Holds(st.Uid) && c.IDMap("gid_map").Holds(st.Gid)
}

var errNoDevices = errors.New("on a file system made in the box's user namespace no device can be opened")

// make makes the node as the caller's own file. It spoils the thread.
func (n *node) make(dir int, base string, st caller.Status) error {
	if err := caller.ActAs(st); err != nil {
		return err
	}
	unix.Umask(int(st.Umask))
	if err := unix.Mknodat(dir, base, n.mode, int(n.dev)); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(dir, &fs) != nil || fs.Flags&unix.ST_NODEV != 0 {
		return nil // the caller wanted none here
	}
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		_ = unix.Unlinkat(dir, base, 0)
		return errNoDevices
	}
	if err == nil {
		unix.Close(fd)
	}
	return nil
}
