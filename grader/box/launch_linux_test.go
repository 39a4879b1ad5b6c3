package box

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Who has the pid of a driver that has ended is not killed in its place.
func TestKillDriverKillsNobodyElse(t *testing.T) {
	driver, other := exec.Command("sleep", "60"), exec.Command("sleep", "60")
	for _, cmd := range []*exec.Cmd{driver, other} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	}
	fd, err := unix.PidfdOpen(driver.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{Driver: other.Process.Pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}
	defer b.pidfd.Close()
	if err := b.KillDriver(); err != nil {
		t.Errorf("a driver that lives: %v", err)
	}
	if driver.Wait() == nil {
		t.Error("the driver was not killed")
	}
	if err := b.KillDriver(); err != nil {
		t.Errorf("a driver that has ended: %v", err)
	}
	if err := other.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the other one: %v", err)
	}
}
