package caller

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The namespace that a child of ours visits may end, and the child with it, just when it
// has opened something: nothing is left open then.
func TestOpenInChildLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("asks for real root")
	}
	opened := 0
	for range 300 {
		init := exec.Command("sleep", "60")
		init.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
		if err := init.Start(); err != nil {
			t.Fatal(err)
		}
		nap := unix.Timespec{Nsec: rand.Int64N(600_000)}
		go func() { _, _ = unix.Nanosleep(&nap, nil), init.Process.Kill() }()
		_ = Thread(init.Process.Pid).InPIDs(func() error {
			fd, err := OpenInChild("proc")
			if err == nil {
				opened++
				err = unix.Close(fd)
			}
			return err
		})
		_ = init.Wait()
	}
	if opened == 0 {
		t.Error("nothing was ever opened")
	}
	fds, err := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + fd.Name()); err != nil || strings.Contains(target, "fscontext") {
			t.Errorf("descriptor %s is %s, %v", fd.Name(), target, err)
		}
	}
}
