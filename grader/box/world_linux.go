package box

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// mounts makes what each box has of its own, over the template's locked mounts.
func (p *initProcess) mounts() error {
	const careful = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	size := fmt.Sprintf("size=%dm", p.base.DiskMiB)
	for _, m := range []struct {
		kind, target string
		flags        uintptr
		data         string
	}{
		{"proc", "/proc", careful, ""},
		{"sysfs", "/sys", careful, ""},
		{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777," + size},
		{"tmpfs", "/run", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755," + size},
		{"tmpfs", "/dev/shm", careful, "mode=1777," + size},
	} {
		if err := unix.Mount(m.kind, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("%s: %w", m.target, err)
		}
	}
	// As systemd leaves a host: what is mounted in one namespace shows in the
	// other, unless somebody takes care.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// world makes what the scenario asks for.
func (p *initProcess) world() error {
	w := p.setup.World
	for _, m := range w.Mounts {
		if err := makeMount(m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	for _, name := range w.Netns {
		if err := addNetns(name); err != nil {
			return fmt.Errorf("netns %s: %w", name, err)
		}
	}
	for _, l := range w.Links {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: l.A}, PeerName: l.B}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("link %s: %w", l.A, err)
		}
	}
	for _, f := range w.Files {
		if err := makeFile(f); err != nil {
			return err
		}
	}
	return nil
}

func makeMount(m scenario.Mount) error {
	if err := os.MkdirAll(m.Target, 0o755); err != nil {
		return err
	}
	kind, source, flags, data := "tmpfs", "tmpfs", uintptr(unix.MS_NOSUID|unix.MS_NODEV), "mode=0755,size=4m"
	if m.Source != "" {
		kind, source, flags, data = "", m.Source, unix.MS_BIND, ""
	}
	if err := unix.Mount(source, m.Target, kind, flags, data); err != nil {
		return err
	}
	propagation := uintptr(unix.MS_SHARED)
	if m.Private {
		propagation = unix.MS_PRIVATE
	}
	return unix.Mount("", m.Target, "", propagation, "")
}

// addNetns does what `ip netns add` does: /run/netns becomes a shared mount of
// itself, and the new namespace is bound on a file in it.
func addNetns(name string) error {
	if err := os.MkdirAll(scenario.NetnsDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("", scenario.NetnsDir, "", unix.MS_SHARED, ""); err != nil {
		if err := unix.Mount(scenario.NetnsDir, scenario.NetnsDir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := unix.Mount("", scenario.NetnsDir, "", unix.MS_SHARED, ""); err != nil {
			return err
		}
	}
	path := filepath.Join(scenario.NetnsDir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	f.Close()
	done := make(chan error)
	go func() {
		// This thread is thrown away with its namespace: it stays locked.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET) //nolint:forbidigo // on a thread that is thrown away
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		}
		done <- err
	}()
	return <-done
}

func makeFile(f scenario.File) error {
	mode := os.FileMode(f.Mode)
	if f.Dir {
		if mode == 0 {
			mode = 0o755
		}
		if err := os.MkdirAll(f.Path, 0o755); err != nil {
			return err
		}
		return os.Chmod(f.Path, mode)
	}
	if mode == 0 {
		mode = 0o644
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	if f.Link != "" {
		return os.Symlink(f.Link, f.Path)
	}
	if err := os.WriteFile(f.Path, []byte(f.Content), mode); err != nil {
		return err
	}
	return os.Chmod(f.Path, mode)
}

// doHost does one thing in this process's namespaces, the peer's.
func doHost(h scenario.Host) error {
	switch {
	case h.Mount != "":
		if err := os.MkdirAll(h.Mount, 0o755); err != nil {
			return err
		}
		return unix.Mount("tmpfs", h.Mount, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=4m")
	case h.Umount != "":
		return unix.Unmount(h.Umount, 0)
	case h.NetnsAdd != "":
		return addNetns(h.NetnsAdd)
	case h.Write != "":
		return makeFile(scenario.File{Path: h.Write, Content: "written by the host\n"})
	}
	return fmt.Errorf("empty host step")
}
