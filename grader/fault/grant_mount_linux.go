package fault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"moulinette/grader/fault/caller"

	"golang.org/x/sys/unix"
)

// mountProc mounts a proc of the caller's PID namespace where the kernel would
// refuse it: in a user namespace it asks for another proc that can be seen, and
// there is none once the old root is detached. The check is about the mount
// namespace of whoever makes the mount, which here is the supervisor.
func (s *Supervisor) mountProc(c *call) outcome {
	st, err := c.Status()
	if err != nil || !st.Can(unix.CAP_SYS_ADMIN) || !s.ruledByBox(c, "mnt") || !s.ruledByBox(c, "pid") || seesProc(c.Thread) {
		return outcome{}
	}
	target, err := c.Open(unix.AT_FDCWD, c.mount.target)
	if err != nil {
		return outcome{err: err}
	}
	defer unix.Close(target)
	if !c.wellPut() || !s.waiting(c) {
		return outcome{}
	}
	refused := c.withheld("mount proc")
	if !s.opt.Grant {
		if root, err := os.Readlink(c.Proc("root")); err != nil || root != "/" {
			return outcome{} // a proc outside a chroot counts, and is not seen from here
		}
		return refused
	}
	mnt, err := s.build(c, c.newProc, func(fs int) error { _, err := c.options(fs); return err })
	if err != nil {
		refused.err = err
		return refused
	}
	defer unix.Close(mnt)
	err = attach(c.Thread, mnt, target)
	return outcome{made: err == nil, err: err}
}

// mountTmpfs makes the tmpfs of a container's devices. One that the caller made
// would belong to its user namespace, and no device can be opened on such.
func (s *Supervisor) mountTmpfs(c *call) outcome {
	st, err := c.Status()
	if err != nil || !st.Can(unix.CAP_SYS_ADMIN) || c.SameUserns() || caller.Owner(c.Proc("ns/mnt")) != caller.Inode(c.Proc("ns/user")) {
		return outcome{}
	}
	target, err := c.Open(unix.AT_FDCWD, c.mount.target)
	if err != nil {
		return outcome{err: err}
	}
	defer unix.Close(target)
	mnt, err := s.build(c, c.newFS, func(fs int) error { return c.ofCaller(fs, st) })
	if err != nil || !s.waiting(c) {
		return outcome{err: err}
	}
	defer unix.Close(mnt)
	var stat unix.Stat_t
	if unix.Fstat(mnt, &stat) != nil {
		return outcome{}
	}
	if err := attach(c.Thread, mnt, target); err != nil {
		return outcome{err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ours[stat.Dev] = true
	return outcome{made: true}
}

// mountDevtmpfs makes nothing: the machine's devices are for nobody in a box. But
// a real root would have got them where it could mount anything else.
func (s *Supervisor) mountDevtmpfs(c *call) outcome {
	st, err := c.Status()
	if err != nil || !st.Can(unix.CAP_SYS_ADMIN) || !s.ruledByBox(c, "mnt") {
		return outcome{}
	}
	target, err := c.Open(unix.AT_FDCWD, c.mount.target)
	if err != nil {
		return outcome{err: err}
	}
	unix.Close(target)
	return c.withheld("mount devtmpfs")
}

// remount changes a tmpfs that we made: it is not the caller's to change.
func (s *Supervisor) remount(c *call) outcome {
	m := c.mount
	st, err := c.Status()
	m.data, _ = c.Text(c.args[4], caller.PathRoom)
	if err != nil || !st.Can(unix.CAP_SYS_ADMIN) || c.SameUserns() || caller.Owner(c.Proc("ns/mnt")) != caller.Inode(c.Proc("ns/user")) {
		return outcome{}
	}
	target, err := c.Open(unix.AT_FDCWD, m.target)
	if err != nil {
		return outcome{err: err}
	}
	defer unix.Close(target)
	var stat unix.Stat_t
	if unix.Fstat(target, &stat) != nil || !s.isOurs(stat.Dev) || !s.waiting(c) {
		return outcome{}
	}
	err = c.InMounts(func() error {
		if err := unix.Fchdir(target); err != nil {
			return err
		}
		return unix.Mount("", ".", "", uintptr(m.flags), m.data)
	})
	return outcome{made: err == nil, err: err}
}

func (s *Supervisor) isOurs(dev uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ours[dev]
}

// ruledByBox tells whether a namespace of the caller belongs to the box's own
// user namespace, in which the caller is: with a user namespace of its own
// choice in between, a real root is refused as well.
func (s *Supervisor) ruledByBox(c *call, ns string) bool {
	user := caller.Inode(c.Proc("ns/user"))
	if s.opt.BoxInit != 0 && user != caller.Inode(caller.Thread(s.opt.BoxInit).Proc("ns/user")) {
		return false
	}
	return user != 0 && !c.SameUserns() && caller.Owner(c.Proc("ns/"+ns)) == user
}

// seesProc tells whether a whole proc is mounted in the caller's sight. Of a hundred
// thousand mounts the kernel tells for minutes, in gigabytes: nobody needs as many.
func seesProc(c caller.Thread) bool {
	const most = 256 << 10
	f, err := os.Open(c.Proc("mountinfo"))
	if err != nil {
		return true // in doubt, the kernel decides
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || len(text) == most {
		return true // likewise
	}
	for line := range strings.Lines(string(text)) {
		mount, fs, _ := strings.Cut(line, " - ")
		f := strings.Fields(mount)
		if strings.HasPrefix(fs, "proc ") && len(f) > 3 && f[3] == "/" {
			return true
		}
	}
	return false
}

// build makes a file system and a mount of it that is attached nowhere.
func (s *Supervisor) build(c *call, open func() (fs int, err error), configure func(fs int) error) (mnt int, err error) {
	fs, err := open()
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fs)
	if c.mount.source != "" {
		_ = unix.FsconfigSetString(fs, "source", c.mount.source)
	}
	for flag, name := range map[uint64]string{
		unix.MS_RDONLY: "ro", unix.MS_SYNCHRONOUS: "sync", unix.MS_DIRSYNC: "dirsync", unix.MS_LAZYTIME: "lazytime",
	} {
		if c.mount.flags&flag != 0 {
			_ = unix.FsconfigSetFlag(fs, name)
		}
	}
	if err := configure(fs); err != nil {
		return -1, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("fsconfig: %w", err)
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes(c.mount.flags))
}

// wellPut tells whether the options may be right: wrong ones anybody is refused.
func (c *call) wellPut() bool {
	fs, err := c.newFS()
	if err != nil {
		return true
	}
	defer unix.Close(fs)
	_, err = c.options(fs)
	return !errors.Is(err, unix.EINVAL)
}

func (c *call) newFS() (fs int, err error) { return unix.Fsopen(c.mount.fsType, unix.FSOPEN_CLOEXEC) }

// newProc opens a proc of the caller's PID namespace: it shows that of whoever opens
// it (proc_init_fs_context in fs/proc/root.c). The option for another one, pidns, is
// there since Linux 6.17.
func (c *call) newProc() (fs int, err error) {
	err = c.InPIDs(func() (err error) {
		fs, err = caller.OpenInChild(c.mount.fsType)
		return err
	})
	return fs, err
}

// ofCaller makes its root the caller's, which a tmpfs's maker is by default.
func (c *call) ofCaller(fs int, st caller.Status) error {
	given, err := c.options(fs)
	for key, id := range map[string]int{"uid": st.UID, "gid": st.GID} {
		if err == nil && !given[key] {
			err = unix.FsconfigSetString(fs, key, strconv.Itoa(id))
		}
	}
	return err
}

// options hands on what the caller wrote in mount's data. Ids in it are the
// caller's.
func (c *call) options(fs int) (given map[string]bool, err error) {
	given = map[string]bool{}
	for opt := range strings.SplitSeq(c.mount.data, ",") {
		key, value, hasValue := strings.Cut(opt, "=")
		given[key] = true
		switch {
		case opt == "":
		case key == "pidns" || key == "source":
			err = unix.EINVAL
		case key == "uid" || key == "gid":
			id, ok := c.IDMap(key + "_map").Outside(value)
			if !ok {
				return given, unix.EINVAL
			}
			err = unix.FsconfigSetString(fs, key, id)
		case hasValue:
			err = unix.FsconfigSetString(fs, key, value)
		default:
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return given, err
		}
	}
	return given, nil
}

// attributes are a mount's own flags as fsmount takes them.
func attributes(flags uint64) (attr int) {
	for flag, a := range map[uint64]int{
		unix.MS_RDONLY: unix.MOUNT_ATTR_RDONLY, unix.MS_NOSUID: unix.MOUNT_ATTR_NOSUID, unix.MS_NODEV: unix.MOUNT_ATTR_NODEV,
		unix.MS_NOEXEC: unix.MOUNT_ATTR_NOEXEC, unix.MS_NODIRATIME: unix.MOUNT_ATTR_NODIRATIME,
	} {
		if flags&flag != 0 {
			attr |= a
		}
	}
	switch {
	case flags&unix.MS_STRICTATIME != 0:
		attr |= unix.MOUNT_ATTR_STRICTATIME
	case flags&unix.MS_NOATIME != 0:
		attr |= unix.MOUNT_ATTR_NOATIME
	}
	return attr
}

// attach mounts it for the caller, in the caller's mount namespace.
func attach(c caller.Thread, mnt, target int) error {
	return c.InMounts(func() error {
		return unix.MoveMount(mnt, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	})
}
