package driver

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// start forks and executes without package os, whose Process would keep a
// pidfd open for as long as the child lives.
func start(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	if attr.Files == nil {
		attr.Files = []uintptr{0, 1, 2}
	}
	if attr.Env == nil {
		attr.Env = environ()
	}
	return syscall.ForkExec(path, argv, attr)
}

// startIn is start in new namespaces, or in the PID namespace of a target, if the
// arguments name any: as its first process, or as one that came in by setns(2).
func (s *shim) startIn(a *scenario.Args, path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	flags, err := cloneFlags(a.Flags)
	if err != nil {
		return 0, err
	}
	attr.Sys = &syscall.SysProcAttr{Cloneflags: flags}
	if a.Process == "" {
		return start(path, argv, attr)
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/pid", s.pids[a.Process]), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()                                   // for good: the thread ends with its errand
		if err = unix.Setns(fd, unix.CLONE_NEWPID); err == nil { //nolint:forbidigo // of a thread that nobody else uses
			pid, err = start(path, argv, attr)
		}
	})
	done.Wait()
	return pid, err
}

// environ is handed on, not read.
func environ() []string {
	return os.Environ() //nolint:forbidigo // the driver's children get what the driver got
}

// world starts the processes that a scenario wants beside its steps.
func (s *shim) world(req *scenario.Request) *scenario.Reply {
	reply := &scenario.Reply{ID: req.ID, Pids: map[string]int{}}
	for _, target := range req.Targets {
		if err := s.target(target); err != nil {
			settle(reply, fault("target %s: %v", target.Name, err))
			return reply
		}
		reply.Pids[target.Name] = s.pids[target.Name]
	}
	if req.Bystander {
		if err := s.bystander(); err != nil {
			settle(reply, fault("bystander: %v", err))
			return reply
		}
		reply.Pids["bystander"] = s.pids["bystander"]
	}
	return reply
}

// target starts the probe in new namespaces, a user namespace without maps
// among them if asked. It lives as long as the box.
func (s *shim) target(t scenario.Target) error {
	flags, err := cloneFlags(t.Flags)
	if err != nil {
		return err
	}
	sys := &syscall.SysProcAttr{Cloneflags: flags}
	if flags&syscall.CLONE_NEWUSER != 0 {
		// Nobody (there is no map yet) keeps over execve only what is ambient.
		sys.AmbientCaps = allCapabilities()
	}
	pid, err := start(targetPath, []string{targetPath, t.Name}, &syscall.ProcAttr{Sys: sys})
	if err != nil {
		return err
	}
	s.pids[t.Name] = pid
	return nil
}

// bystander starts a child that ends at once, and sees it end without reaping
// it: a submission that waits for just any child will.
func (s *shim) bystander() error {
	pid, err := start("/proc/self/exe", []string{faceArg, "exit"}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			s.pids["bystander"] = pid
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// runProbe starts the probe, or a program that leads to it, as a plain child, and
// waits for it.
func runProbe(_ *shim, req *scenario.Request, reply *scenario.Reply) error {
	argv := req.Args.Argv
	if len(argv) == 0 {
		argv = probeArgv(req.Probe)
	}
	pid, err := start(argv[0], argv, &syscall.ProcAttr{})
	if err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err) // what the submission left may well be no place to run it
	}
	var status syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	reply.Value = status.ExitStatus()
	return err
}

// program is an execve that needs no memory and no other system call any more:
// a seccomp filter may refuse all the rest. syscall.Exec does more.
type program struct {
	path      *byte
	argv, env []*byte
}

func prepare(argv, env []string) (*program, error) {
	path, err := syscall.BytePtrFromString(argv[0])
	if err != nil {
		return nil, err
	}
	p := &program{path: path}
	if p.argv, err = syscall.SlicePtrFromStrings(argv); err != nil {
		return nil, err
	}
	if p.env, err = syscall.SlicePtrFromStrings(env); err != nil {
		return nil, err
	}
	return p, nil
}

// execve returns only if it failed.
func (p *program) execve() syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(p.path)),
		uintptr(unsafe.Pointer(&p.argv[0])), uintptr(unsafe.Pointer(&p.env[0])))
	return errno
}
