package observe

import (
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// visitor is a thread that goes into other namespaces and comes home after each
// errand, so that it keeps none of them alive. It lasts as long as the program:
// a thread that ends takes with it every process that it has started with a
// parent-death signal, and nobody knows which thread started a box.
type visitor struct {
	errands  chan func()
	net, uts int // home
}

// theVisitor is started by the first observer.
var theVisitor = sync.OnceValues(func() (*visitor, error) {
	v := &visitor{errands: make(chan func())}
	settled := make(chan error)
	go v.run(settled)
	if err := <-settled; err != nil {
		return nil, fmt.Errorf("visiting namespaces: %w", err)
	}
	return v, nil
})

// run must not take the main thread, which stands for the agent in /proc: it
// keeps that one busy until another thread has been found.
func (v *visitor) run(settled chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		elsewhere := make(chan error)
		go v.run(elsewhere)
		settled <- <-elsewhere
		return
	}
	settled <- v.settle()
	for errand := range v.errands {
		errand()
		_ = enter(v.net, unix.CLONE_NEWNET)
		_ = enter(v.uts, unix.CLONE_NEWUTS)
	}
}

// settle finds a home to which the thread may return: the namespaces in which
// it is, or, for an agent that is root of a user namespace only, fresh ones.
func (v *visitor) settle() error {
	if v.reside() == nil {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWUTS); err != nil { //nolint:forbidigo // of this one thread
		return err
	}
	return v.reside()
}

func (v *visitor) reside() (err error) {
	if v.net, err = openAt(unix.AT_FDCWD, "/proc/thread-self/ns/net", unix.O_RDONLY); err != nil {
		return err
	}
	if v.uts, err = openAt(unix.AT_FDCWD, "/proc/thread-self/ns/uts", unix.O_RDONLY); err != nil {
		return err
	}
	if err = enter(v.net, unix.CLONE_NEWNET); err == nil {
		err = enter(v.uts, unix.CLONE_NEWUTS)
	}
	if err != nil {
		unix.Close(v.net)
		unix.Close(v.uts)
	}
	return err
}

// do runs an errand on the thread and waits for it.
func (v *visitor) do(errand func()) {
	done := make(chan struct{})
	v.errands <- func() { errand(); close(done) }
	<-done
}

// enter joins the namespace behind fd. It is to be called on the thread.
func enter(fd, kind int) error {
	return unix.Setns(fd, kind) //nolint:forbidigo // of this one thread
}

// hostname reads the name of a UTS namespace.
func (v *visitor) hostname(fd int) (name string) {
	v.do(func() {
		var uts unix.Utsname
		if enter(fd, unix.CLONE_NEWUTS) == nil && unix.Uname(&uts) == nil {
			name = unix.ByteSliceToString(uts.Nodename[:])
		}
	})
	return name
}
