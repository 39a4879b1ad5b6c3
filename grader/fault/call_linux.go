package fault

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"moulinette/grader/fault/caller"
)

// call is one notified system call, read and named.
type call struct {
	notification
	caller.Thread
	name    string
	effects []string // keys of scenario.Effects
	target  string   // the path it is about, absolute in the caller's root, for Fault.Path
	dull    bool     // of no interest to anybody: not traced

	texts [6]*argument // strings among the arguments, once they were read

	detail string
	path   string   // execve: the program
	argv   []string // execve: its arguments
	mount  *mount   // mount: its arguments
	node   *node    // mknod: its arguments
}

// reader holds the rules by number.
type reader struct {
	rules map[int32]rule
	probe string
}

func newReader(probe string) reader {
	r := reader{rules: map[int32]rule{}, probe: probe}
	for _, rule := range rules() {
		r.rules[int32(rule.nr)] = rule
	}
	return r
}

// read makes a call of a notification; nil if no rule knows it.
func (r reader) read(n *notification) *call {
	rule, ok := r.rules[n.nr]
	if !ok {
		return nil
	}
	c := &call{notification: *n, Thread: caller.Thread(n.tid), name: rule.name}
	c.say()
	rule.decode(c)
	if strings.HasPrefix(rule.name, "execve") && under(c.target, r.probe) {
		c.does("execve")
	}
	return c
}

func (c *call) does(effect ...string) { c.effects = append(c.effects, effect...) }

// say writes the arguments as a reader wants them.
func (c *call) say(args ...string) { c.detail = c.name + "(" + strings.Join(args, ", ") + ")" }

// argument is a string in the caller's memory.
type argument struct {
	text string
	ok   bool // it could be read
}

func (c *call) argument(arg int) *argument {
	if c.texts[arg] == nil {
		s, ok := c.Text(c.args[arg], caller.PathRoom)
		c.texts[arg] = &argument{s, ok}
	}
	return c.texts[arg]
}

// str reads an argument that is a string.
func (c *call) str(arg int) string { return c.argument(arg).text }

// quoted shows a string argument: NULL, ? if it cannot be read, or quoted.
func (c *call) quoted(arg int) string {
	switch a := c.argument(arg); {
	case c.args[arg] == 0:
		return "NULL"
	case !a.ok:
		return "?"
	default:
		return quote(a.text)
	}
}

// at aims the call at a path argument below a folder's descriptor.
func (c *call) at(dirfd int32, p string) { c.target = c.Absolute(dirfd, p) }

// matches tells whether the call has the effect, on the path if one is asked.
func (c *call) matches(effect, on string) bool {
	if !slices.Contains(c.effects, effect) {
		return false
	}
	return on == "" || under(c.target, on) || strings.Contains(on, "/self/") && under(c.ownTarget(), on)
}

// under tells whether p is want, or ends in it: what is /work/root/proc outside
// is /proc after a pivot_root.
func under(p, want string) bool {
	want = path.Clean("/" + want)
	if want == "/" || p == want {
		return p == want
	}
	return strings.HasSuffix(p, want)
}

// ownTarget writes /proc/self for the caller's own number below a proc.
func (c *call) ownTarget() string {
	parts := strings.Split(c.target, "/")
	i := slices.Index(parts, "proc") + 1
	if i == 0 || i == len(parts) {
		return c.target
	}
	if st, err := c.Status(); parts[i] == "thread-self" || err == nil && slices.Contains(st.NSPID, parts[i]) {
		parts[i] = "self"
	}
	return strings.Join(parts, "/")
}

// identity is equal for two notifications only if one is the other restarted,
// or the same line of code ran twice.
type identity struct {
	tid    uint32
	nr     int32
	ip     uint64
	args   [6]uint64
	detail string // what a pointer among the arguments leads to may be another
}

func (c *call) identity() identity { return identity{c.tid, c.nr, c.ip, c.args, c.detail} }

// attempt is a new process about to be made. The kernel makes none while a
// signal waits: it delivers that first and restarts the call, which is then
// notified again and must not count twice. If nothing of a child is to be seen
// when the same call comes again, it is such a restart.
type attempt struct {
	identity  identity
	offspring string
}

const shownRoom = 256 // bytes of a string in the trace

// quote makes a string of the submission harmless and short.
func quote(s string) string { return strconv.Quote(clean(s)) }

// clean keeps what can be printed on one line.
func clean(s string) string {
	cut := ""
	if len(s) > shownRoom {
		s, cut = s[:shownRoom], "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar))) + cut
}

// descriptor shows what a descriptor stands for.
func (c *call) descriptor(fd int32) string {
	to := c.Link("fd/" + strconv.Itoa(int(fd)))
	if to == "" {
		return strconv.Itoa(int(fd))
	}
	return clean(to)
}
