package box

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// initProcess is PID 1 of a box. It takes part in no verdict: it sets the
// world up, launches the driver, does what "host" steps ask for, and reaps.
type initProcess struct {
	control *os.File
	mu      sync.Mutex // guards enc
	enc     *json.Encoder
	base    *base
	setup   *setup
	filter  func(forks bool) Filter
	driver  int
}

// InitMain is the whole life of [FaceInit]. It must be called on the main
// goroutine, which it keeps on the main thread: that thread's namespaces are
// what the driver inherits. filter gives the notification filter for the driver,
// one that knows plain forks if asked.
func InitMain(filter func(forks bool) Filter) int {
	runtime.LockOSThread()
	for fd := fdControl; fd <= fdLaunch; fd++ {
		unix.CloseOnExec(fd)
	}
	control := os.NewFile(fdControl, "control")
	p := &initProcess{control: control, enc: json.NewEncoder(control), filter: filter}
	dec := json.NewDecoder(control)
	for {
		var o order
		if dec.Decode(&o) != nil {
			return 1 // the agent is gone
		}
		p.say(answer{Error: text(p.obey(o))})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (p *initProcess) say(a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.enc.Encode(a) != nil {
		os.Exit(1) //nolint:revive // the agent is gone, and with it the box
	}
}

func (p *initProcess) obey(o order) error {
	switch {
	case o.Base != nil:
		p.base = o.Base
		return inTurn([]stage{
			{"become root", p.becomeRoot},
			{"hostname", func() error { return unix.Sethostname([]byte("seahaven")) }},
			{"mounts", p.mounts},
		})
	case o.Setup != nil:
		p.setup = o.Setup
		return inTurn([]stage{
			// Only now: this process sees its cgroup as the root of the tree.
			{"cgroup namespace", newCgroupNamespace},
			{"world", p.world},
		})
	case o.Launch:
		return p.launch()
	case o.Host != nil:
		return doHost(*o.Host)
	case o.Clone != nil:
		return canClone(o.Clone)
	}
	return fmt.Errorf("empty order")
}

type stage struct {
	name string
	do   func() error
}

func inTurn(stages []stage) error {
	for _, s := range stages {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func newCgroupNamespace() error {
	return unix.Unshare(unix.CLONE_NEWCGROUP) //nolint:forbidigo // the main thread, whose children inherit it
}

func (p *initProcess) becomeRoot() error {
	if !p.base.UserNS {
		return nil
	}
	if p.base.Ranged {
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
	}
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return err
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return err
	}
	// The change of ids cleared the signal (prctl(2)). Should the agent have
	// died in between, the control socket says so.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err // see unreadable
	}
	return disinherit()
}

// disinherit empties the inheritable set of this thread, and with it the
// ambient one: root of a user namespace needs neither, and the driver shall
// begin as root does after a login.
func disinherit() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var halves [2]unix.CapUserData
	if err := unix.Capget(&header, &halves[0]); err != nil {
		return err
	}
	halves[0].Inheritable, halves[1].Inheritable = 0, 0
	return unix.Capset(&header, &halves[0])
}

// launch clones the driver in a mount namespace of its own, a copy of this one
// whose mounts are peers.
func (p *initProcess) launch() error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	filter := p.filter(p.setup.Forks)
	l, err := newLauncher(p.setup, null.Fd(), &filter)
	if err != nil {
		return err
	}
	if p.driver, err = l.fork(); err != nil {
		return err
	}
	for fd := fdStdout; fd <= fdLaunch; fd++ {
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	go p.reap()
	return nil
}

// canClone starts a process that ends at once; reap takes it.
func canClone(names []string) error {
	var flags uintptr
	for _, name := range names {
		flags |= uintptr(scenario.FlagNames()[name])
	}
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	if errno := cloneOnce(flags); errno != 0 {
		return errno
	}
	return nil
}

//go:norace
//go:nosplit
func cloneOnce(flags uintptr) syscall.Errno {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	for errno == 0 && pid == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return errno
}

// driverEnv is all that a submission learns from its environment.
var driverEnv = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"}

// reap takes every orphan of the box, as an init must, and tells of the driver.
func (p *initProcess) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			// No child is left; the driver's end was told. Nothing can come
			// back to us but from a new launch, and there is only one.
			return
		case pid == p.driver:
			p.say(answer{News: &Exit{Status: status.ExitStatus(), Signal: signalOf(status)}})
		}
	}
}

func signalOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return int(status.Signal())
	}
	return 0
}
