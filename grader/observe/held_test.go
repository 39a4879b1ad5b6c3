package observe

import (
	"os"
	"os/exec"
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
	for _, s := range Scheds(strconv.Itoa(b.driver.pid)) {
		if s.Blocked && s.Queued() {
			t.Error("a parent in vfork waits for a processor")
		}
	}

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

// Who sleeps has a place where it sleeps: it stands in no queue.
func TestAsleep(t *testing.T) {
	b := newBox(t)
	waitFor(t, "a driver that does nothing", func() bool {
		for _, s := range Scheds(strconv.Itoa(b.driver.pid)) {
			if !s.asleep || s.Queued() {
				return false
			}
		}
		return placesTold.Load()
	})
}

// Who waits for the kernel to come to an end with others waits for their processors.
func TestBlocked(t *testing.T) {
	if os.Getenv(barriers) != "" {
		for {
			_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, 1, 0, 0) // MEMBARRIER_CMD_GLOBAL, a grace period of RCU
		}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestBlocked$")
	cmd.Env = append(os.Environ(), barriers+"=1")
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waitFor(t, "who waits for a grace period", func() bool {
		for _, s := range Scheds(strconv.Itoa(cmd.Process.Pid)) {
			if s.Blocked && s.Queued() {
				return true
			}
		}
		return false
	})
}

const barriers = "OBSERVE_BARRIERS"

// Who has said that it sleeps, and then lost its processor to others, stands in a queue:
// here a shell that buries its children and comes last.
func TestQueued(t *testing.T) {
	var one unix.CPUSet
	one.Set(0)
	start := func(text string) int {
		cmd := exec.Command("sh", "-c", text)
		must(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		must(t, unix.SchedSetaffinity(cmd.Process.Pid, &one))
		return cmd.Process.Pid
	}
	buries := start("while :; do (:); done")
	must(t, unix.SchedSetAttr(buries, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0))
	start("while :; do :; done")
	waitFor(t, "who sleeps in the queue", func() bool {
		return Scheds(strconv.Itoa(buries))[buries].Queued()
	})
}
