package box

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// The launcher's own descriptors: its stdio is the driver's already, the
// channel is where the driver wants it.
const launcherSocket = 4

// LaunchMain is the whole life of [FaceLaunch]: it takes on the driver's limits
// and filter and becomes the driver. install puts the notification filter on
// the calling thread and returns its listener.
func LaunchMain(args []string, install func() (int, error)) int {
	runtime.LockOSThread()
	unix.CloseOnExec(launcherSocket)
	if err := launch(args, install); err != nil {
		reply, _ := json.Marshal(launched{Error: err.Error()})
		_, _ = unix.Write(launcherSocket, reply)
	}
	return 1
}

func launch(args []string, install func() (int, error)) error {
	var s setup
	if len(args) < 2 {
		return fmt.Errorf("no set-up")
	}
	if err := json.Unmarshal([]byte(args[1]), &s); err != nil {
		return err
	}
	if s.World.Private {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("private mounts: %w", err)
		}
	}
	if err := limit(s); err != nil {
		return err
	}
	if err := report(s.Faults, install); err != nil {
		return err
	}
	if err := becomeUser(s.World.As, s.Ranged); err != nil {
		return err
	}
	return fmt.Errorf("exec the driver: %w", syscall.Exec(driverPath, []string{"driver"}, driverEnv))
}

// limit sets what a process passes on to its children. The number of processes
// counts per user id and user namespace (getrlimit(2)), so it bounds the box.
func limit(s setup) error {
	l := s.Limits
	for _, r := range []struct {
		name  string
		which int
		value uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, 1024},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, uint64(l.DiskMiB) << 20},
		{"RLIMIT_DATA", unix.RLIMIT_DATA, uint64(l.MemoryMiB) << 20},
		{"RLIMIT_NPROC", unix.RLIMIT_NPROC, uint64(l.Processes)},
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(r.which, &old); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		value := min(r.value, old.Max)
		if err := unix.Setrlimit(r.which, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// report installs the filter, hands its listener over and waits for the word to
// go. The listener's copy here is closed before the driver runs: a driver that
// held it would hang for ever if its supervisor died.
func report(faults bool, install func() (int, error)) error {
	var rights []byte
	listener := -1
	if faults {
		fd, err := install()
		if err != nil {
			return fmt.Errorf("notification filter: %w", err)
		}
		listener, rights = fd, unix.UnixRights(fd)
	}
	text, err := json.Marshal(launched{})
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(launcherSocket, text, rights, nil, 0); err != nil {
		return err
	}
	if listener >= 0 {
		if err := unix.Close(listener); err != nil {
			return err
		}
	}
	word := make([]byte, 1)
	if n, err := unix.Read(launcherSocket, word); n != 1 {
		return fmt.Errorf("the agent is gone: %w", os.NewSyscallError("read", err))
	}
	return nil
}

func becomeUser(id int, ranged bool) error {
	if id == 0 {
		return nil
	}
	if ranged {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("setgroups: %w", err)
		}
	}
	if err := syscall.Setresgid(id, id, id); err != nil {
		return fmt.Errorf("setresgid %d: %w", id, err)
	}
	if err := syscall.Setresuid(id, id, id); err != nil {
		return fmt.Errorf("setresuid %d: %w", id, err)
	}
	return nil
}
