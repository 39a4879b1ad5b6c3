package reference

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// SetupMountNamespace moves the calling thread into a mount namespace of its
// own. If a step fails, the thread goes back to where it was.
func (n namespaces) SetupMountNamespace(ctx *contract.MountNamespaceContext) error {
	binds, err := checkMounts(ctx)
	if err != nil {
		return fmt.Errorf("setup mount namespace: %w", err)
	}
	home, err := openMountHome()
	if err != nil {
		return fmt.Errorf("setup mount namespace: %w", err)
	}
	defer home.close()
	// Go's threads share one root and one working directory. Unshare gives
	// this one its own, without which it could not change its mounts.
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("setup mount namespace: unshare: %w", err)
	}
	if err := n.arrangeMounts(ctx, binds); err != nil {
		return fmt.Errorf("setup mount namespace: %w", errors.Join(err, home.enter()))
	}
	return nil
}

func (n namespaces) arrangeMounts(ctx *contract.MountNamespaceContext, binds []bind) error {
	if err := n.isolateMounts(ctx.Propagation); err != nil {
		return err
	}
	if err := mountAll(binds, ctx.Rootfs); err != nil {
		return err
	}
	return n.settleMounts(ctx.Propagation)
}

// checkMounts refuses a bad context before anything has been mounted.
func checkMounts(ctx *contract.MountNamespaceContext) ([]bind, error) {
	if ctx == nil {
		return nil, fmt.Errorf("nil context: %w", unix.EINVAL)
	}
	if ctx.Propagation < contract.Private || ctx.Propagation > contract.Unbindable {
		return nil, fmt.Errorf("bad propagation %d: %w", ctx.Propagation, unix.EINVAL)
	}
	return parseBinds(ctx.BindMounts)
}

// mountHome is a mount namespace and the working directory in it.
type mountHome struct{ ns, cwd *os.File }

func openMountHome() (*mountHome, error) {
	ns, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		return nil, err
	}
	cwd, err := os.Open(".")
	if err != nil {
		ns.Close()
		return nil, err
	}
	return &mountHome{ns, cwd}, nil
}

// enter takes the calling thread home. setns(2) leaves it at the root, so the
// working directory has to be restored by hand.
func (h *mountHome) enter() error {
	if err := unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("setns %s: %w", h.ns.Name(), err)
	}
	return h.cwd.Chdir()
}

func (h *mountHome) close() {
	h.ns.Close()
	h.cwd.Close()
}
