package reference

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

const (
	// syncDescriptor is where the child finds the read end of the sync pipe:
	// the first of ExtraFiles comes after 0, 1 and 2.
	syncDescriptor = 3
	// released is the byte that lets the child go. The end of the pipe alone
	// does not: it comes too when the creator dies halfway through the maps.
	released = 'R'
)

// ContainerEntry is the life of the container's first process up to its
// command. It returns only if a step failed, and then nothing was executed.
func (n namespaces) ContainerEntry(cfg *contract.ContainerConfig) error {
	if err := checkConfig(cfg); err != nil {
		return err
	}
	// Credentials, root and filter are the thread's, and the thread that calls
	// execve(2) passes its own on.
	runtime.LockOSThread()
	steps := []func(*contract.ContainerConfig) error{
		awaitRelease,
		becomeMapped,
		setHostname,
		n.enterMounts,
		n.installFilter,
		execute,
	}
	for _, step := range steps {
		if err := step(cfg); err != nil {
			return err
		}
	}
	return nil
}

// awaitRelease waits until the creator is done.
func awaitRelease(*contract.ContainerConfig) error {
	pipe := os.NewFile(syncDescriptor, "sync pipe")
	defer pipe.Close()
	if _, err := io.ReadFull(pipe, make([]byte, 1)); err != nil {
		return fmt.Errorf("not released by the creator: %w", err)
	}
	return nil
}

// becomeMapped takes on the identity that the maps give. What the ambient
// capabilities were for is done then: this process keeps what it has, and its
// command gets what its user is entitled to.
func becomeMapped(cfg *contract.ContainerConfig) error {
	if !isolates(cfg, unix.CLONE_NEWUSER) {
		return nil
	}
	// The group first: a mere user could not change it any more.
	id := identity(cfg)
	if err := unix.Setresgid(id.ContainerGID, id.ContainerGID, id.ContainerGID); err != nil {
		return fmt.Errorf("setresgid %d: %w", id.ContainerGID, err)
	}
	if err := unix.Setresuid(id.ContainerUID, id.ContainerUID, id.ContainerUID); err != nil {
		return fmt.Errorf("setresuid %d: %w", id.ContainerUID, err)
	}
	return dropInheritable()
}

func setHostname(cfg *contract.ContainerConfig) error {
	if cfg.Hostname == "" || !isolates(cfg, unix.CLONE_NEWUTS) {
		return nil
	}
	if err := unix.Sethostname([]byte(cfg.Hostname)); err != nil {
		return fmt.Errorf("sethostname %q: %w", cfg.Hostname, err)
	}
	return nil
}

// enterMounts arranges what the container sees of the world.
func (n namespaces) enterMounts(cfg *contract.ContainerConfig) error {
	if !isolates(cfg, unix.CLONE_NEWNS) {
		return nil
	}
	mounts, root := mountsOf(cfg), rootfsOf(cfg)
	binds, err := checkMounts(mounts)
	if err != nil {
		return err
	}
	if err := n.isolateMounts(mounts.Propagation); err != nil {
		return err
	}
	if err := mountAll(binds, root); err != nil {
		return err
	}
	if err := n.mountProcOf(cfg, root); err != nil {
		return err
	}
	if root != "" {
		if err := n.enterRootfs(root); err != nil {
			return err
		}
	}
	return n.settleMounts(mounts.Propagation)
}

// mountProcOf gives the container the proc of its PID namespace. The host's
// serves where that is the same one, and a user namespace could mount no other.
// It happens before the pivot: the kernel lets a user namespace mount proc only
// while it sees one.
func (n namespaces) mountProcOf(cfg *contract.ContainerConfig, root string) error {
	proc := "/proc"
	if root != "" {
		proc = filepath.Join(root, "proc")
	}
	switch {
	case isolates(cfg, unix.CLONE_NEWPID):
		return n.MountProc(proc)
	case root == "":
		return nil
	}
	if _, err := makeFolder(proc); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	return bindMount("/proc", proc)
}

// enterRootfs fills /dev and goes where there is no way back. The old root is
// put on a folder in the new /dev for the moment, where even a read-only rootfs
// can be written to.
func (n namespaces) enterRootfs(root string) error {
	dev := filepath.Join(root, "dev")
	if err := n.MountDevfs(dev); err != nil {
		return err
	}
	if err := n.CreateDevices(root); err != nil {
		return err
	}
	return n.PivotRootSetup(root, filepath.Join(dev, ".old"))
}

// installFilter comes last, for it forbids most of what came before.
func (n namespaces) installFilter(cfg *contract.ContainerConfig) error {
	if !cfg.Secure {
		return nil
	}
	return n.SetupSeccompFilter(ordinaryCalls())
}

// execute replaces this program with the container's command. Whatever else is
// open here ends with it.
func execute(cfg *contract.ContainerConfig) error {
	path, err := lookPath(cfg.Cmd[0])
	if err != nil {
		return &contract.ExecError{Path: cfg.Cmd[0], Err: err}
	}
	if err := unix.CloseRange(syncDescriptor, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	return &contract.ExecError{Path: path, Err: unix.Exec(path, cfg.Cmd, os.Environ())}
}

// lookPath finds a command without a slash as a shell does.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", unix.ENOENT
	}
	return path, err
}
