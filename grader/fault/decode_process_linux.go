package fault

import (
	"encoding/binary"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// decodeFlags tells the effects of CLONE_NEW* flags.
func (c *call) decodeFlags(flags uint64) {
	for _, e := range []struct {
		bit    uint64
		effect string
	}{
		{unix.CLONE_NEWPID, "new_pid"},
		{unix.CLONE_NEWNET, "new_net"},
		{unix.CLONE_NEWNS, "new_mnt"},
		{unix.CLONE_NEWUSER, "new_user"},
		{unix.CLONE_NEWUTS, "new_uts"},
		{unix.CLONE_NEWIPC, "new_ipc"},
	} {
		if flags&e.bit != 0 {
			c.does(e.effect)
		}
	}
}

func (c *call) decodeNewProcess(flags uint64) {
	c.decodeFlags(flags)
	if flags&unix.CLONE_THREAD == 0 {
		c.does("fork")
	}
	c.dull = len(c.effects) == 0
	c.say(known(flags, namespaceFlags))
}

func decodeClone(c *call) { c.decodeNewProcess(c.args[0] & 0xffffff7f) } // its low byte is a signal

func decodeClone3(c *call) {
	var b [8]byte
	if c.Read(c.args[0], b[:]) < len(b) {
		c.say("?")
		return
	}
	c.decodeNewProcess(binary.LittleEndian.Uint64(b[:]))
}

func decodeFork(c *call) { c.does("fork") }

func decodeUnshare(c *call) {
	c.decodeFlags(c.args[0])
	c.say(flags(c.args[0]&0xffffffff, unshareFlags))
}

func decodeSetns(c *call) {
	c.does("setns")
	c.say(c.descriptor(int32(c.args[0])), flags(c.args[1]&0xffffffff, namespaceFlags))
}

func decodeExecve(c *call) { c.decodeProgram(unix.AT_FDCWD, 0, 0) }

func decodeExecveat(c *call) { c.decodeProgram(int32(c.args[0]), 1, c.args[4]) }

// decodeProgram reads a program's path, argument number arg, and its argv,
// which is the next one.
func (c *call) decodeProgram(dirfd int32, arg int, flags uint64) {
	p := c.str(arg)
	c.at(dirfd, p)
	c.path = clean(p)
	if p == "" && flags&unix.AT_EMPTY_PATH != 0 {
		c.path = clean(c.target)
	}
	c.argv = c.vector(c.args[arg+1])
	c.say(strconv.Quote(c.path))
}

// vector reads an argv, the first 32 strings of it.
func (c *call) vector(addr uint64) (argv []string) {
	for i := range uint64(32) {
		p := c.Word(addr + 8*i)
		if p == 0 {
			break
		}
		s, _ := c.Text(p, shownRoom)
		argv = append(argv, clean(s))
	}
	return argv
}

func decodeOpen(c *call)   { c.decodeFile(unix.AT_FDCWD, 0, c.args[1]) }
func decodeCreat(c *call)  { c.decodeFile(unix.AT_FDCWD, 0, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC) }
func decodeOpenat(c *call) { c.decodeFile(int32(c.args[0]), 1, c.args[2]) }
func decodeOpenat2(c *call) {
	c.decodeFile(int32(c.args[0]), 1, c.Word(c.args[2]))
}

// decodeFile knows three files of a proc, and only when opened for writing.
func (c *call) decodeFile(dirfd int32, arg int, open uint64) {
	c.dull = true
	if open&unix.O_ACCMODE == 0 {
		return
	}
	p := c.str(arg)
	if dir, fd := path.Split(path.Clean(p)); strings.HasSuffix(dir, "/fd/") { // opened again, by its descriptor
		if to := c.Link("fd/" + fd); path.IsAbs(to) {
			p = to
		}
	}
	effect := map[string]string{"uid_map": "open_uid_map", "gid_map": "open_gid_map", "setgroups": "open_setgroups"}[path.Base(p)]
	if effect == "" {
		return
	}
	c.at(dirfd, p)
	if !ofProcess(c.target) {
		return
	}
	c.dull = false
	c.does(effect)
	c.say(quote(c.target), flags(open&0xffffffff, openFlags))
}

// ofProcess tells whether a file lies in a folder that a proc could have.
func ofProcess(file string) bool {
	if !path.IsAbs(file) {
		return true // its folder could not be read
	}
	dir := path.Base(path.Dir(file))
	_, err := strconv.Atoi(dir)
	return err == nil || dir == "self" || dir == "thread-self"
}

func decodePipe(c *call) { c.does("pipe") }

func decodeSocket(c *call) {
	c.does("netlink")
	c.say("AF_NETLINK")
}

func decodeHostname(c *call) {
	c.does("sethostname")
	c.decodeName()
}

func decodeDomainname(c *call) { c.decodeName() }

func (c *call) decodeName() {
	name := make([]byte, min(c.args[1], 64))
	c.say(quote(string(name[:c.Read(c.args[0], name)])))
}

func decodeSetuid(c *call) {
	c.does("setuid")
	ids := []string{}
	for _, id := range c.args[:map[string]int{"setuid": 1, "setreuid": 2, "setresuid": 3}[c.name]] {
		ids = append(ids, strconv.Itoa(int(int32(id))))
	}
	c.say(ids...)
}

func decodeCapset(c *call) {
	c.does("capset")
	var d [6]uint32 // effective, permitted, inheritable: low halves, then high halves
	b := make([]byte, 24)
	if c.Read(c.args[1], b) < len(b) {
		c.say("?")
		return
	}
	for i := range d {
		d[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	set := func(name string, i int) string { return fmt.Sprintf("%s=%#x", name, uint64(d[i+3])<<32|uint64(d[i])) }
	c.say(set("effective", 0), set("permitted", 1), set("inheritable", 2))
}

func decodePrctl(c *call) {
	if uint32(c.args[0]) == unix.PR_SET_SECCOMP {
		c.does("seccomp")
		c.say("PR_SET_SECCOMP", strconv.FormatUint(c.args[1], 10))
		return
	}
	c.does("capset")
	c.say("PR_CAPBSET_DROP", capName(c.args[1]))
}

func decodeSeccomp(c *call) {
	op := map[uint32]string{
		unix.SECCOMP_SET_MODE_STRICT: "SET_MODE_STRICT", unix.SECCOMP_SET_MODE_FILTER: "SET_MODE_FILTER",
		unix.SECCOMP_GET_ACTION_AVAIL: "GET_ACTION_AVAIL", unix.SECCOMP_GET_NOTIF_SIZES: "GET_NOTIF_SIZES",
	}[uint32(c.args[0])]
	if strings.HasPrefix(op, "SET_") {
		c.does("seccomp")
	}
	c.say(op, flags(c.args[1]&0xffffffff, seccompFlags))
}
