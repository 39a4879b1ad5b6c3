package vm

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Root that may not become another user, or not end what another user runs, starts QEMU as
// itself.
func TestUsersTakeCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to take capabilities away")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header, has := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&header, &has[0]); err != nil {
		t.Fatal(err)
	}
	for _, lost := range []int{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL} {
		less := has
		less[0].Effective &^= 1 << lost
		if err := unix.Capset(&header, &less[0]); err != nil {
			t.Fatal(err)
		}
		got := findUsers()
		if err := unix.Capset(&header, &has[0]); err != nil {
			t.Fatal(err)
		}
		if got != (users{}) {
			t.Errorf("without capability %d: got %+v; want none", lost, got)
		}
	}
}
