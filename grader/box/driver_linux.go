package box

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
	"moulinette/grader/scenario"
)

// Filter is the notification filter as seccomp(2) takes it.
type Filter struct {
	Program []unix.SockFilter
	Flags   uintptr
}

// driverEnv is all that a submission learns from its environment.
var driverEnv = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"}

// ready is what the driver-to-be says, with the listener of its filter, when all
// that is left is to be let go.
const ready = "ready"

// driver is what init does to start the driver: a clone in a mount namespace of
// its own, a copy of init's whose mounts are peers.
func (b *Box) driver(o Options) *puppet.Program {
	p := puppet.NewProgram()
	p.Call("clone", unix.SYS_CLONE, unix.CLONE_NEWNS|int(unix.SIGCHLD), 0, 0, 0, 0).Watch().Fork(fdLaunch, func() {
		p.Call("setsid", unix.SYS_SETSID)
		enterWorld(p, o.World)
		setLimits(p, o.Limits)
		if o.Real {
			boundCapabilities(p)
		}
		report(p, o.Filter)
		b.become(p, o.World)
		execute(p, o.Variant)
	})
	p.Call("close", unix.SYS_CLOSE_RANGE, fdStdout, fdLaunch, 0)
	return p
}

func enterWorld(p *puppet.Program, w scenario.World) {
	if w.Private {
		p.Call("make mounts private", unix.SYS_MOUNT, "", "/", "", unix.MS_REC|unix.MS_PRIVATE, 0)
	}
	if w.Cwd != "" {
		p.Call("enter the working directory", unix.SYS_CHDIR, w.Cwd)
	}
}

// setLimits bounds what a process passes on to its children. The number of
// processes counts per user id and user namespace (getrlimit(2)), so it bounds
// the box.
func setLimits(p *puppet.Program, l scenario.Limits) {
	for _, r := range []struct{ which, value int }{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_RTPRIO, 0}, // a user who may go before others does not pass that on
		{unix.RLIMIT_NICE, 0},
		{unix.RLIMIT_STACK, 8 << 20}, // as everywhere, whatever the grader's
		{unix.RLIMIT_NOFILE, 1024},
		{unix.RLIMIT_FSIZE, l.DiskMiB << 20},
		{unix.RLIMIT_DATA, dataLimit(l)},
		{unix.RLIMIT_NPROC, l.Processes},
	} {
		limit(p, r.which, r.value)
	}
}

// boundCapabilities takes what real root in a box lacks from whatever it executes.
// It comes before the filter, which notifies it.
func boundCapabilities(p *puppet.Program) {
	for _, c := range realRootLacks() {
		p.Call("bound capabilities", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
}

// dataLimit bounds what a process may write to; what it does write the box's
// memory group bounds as well.
func dataLimit(l scenario.Limits) int {
	if l.Reserve {
		return math.MaxInt
	}
	return l.MemoryMiB << 20
}

// report installs the filter, hands its listener over and waits for the word to
// go. The listener's copy here is closed before the driver runs: a driver that
// held it would hang for ever if its supervisor died.
func report(p *puppet.Program, f *Filter) {
	word := p.Words([]byte(ready), len(ready))
	if f == nil {
		p.Call("say so", unix.SYS_SENDMSG, fdLaunch, p.Words(0, 0, word, 1, 0, 0, 0), 0)
	} else {
		rights := unix.UnixRights(0)
		control := p.Bytes(rights)
		filter := p.Words(len(f.Program), f.bytes())
		listener := p.Call("install the filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, f.Flags, filter)
		p.Call("hand over the listener", unix.SYS_SENDMSG, fdLaunch, p.Words(0, 0, word, 1, control, len(rights), 0), 0)
		closed := p.Call("close the listener", unix.SYS_CLOSE, 0)
		listener.Keep(control+puppet.Ref(unix.SizeofCmsghdr)).Feed(closed, 0)
	}
	p.Call("wait for the word to go", unix.SYS_READ, fdLaunch, p.Bytes(make([]byte, 1)), 1).Least(1)
}

func (f *Filter) bytes() []byte {
	text := make([]byte, 0, 8*len(f.Program))
	for _, i := range f.Program {
		text = append(binary.NativeEndian.AppendUint16(text, i.Code), i.Jt, i.Jf)
		text = binary.NativeEndian.AppendUint32(text, i.K)
	}
	return text
}

// become takes on the driver's descriptors and its user.
func (b *Box) become(p *puppet.Program, w scenario.World) {
	for to, from := range []int{fdStdout, fdStderr, fdChannel} {
		p.Call("arrange descriptors", unix.SYS_DUP3, from, to+1, 0)
	}
	if w.As == 0 {
		return
	}
	user, group := w.As, cmp.Or(w.Group, w.As)
	if b.t.cfg.Mode != Single {
		p.Call("become the user", unix.SYS_SETGROUPS, 0, 0)
	}
	p.Call("become the user", unix.SYS_SETRESGID, group, group, group)
	p.Call("become the user", unix.SYS_SETRESUID, user, user, user)
}

func execute(p *puppet.Program, variant string) {
	env := slices.Clone(driverEnv)
	if variant != "" {
		env = append(env, fmt.Sprintf("%s=%s", scenario.VariantVariable, variant))
	}
	p.Call("hear signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, p.Words(0), 0, 8)
	p.Call("execute the driver", unix.SYS_EXECVE, driverPath, texts(p, []string{"driver"}), texts(p, env))
}

// texts lays out what execve(2) calls argv.
func texts(p *puppet.Program, texts []string) puppet.Ref {
	var pointers []any
	for _, t := range texts {
		pointers = append(pointers, t)
	}
	return p.Words(append(pointers, 0)...)
}
