package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// CreateNetworkNamespace makes a network namespace and pins it: the bind mount
// of its file keeps it alive when its last process has gone.
func (namespaces) CreateNetworkNamespace(name string) error {
	err := pinNetns(name, func(path string) error {
		ns, err := newNetns()
		if err != nil {
			return err
		}
		defer ns.Close()
		// Back on the caller's thread, for it is in his mounts that it must show.
		return bindMount(fmt.Sprintf("/proc/thread-self/fd/%d", ns.Fd()), path)
	})
	if err != nil {
		return fmt.Errorf("create network namespace %q: %w", name, err)
	}
	return nil
}

// newNetns makes a network namespace that lives as long as it is open.
func newNetns() (ns *os.File, err error) {
	err = onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		var err error
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return ns, err
}

// onOwnThread runs f on a thread that nobody else will ever use, so that f may
// change its namespaces. The goroutine locks its thread and ends without
// unlocking it, upon which the Go runtime throws the thread away: there is no
// way back that could fail, and no other goroutine wakes up in a strange place.
//
// The thread begins in the namespaces of the program at large. A caller who has
// moved alone, as with SetupMountNamespace, is not followed.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// inNetns runs f on a thread inside the network namespace that ns stands for.
func inNetns(ns *os.File, f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("setns %s: %w", ns.Name(), err)
		}
		return f()
	})
}

// pinNetns creates the file that name stands for and has bind mount a namespace
// on it. O_EXCL refuses a name that exists, were it only to this call that it
// did not a moment ago.
func pinNetns(name string, bind func(path string) error) error {
	path, err := netnsPath(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(contract.NetnsDir, 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	file.Close()
	if err := bind(path); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// unpinNetns gives up a name. The namespace lives on while a process is in it.
func unpinNetns(name string) error {
	path, err := netnsPath(name)
	if err != nil {
		return err
	}
	err = unix.Unmount(path, unix.MNT_DETACH)
	if errors.Is(err, unix.ENOENT) {
		return nil // somebody's `ip netns del`
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return os.Remove(path)
}

// openNetns opens the namespace pinned as name.
func openNetns(name string) (*os.File, error) {
	path, err := netnsPath(name)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// inPinned runs f on a thread inside the namespace pinned as name.
func inPinned(name string, f func() error) error {
	ns, err := openNetns(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return inNetns(ns, f)
}

// netnsPath says where name is pinned, if it is one component of a path.
func netnsPath(name string) (string, error) {
	if name == "" || name == "." || name == ".." || len(name) > unix.NAME_MAX || strings.ContainsAny(name, "/\x00") {
		return "", fmt.Errorf("bad namespace name %q: %w", name, unix.EINVAL)
	}
	return filepath.Join(contract.NetnsDir, name), nil
}
