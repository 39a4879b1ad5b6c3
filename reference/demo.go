package reference

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// DemonstrateNetworkIsolation shows two namespaces that reach each other over a
// pair, and one of them alone before.
func (n namespaces) DemonstrateNetworkIsolation(w io.Writer) error {
	island := fmt.Sprintf("seahaven-%d", os.Getpid())
	studio := fmt.Sprintf("studio-%d", os.Getpid())
	for _, name := range []string{island, studio} {
		if err := n.CreateNetworkNamespace(name); err != nil {
			return fmt.Errorf("demonstrate network isolation: %w", err)
		}
		defer unpinNetns(name)
	}
	fmt.Fprintf(w, "Two network namespaces: %s, %s. No boat goes from one to the other.\n", island, studio)
	if err := n.joinNetns(w, island, studio); err != nil {
		return fmt.Errorf("demonstrate network isolation: %w", err)
	}
	if err := converse(w, island, studio); err != nil {
		return fmt.Errorf("demonstrate network isolation: %w", err)
	}
	return nil
}

// The two ends of the demonstration's pair.
const (
	islandEnd, islandAddress = "island0", "10.10.8.2"
	studioEnd, studioAddress = "studio0", "10.10.8.1"
)

// joinNetns connects two pinned namespaces. The pair is made inside the second,
// where its names meet nobody else's.
func (n namespaces) joinNetns(w io.Writer, island, studio string) error {
	err := inPinned(studio, func() error {
		if err := n.CreateVethPair(studioEnd, islandEnd); err != nil {
			return err
		}
		if err := n.MoveInterfaceToNetns(islandEnd, island); err != nil {
			return err
		}
		return n.plug(studioEnd, studioAddress)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "A veth pair: %s has %s here, %s has %s there.\n", studioEnd, studioAddress, islandEnd, islandAddress)
	return inPinned(island, func() error { return n.plug(islandEnd, islandAddress) })
}

// converse has a word go over the pair. A socket belongs to the namespace that
// it was made in, so it may be used from anywhere later.
func converse(w io.Writer, island, studio string) error {
	var listener net.Listener
	err := inPinned(island, func() (err error) {
		listener, err = net.Listen("tcp4", net.JoinHostPort(islandAddress, "0"))
		return err
	})
	if err != nil {
		return err
	}
	defer listener.Close()
	var caller net.Conn
	err = inPinned(studio, func() (err error) {
		caller, err = net.DialTimeout("tcp4", listener.Addr().String(), 5*time.Second)
		return err
	})
	if err != nil {
		return err
	}
	return say(w, caller, listener)
}

// say has the caller say good morning, and tells what the listener heard.
func say(w io.Writer, caller net.Conn, listener net.Listener) error {
	_, err := io.WriteString(caller, "Good morning!")
	if err := errors.Join(err, caller.Close()); err != nil {
		return err
	}
	called, err := listener.Accept()
	if err != nil {
		return err
	}
	defer called.Close()
	word, err := io.ReadAll(called)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s hears from %s: %s\n", called.LocalAddr(), called.RemoteAddr(), word)
	return err
}

// DemonstrateMountPropagation mounts something on either side of two views of
// one folder, and looks what the other side sees of it.
func (n namespaces) DemonstrateMountPropagation(w io.Writer) error {
	stage, err := os.MkdirTemp("", "horizon-")
	if err != nil {
		return fmt.Errorf("demonstrate mount propagation: %w", err)
	}
	defer os.Remove(stage)
	// In a mount namespace of a thread of its own: it ends with the thread,
	// and all that was mounted in it.
	err = onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := n.MakeMountPrivate("/"); err != nil {
			return err
		}
		if err := unix.Mount("stage", stage, "tmpfs", 0, "mode=0700"); err != nil {
			return fmt.Errorf("mount %s: %w", stage, err)
		}
		return n.paintHorizons(w, stage)
	})
	if err != nil {
		return fmt.Errorf("demonstrate mount propagation: %w", err)
	}
	return nil
}

// paintHorizons tries the three kinds of propagation.
func (n namespaces) paintHorizons(w io.Writer, stage string) error {
	kinds := []struct {
		name string
		set  func(path string) error
	}{
		{"shared", n.MakeMountShared},
		{"slave", n.MakeMountSlave},
		{"private", n.MakeMountPrivate},
	}
	for _, kind := range kinds {
		host, island := filepath.Join(stage, kind.name, "host"), filepath.Join(stage, kind.name, "island")
		if err := n.twoViews(host, island); err != nil {
			return err
		}
		if err := kind.set(island); err != nil {
			return err
		}
		in, err := seen(host, island, "sun")
		if err != nil {
			return err
		}
		out, err := seen(island, host, "moon")
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%-7s  host's mounts reach the island: %-5t  island's mounts reach the host: %t\n", kind.name, in, out)
	}
	return nil
}

// twoViews makes a shared mount at a, and its peer at b.
func (n namespaces) twoViews(a, b string) error {
	if err := mountFilesystem("tmpfs", a, noSurprises, ""); err != nil {
		return err
	}
	if err := n.MakeMountShared(a); err != nil {
		return err
	}
	if _, err := makeFolder(b); err != nil {
		return err
	}
	return bindMount(a, b)
}

// seen mounts something on name in one view, and tells whether the other sees it.
func seen(from, to, name string) (bool, error) {
	mounted := filepath.Join(from, name)
	if err := mountFilesystem("tmpfs", mounted, noSurprises, ""); err != nil {
		return false, err
	}
	if err := os.Mkdir(filepath.Join(mounted, "light"), 0o700); err != nil {
		return false, err
	}
	_, err := os.Stat(filepath.Join(to, name, "light"))
	return err == nil, nil
}

// DemonstrateUserNamespace shows a process that is root inside and not outside.
func (n namespaces) DemonstrateUserNamespace(w io.Writer) error {
	fmt.Fprintf(w, "Out here I am user %d.\n", os.Geteuid())
	child := exec.Command("/bin/sh", "-c", `read go; read inside outside count </proc/self/uid_map
		echo "In Seahaven I am user $(id -u); user $inside of this place is user $outside out there."`)
	child.Stdout, child.Stderr = w, w
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	// The child reads before it asks who it is: this is its sync pipe.
	release, err := child.StdinPipe()
	if err != nil {
		return fmt.Errorf("demonstrate user namespace: %w", err)
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("demonstrate user namespace: %w", err)
	}
	err = n.writeMaps(child.Process.Pid, identity(&contract.ContainerConfig{}))
	if err == nil {
		_, err = io.WriteString(release, "action!\n")
	} else {
		err = errors.Join(err, child.Process.Kill())
	}
	if err := errors.Join(err, child.Wait()); err != nil {
		return fmt.Errorf("demonstrate user namespace: %w", err)
	}
	return nil
}
