package reference

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// ContainerCreate starts the container's first process and lets it go when all
// is ready for it. Until then it waits at the sync pipe: a process that runs
// before its maps are written is nobody, and one that runs before its network
// is there finds none.
func (n namespaces) ContainerCreate(cfg *contract.ContainerConfig) error {
	if err := checkConfig(cfg); err != nil {
		return fmt.Errorf("container create: %w", err)
	}
	if running(cfg) {
		return fmt.Errorf("container create: it runs already: %w", unix.EBUSY)
	}
	// What an earlier life of this configuration left behind.
	if err := n.ContainerCleanup(cfg); err != nil {
		return fmt.Errorf("container create: %w", err)
	}
	if err := spawn(cfg); err != nil {
		return fmt.Errorf("container create: %w", err)
	}
	if err := n.prepare(cfg); err != nil {
		return fmt.Errorf("container create: %w", errors.Join(err, abandon(cfg)))
	}
	return nil
}

// spawn starts the child side in its new namespaces, where it waits.
//
// A Pdeathsig would not do what it promises: it fires when the thread that
// started the child ends, which in Go is not when the program does. The pipe
// covers the time before the release; after it, a container may well survive.
func spawn(cfg *contract.ContainerConfig) error {
	cmd, err := contract.EntryCommand(cfg)
	if err != nil {
		return err
	}
	// Both ends are close-on-exec: the child gets the one that ExtraFiles
	// hands it, and thus sees the pipe close if we die.
	cfg.SyncPipe[0], cfg.SyncPipe[1], err = os.Pipe()
	if err != nil {
		return fmt.Errorf("sync pipe: %w", err)
	}
	cmd.ExtraFiles = []*os.File{cfg.SyncPipe[0]}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: cloneFlags(cfg),
		Setsid:     true, // one number for all of it, see [container.signal]
	}
	if isolates(cfg, unix.CLONE_NEWUSER) {
		// It is nobody until its maps are written, and execve(2) leaves a
		// nobody just the ambient capabilities.
		cmd.SysProcAttr.AmbientCaps = capabilities()
	}
	if err := cmd.Start(); err != nil {
		closeSyncPipe(cfg)
		return err
	}
	cfg.Private, cfg.PID, cfg.Status = &container{cmd: cmd}, cmd.Process.Pid, 0
	return nil
}

// prepare does from outside what the waiting child cannot do, and releases it.
func (n namespaces) prepare(cfg *contract.ContainerConfig) error {
	if isolates(cfg, unix.CLONE_NEWUSER) {
		if err := n.writeMaps(cfg.PID, identity(cfg)); err != nil {
			return err
		}
	}
	if cfg.Net != nil && isolates(cfg, unix.CLONE_NEWNET) {
		if err := n.connectContainer(cfg); err != nil {
			return err
		}
	}
	defer closeSyncPipe(cfg)
	if _, err := cfg.SyncPipe[1].Write([]byte{released}); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// writeMaps says who the user of pid's namespace is outside, in the order that
// the kernel wants from an unprivileged creator.
func (n namespaces) writeMaps(pid int, id contract.UserNamespaceContext) error {
	if err := n.DenySetgroups(pid); err != nil {
		return err
	}
	if err := n.SetupUIDMap(pid, id.ContainerUID, id.HostUID, 1); err != nil {
		return err
	}
	return n.SetupGIDMap(pid, id.ContainerGID, id.HostGID, 1)
}

// connectContainer pins the container's network namespace, if it shall have a
// name, and connects it.
func (n namespaces) connectContainer(cfg *contract.ContainerConfig) error {
	c, ctx := known(cfg), cfg.Net
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", cfg.PID))
	if err != nil {
		return err
	}
	defer ns.Close()
	if ctx.Name != "" {
		bind := func(path string) error { return bindMount(ns.Name(), path) }
		if err := pinNetns(ctx.Name, bind); err != nil {
			return fmt.Errorf("pin network namespace %q: %w", ctx.Name, err)
		}
		c.undo = append(c.undo, func() error { return unpinNetns(ctx.Name) })
	}
	if err := n.connect(ctx, ns); err != nil {
		return err
	}
	// By its index: when the container ends, its pair goes with it, and by the
	// time of the clean-up the name may be another's.
	link, err := findInterface(ctx.VethHost)
	if err != nil {
		return err
	}
	c.undo = append(c.undo, func() error { return removeLink(link) })
	return nil
}

// abandon ends a child that was never released, and undoes the rest.
func abandon(cfg *contract.ContainerConfig) error {
	closeSyncPipe(cfg)
	c := known(cfg)
	c.signal(unix.SIGKILL)
	err := unlessExit(c.collect(cfg))
	cfg.PID, cfg.Private, cfg.Status = -1, nil, 0
	return errors.Join(err, c.disconnect())
}
