package observe

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// shortage is the first thing that this process has run out of while it looked,
// since it was last asked. Descriptors and memory are the whole process's, so this
// is too.
var shortage atomic.Pointer[error]

// Shortage tells what looks have run out of since it was last asked: they have
// seen less than there was, whatever they say.
func Shortage() error {
	if err := shortage.Swap(nil); err != nil {
		return fmt.Errorf("observe: %w", *err)
	}
	return nil
}

// unableError is of a call that this host's kernel, or a filter, does not know.
type unableError struct {
	Call string
	Err  error
}

func (e *unableError) Error() string { return e.Call + ": " + e.Err.Error() }

func (e *unableError) Unwrap() error { return e.Err }

// Short tells whether err is of descriptors or memory that are used up, or of what
// this host cannot do at all.
func Short(err error) bool {
	_, unable := errors.AsType[*unableError](err)
	return unable || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOBUFS)
}

// missed passes an error on, and notes a shortage.
func missed(err error) error {
	if err != nil && Short(err) {
		shortage.CompareAndSwap(nil, &err)
	}
	return err
}

// refused tells whether the kernel does not let us look.
func refused(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

// refusal is the first file of a process that could not be read.
type refusal struct {
	name string
	err  error
}

// afresh is the same hold, for one look, without what was refused to others.
func (p *proc) afresh() *proc { return &proc{pid: p.pid, dir: p.dir} }

// ask notes what a process should have. It may lack a namespace for children, and
// its descriptors come and go. Looks at one process may not share a hold.
func (p *proc) ask(name string, err error) error {
	if err != nil && p.refused == nil && name != "ns/pid_for_children" && !strings.HasPrefix(name, "fd/") {
		p.refused = &refusal{name, err}
	}
	return err
}

// blind tells what could not be read of a process if that is nothing which it could
// have brought about: not by dying, since it lives, and the box's init, our own
// program, cannot be looked at either. (Who executes a file that nobody may read is
// out of an ordinary user's sight.)
func (o *Observer) blind(p *proc, living bool) error {
	if p.refused == nil || !living && !refused(p.refused.err) {
		return nil
	}
	if p.pid != o.init.pid && o.seesInit(p.refused.name) {
		return nil
	}
	return &BlindError{p.pid, p.refused.name, p.refused.err}
}

// seesInit tells whether a file of the box's init can be read.
func (o *Observer) seesInit(name string) bool {
	_, err := unix.Readlinkat(o.init.dir, name, make([]byte, 1))
	if !errors.Is(err, unix.EINVAL) {
		return err == nil
	}
	fd, err := openAt(o.init.dir, name, unix.O_RDONLY) // no link
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// BlindError is of a process that cannot be looked at, through no fault of its own.
type BlindError struct {
	PID  int
	File string
	Err  error
}

func (e *BlindError) Error() string { return fmt.Sprintf("process %d: %s: %v", e.PID, e.File, e.Err) }

// Unwrap gives the kernel's answer.
func (e *BlindError) Unwrap() error { return e.Err }

// isBlind tells such an error from that of a process which is gone.
func isBlind(err error) bool {
	_, ok := errors.AsType[*BlindError](err)
	return ok
}
