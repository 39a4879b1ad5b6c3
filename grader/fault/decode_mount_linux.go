package fault

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"moulinette/grader/fault/caller"

	"golang.org/x/sys/unix"
)

// mount is what mount(2) was asked.
type mount struct {
	source, target, fsType, data string
	flags                        uint64
}

// propagationFlags are tried by the kernel after remount and bind.
const propagationFlags = unix.MS_SHARED | unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_UNBINDABLE

// fresh tells whether a new file system is asked for, not a change of a mount.
func (m *mount) fresh() bool {
	return m.flags&(unix.MS_REMOUNT|unix.MS_BIND|unix.MS_MOVE|propagationFlags) == 0
}

func decodeMount(c *call) {
	m := &mount{source: c.str(0), target: c.str(1), flags: c.args[3] & 0xffffffff}
	if m.flags&0xffff0000 == unix.MS_MGC_VAL { // an old habit that means nothing
		m.flags &^= 0xffff0000
	}
	c.mount = m
	c.at(unix.AT_FDCWD, m.target)
	c.does("mount")
	switch {
	case m.fresh():
		m.fsType = c.str(2)
		m.data, _ = c.Text(c.args[4], caller.PathRoom)
		if m.fsType == "proc" {
			c.does("mount_proc")
		}
	case m.flags&unix.MS_REMOUNT != 0:
	case m.flags&unix.MS_BIND != 0:
		c.does("mount_bind")
	case m.flags&propagationFlags != 0:
		c.does("propagation")
	}
	args := []string{c.quoted(0), c.quoted(1), c.quoted(2), flags(m.flags, mountFlags)}
	if m.data != "" {
		args = append(args, quote(m.data))
	}
	c.say(args...)
}

func decodeUmount(c *call) {
	c.does("umount")
	c.at(unix.AT_FDCWD, c.str(0))
	c.say(c.quoted(0), flags(c.args[1]&0xffffffff, umountFlags))
}

func decodePivotRoot(c *call) {
	c.does("pivot_root")
	c.at(unix.AT_FDCWD, c.str(0))
	c.say(c.quoted(0), c.quoted(1))
}

func decodeOpenTree(c *call) {
	if c.args[2]&unix.OPEN_TREE_CLONE != 0 {
		c.does("mount", "mount_bind")
	}
	c.at(int32(c.args[0]), c.str(1))
	c.say(quote(c.target), flags(c.args[2]&0xffffffff, openTreeFlags))
}

func decodeMoveMount(c *call) {
	const setGroup = 0x100 // MOVE_MOUNT_SET_GROUP
	c.does("mount")
	if c.args[4]&setGroup != 0 {
		c.does("propagation")
	}
	c.at(int32(c.args[2]), c.str(3))
	c.say(quote(c.Absolute(int32(c.args[0]), c.str(1))), quote(c.target))
}

func decodeFsopen(c *call) {
	if c.str(0) == "proc" {
		c.does("mount_proc")
	}
	c.say(c.quoted(0))
}

func decodeFsmount(c *call) { c.does("mount") }

func decodeMountSetattr(c *call) {
	var attr [24]byte // set, clear, propagation
	c.does("mount")
	c.at(int32(c.args[0]), c.str(1))
	if c.Read(c.args[3], attr[:]) < len(attr) {
		c.say(quote(c.target), "?")
		return
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(attr[8*i:]) }
	if field(2) != 0 {
		c.does("propagation")
	}
	c.say(quote(c.target), fmt.Sprintf("set=%#x", field(0)), fmt.Sprintf("clear=%#x", field(1)), flags(field(2), mountFlags))
}

func decodeChroot(c *call) {
	c.at(unix.AT_FDCWD, c.str(0))
	c.say(c.quoted(0))
}

// node is what mknod was asked.
type node struct {
	dirfd int32
	path  string
	mode  uint32
	dev   uint64
}

func decodeMknod(c *call)   { c.decodeNode(unix.AT_FDCWD, 0) }
func decodeMknodat(c *call) { c.decodeNode(int32(c.args[0]), 1) }

// decodeNode reads a path, argument number arg, the mode and the device. What
// is no device is not shown: it needs no privilege and has no effect.
func (c *call) decodeNode(dirfd int32, arg int) {
	n := &node{dirfd: dirfd, path: c.str(arg), mode: uint32(c.args[arg+1]), dev: uint64(uint32(c.args[arg+2]))}
	kind := map[uint32]string{unix.S_IFCHR: "c", unix.S_IFBLK: "b"}[n.mode&unix.S_IFMT]
	if kind == "" {
		c.dull = true
		return
	}
	c.node = n
	c.does("mknod")
	c.at(dirfd, n.path)
	c.say(quote(c.target), fmt.Sprintf("%s %s", kind, n.number()), "0"+strconv.FormatUint(uint64(n.mode&0o7777), 8))
}

func (n *node) number() string { return fmt.Sprintf("%d:%d", unix.Major(n.dev), unix.Minor(n.dev)) }
