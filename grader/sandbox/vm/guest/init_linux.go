package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Main is the whole life of the machine's first process. It never returns: that
// would be the end of the machine.
func Main() {
	err := start()
	// On the console, which the grader keeps the end of.
	fmt.Fprintln(os.Stderr, "moulinette-guest:", err)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func start() error {
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"root", moveRoot},
		{"mounts", mounts},
		{"modules", loadModules},
		{"locks", lock},
	} {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	control, agent, err := openPorts()
	if err != nil {
		return fmt.Errorf("ports: %w", err)
	}
	return serve(control, agent)
}

// moveRoot makes the first file system one that can be left: pivot_root(2)
// refuses the kernel's own rootfs, but not a mount moved over it.
func moveRoot() error {
	if err := os.Mkdir("/newroot", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/", "/newroot", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := os.Chdir("/newroot"); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return os.Chdir("/")
}

func mounts() error {
	const careful = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		kind, target string
		flags        uintptr
		data         string
	}{
		{"proc", "/proc", careful, ""},
		{"sysfs", "/sys", careful, ""},
		{"devtmpfs", "/dev", unix.MS_NOSUID | unix.MS_NOEXEC, ""},
		{"cgroup2", "/sys/fs/cgroup", careful, ""},
		{"tmpfs", "/tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("%s: %w", m.target, err)
		}
	}
	return nil
}

// loadModules loads what the image brings, in its order.
func loadModules() error {
	order, err := os.ReadFile(filepath.Join(modulesDir, "order"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // all is built in
	}
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(order)) {
		if err := loadModule(filepath.Join(modulesDir, filepath.Base(name))); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return os.RemoveAll(modulesDir)
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// lock closes what even root of the guest shall not open: a submission with real
// root that got into the kernel could speak for the agent. A kernel that lacks a
// file lacks what it locks, but for the last one: without it boxes offer no real
// root.
func lock() error {
	const security = "/sys/kernel/security"
	_ = unix.Mount("securityfs", security, "securityfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "") // see above
	for _, l := range []struct{ file, value string }{
		{"/proc/sys/kernel/modules_disabled", "1"},
		{"/proc/sys/kernel/kexec_load_disabled", "1"},
		{"/proc/sys/kernel/sysrq", "0"},
		{"/proc/sys/kernel/core_pattern", "\n"}, // none: nothing at all would change nothing
		// A program that the kernel starts by itself, in nobody's namespaces, has
		// no capability: whoever may write to sysctls can name it.
		{"/proc/sys/kernel/usermodehelper/bset", "0 0"},
		{"/proc/sys/kernel/usermodehelper/inheritable", "0 0"},
		{security + "/lockdown", "confidentiality"}, // kernel_lockdown(7)
	} {
		err := os.WriteFile(l.file, []byte(l.value), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", l.file, err)
		}
	}
	return nil
}

// openPorts finds the two ports by name; they appear some time after their
// driver is loaded, which the kernel tells by an event (netlink(7),
// NETLINK_KOBJECT_UEVENT).
func openPorts() (control, agent *os.File, err error) {
	events, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(events)
	if err := unix.Bind(events, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return nil, nil, err
	}
	if err := unix.SetsockoptTimeval(events, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}); err != nil {
		return nil, nil, err
	}
	for {
		found := ports()
		if found[ControlPort] != "" && found[AgentPort] != "" {
			if control, err = openPort(found[ControlPort]); err != nil {
				return nil, nil, err
			}
			agent, err = openPort(found[AgentPort])
			return control, agent, err
		}
		if _, err := unix.Read(events, make([]byte, 4096)); err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
			return nil, nil, fmt.Errorf("found %v only: %w", found, err)
		}
	}
}

// ports maps the names of the virtio ports to their device files.
func ports() map[string]string {
	found := map[string]string{}
	files, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return found
	}
	for _, file := range files {
		if name, err := os.ReadFile(file); err == nil {
			found[string(bytes.TrimSpace(name))] = "/dev/" + filepath.Base(filepath.Dir(file))
		}
	}
	return found
}

// openPort opens a port for blocking reads: there are few of them, and a poll on
// a port says "hung up" before the other side is there.
func openPort(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
