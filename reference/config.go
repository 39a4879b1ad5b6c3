package reference

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// maxHostname is what sethostname(2) takes.
const maxHostname = 64

// allNamespaces are the flags that a container may ask for. Any other would be the end
// of us: with CLONE_FILES the child closes our descriptors.
const allNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// checkConfig refuses a bad configuration before anything has been started.
func checkConfig(cfg *contract.ContainerConfig) error {
	if cfg == nil {
		return fmt.Errorf("nil config: %w", unix.EINVAL)
	}
	if len(cfg.Cmd) == 0 || cfg.Cmd[0] == "" {
		return fmt.Errorf("empty command: %w", unix.EINVAL)
	}
	if other := cfg.CloneFlags &^ allNamespaces; other != 0 {
		return fmt.Errorf("flags %#x of no namespace: %w", other, unix.EINVAL)
	}
	if len(cfg.Hostname) > maxHostname {
		return fmt.Errorf("hostname of %d bytes: %w", len(cfg.Hostname), unix.EINVAL)
	}
	if cfg.Net != nil && isolates(cfg, unix.CLONE_NEWNET) {
		if err := checkNetwork(cfg.Net); err != nil {
			return err
		}
	}
	return checkFiles(cfg)
}

// checkFiles refuses what cannot be mounted, or must not be: without a mount
// namespace of its own, a container would pivot the host.
func checkFiles(cfg *contract.ContainerConfig) error {
	root, mounts := rootfsOf(cfg), mountsOf(cfg)
	if _, err := checkMounts(mounts); err != nil {
		return err
	}
	if own := isolates(cfg, unix.CLONE_NEWNS); !own && (root != "" || len(mounts.BindMounts) > 0) {
		return fmt.Errorf("rootfs or bind mounts without CLONE_NEWNS: %w", unix.EINVAL)
	}
	if root == "" {
		return nil
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = unix.ENOTDIR
	}
	if err != nil {
		return fmt.Errorf("rootfs %s: %w", root, err)
	}
	return nil
}

// cloneFlags are those of cfg, or the default.
func cloneFlags(cfg *contract.ContainerConfig) uintptr {
	if cfg.CloneFlags == 0 {
		return contract.DefaultCloneFlags
	}
	return cfg.CloneFlags
}

// isolates tells whether the container of cfg gets a namespace of its own.
func isolates(cfg *contract.ContainerConfig, flag uintptr) bool {
	return cloneFlags(cfg)&flag != 0
}

// mountsOf is what cfg says about mounts: nothing, if it does not say.
func mountsOf(cfg *contract.ContainerConfig) *contract.MountNamespaceContext {
	if cfg.Mnt == nil {
		return &contract.MountNamespaceContext{}
	}
	return cfg.Mnt
}

// rootfsOf is the container's root filesystem, wherever cfg names it.
func rootfsOf(cfg *contract.ContainerConfig) string {
	if cfg.Rootfs == "" {
		return mountsOf(cfg).Rootfs
	}
	return cfg.Rootfs
}

// identity is who the container's user is, inside and outside. Without a word
// about it, root inside is the caller.
func identity(cfg *contract.ContainerConfig) contract.UserNamespaceContext {
	id := contract.UserNamespaceContext{HostUID: os.Geteuid(), HostGID: os.Getegid(), MapRoot: true}
	if cfg.User != nil {
		id = *cfg.User
	}
	if id.MapRoot {
		id.ContainerUID, id.ContainerGID = 0, 0
	}
	return id
}
