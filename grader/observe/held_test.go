package observe

import (
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel has yet to do something for who waits for a vfork, and for who dies;
// not for who sleeps, nor for the dead.
func TestHeld(t *testing.T) {
	held := func(a *actor) (n int) {
		for _, s := range Scheds(strconv.Itoa(a.pid)) {
			if s.Held {
				n++
			}
		}
		return n
	}
	b := newBox(t)
	if n := held(b.driver); n != 0 {
		t.Errorf("%d threads of a driver that does nothing are held", n)
	}
	b.driver.do("vfork")
	waitFor(t, "a parent in vfork", func() bool { return held(b.driver) == 1 })

	outside := b.driver.spawn("outside", 0, "")
	outside.corpse("before") // os.StartProcess tries something out the first time
	outside.do("unshare", flag(unix.CLONE_NEWPID))
	first := outside.spawn("first", 0, "")
	outside.spawn("second", 0, "")
	must(t, syscall.Kill(first.pid, syscall.SIGKILL))
	outside.do("zombie", "second") // killed with its init, which waits until it has been reaped
	waitFor(t, "an init that dies", func() bool { return held(first) == 1 })
	outside.do("reap", "second")
	outside.do("zombie", "first")
	if n := held(first); n != 0 {
		t.Errorf("%d threads of a zombie are held", n)
	}
}

// Who sleeps has a place where it sleeps: it is not burying anybody.
func TestReaping(t *testing.T) {
	b := newBox(t)
	waitFor(t, "a driver that does nothing", func() bool {
		for _, s := range Scheds(strconv.Itoa(b.driver.pid)) {
			if !s.asleep || s.Reaping() {
				return false
			}
		}
		return true
	})
}
