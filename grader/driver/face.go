package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

// A face is this program executed again by the shim: a process for a call that
// would ruin the driver (dropped capabilities and seccomp filters have no way
// back), which on success becomes the probe. Its command line is faceArg, the
// face's name and the request.
const faceArg = "moulinette-driver"

// faceReply is where a face leaves its reply if it does not become the probe: a
// file without a name, because a pipe could meet a fault that is meant for the
// submission.
const faceReply = 3

// nameless opens such a file: in memory, or, on a host whose filter knows no
// memfd_create, in a folder that every box has.
func nameless() (int, error) {
	fd, err := unix.MemfdCreate("reply", unix.MFD_CLOEXEC)
	if err == nil {
		return fd, nil
	}
	fd, other := unix.Open("/tmp", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if other != nil {
		return -1, fmt.Errorf("memfd: %w; /tmp: %w", err, other)
	}
	return fd, nil
}

// faceQuiet keeps the Go runtime from making system calls of its own on a
// thread that has a filter on. The probe does not inherit it.
var faceQuiet = []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off"}

func faceName() (string, bool) {
	if len(os.Args) < 2 || os.Args[0] != faceArg {
		return "", false
	}
	return os.Args[1], true
}

func isFace(name string) bool {
	got, ok := faceName()
	return ok && got == name
}

// inFace is a call that is made in a face. The value is the exit status of the
// probe that the face became.
func inFace(name string) call {
	return func(s *shim, req *scenario.Request, reply *scenario.Reply) error {
		fd, err := nameless()
		if err != nil {
			return fault("%s: %v", name, err)
		}
		defer func() { _ = unix.Close(fd) }()
		status, err := s.faceRun(name, req, fd)
		if err != nil {
			return fault("%s: %v", name, err)
		}
		return faceResult(fd, status, reply)
	}
}

func (s *shim) faceRun(name string, req *scenario.Request, fd int) (status syscall.WaitStatus, err error) {
	text, err := json.Marshal(req)
	if err != nil {
		return 0, err
	}
	pid, err := s.startIn(&req.Args, "/proc/self/exe", []string{faceArg, name, string(text)}, &syscall.ProcAttr{
		Env:   slices.Concat(faceQuiet, environ()), // the runtime looks at the first of a name
		Files: []uintptr{0, 1, 2, uintptr(fd)},
	})
	if err != nil {
		return 0, err
	}
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
			return status, err
		}
	}
}

// faceResult is the reply left behind by the face, or else the end of the probe.
func faceResult(fd int, status syscall.WaitStatus, reply *scenario.Reply) error {
	text := make([]byte, 8*maxText)
	n, err := unix.Pread(fd, text, 0)
	if err != nil {
		return fault("reply: %v", err)
	}
	if n > 0 {
		id := reply.ID
		if err := json.Unmarshal(text[:n], reply); err != nil {
			return fault("reply: %v", err)
		}
		reply.ID = id
		return nil
	}
	reply.Exited, reply.Status, reply.Value = status.Exited(), status.ExitStatus(), status.ExitStatus()
	if status.Signaled() {
		reply.Signal, reply.Status = int(status.Signal()), 0
	}
	return nil
}

// runFace is the face's side. It returns only if it has not become the probe.
func runFace(name string, rt contract.Runtime) int {
	debug.SetGCPercent(-1)
	unix.CloseOnExec(faceReply)
	var req scenario.Request
	var reply scenario.Reply
	if err := json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &req); err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		return 2
	}
	guard(&reply, func() error {
		if name == "init" {
			return askInit(rt, &reply)
		}
		return ruin(name, rt, &req)
	})
	if err := send(os.NewFile(faceReply, "reply"), &reply); err != nil {
		return 2
	}
	return 0
}

// ruin makes the call and becomes the probe.
func ruin(name string, rt contract.Runtime, req *scenario.Request) error {
	probe, err := prepare(probeArgv(req.Probe), loudEnviron())
	if err != nil {
		return fault("%v", err)
	}
	switch name {
	case "caps":
		err = dropCapabilities(rt, &req.Args)
	case "seccomp":
		err = seccompFilter(rt, &req.Args)
	default:
		err = fault("unknown face %q", name)
	}
	if err != nil {
		return err
	}
	if errno := probe.execve(); errno != 0 {
		return fmt.Errorf("the call succeeded, but the probe cannot be executed after it: %w", errno)
	}
	return nil
}

// loudEnviron is the environment without what only the face needs.
func loudEnviron() []string {
	return slices.DeleteFunc(environ(), func(entry string) bool { return slices.Contains(faceQuiet, entry) })
}

func dropCapabilities(rt contract.Runtime, a *scenario.Args) error {
	keep, err := capabilityMask(a.Keep)
	if err != nil {
		return err
	}
	if a.Inherit {
		if err := inheritAll(); err != nil {
			return fault("inherit: %v", err)
		}
	}
	return rt.DropCapabilities(keep)
}

func seccompFilter(rt contract.Runtime, a *scenario.Args) error {
	secure, ok := rt.(interface {
		SetupSeccompFilter(allowed []int) error
	})
	if !ok {
		return contract.ErrNotImplemented
	}
	numbers, err := allowedNumbers(a)
	if err != nil {
		return err
	}
	return secure.SetupSeccompFilter(numbers)
}
