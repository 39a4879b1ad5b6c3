package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/sandbox/vm/image"
)

// kvmPatience is how long a guest may take to boot on KVM: it takes a fraction of
// that, or never ends. Devices that open, ioctls that succeed and a firmware
// that speaks have all been seen where no kernel would boot.
const kvmPatience = 3 * time.Second

// choose decides who executes the guests: the asked one, or KVM where it has
// proved itself, else QEMU. The proof is made once a boot and QEMU, and kept.
func (h *host) choose(ctx context.Context, o Options, img *image.Image) error {
	h.accel = TCG
	switch {
	case o.Accel == TCG:
		return nil
	case o.Accel == KVM:
		if err := h.prove(ctx, img); err != nil {
			return fmt.Errorf("kvm: %w", err)
		}
		h.accel = KVM
		return nil
	case o.Accel != "":
		return fmt.Errorf("accelerator %q: there are %s and %s", o.Accel, KVM, TCG)
	case kvmHopeless() != nil:
		return nil
	}
	file := filepath.Join(o.Cache, "kvm")
	question := fmt.Sprintf("%s %s: ", bootID(), fingerprint(h.qemu))
	if known, err := os.ReadFile(file); err == nil && bytes.HasPrefix(known, []byte(question)) {
		h.accel = Accel(known[len(question):])
	} else {
		if h.prove(ctx, img) == nil {
			h.accel = KVM
		}
		if ctx.Err() != nil { // a proof that was broken off proves nothing
			return context.Cause(ctx)
		}
		// Should it not be kept, it will be asked again.
		_ = os.WriteFile(file, []byte(question+string(h.accel)), 0o600)
	}
	if h.accel != KVM {
		h.accel = TCG // whatever the file says
	}
	return nil
}

// kvmHopeless tells why KVM need not even be tried, or nil.
func kvmHopeless() error {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f.Close()
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	for _, flag := range []string{" vmx", " svm"} {
		if bytes.Contains(text, []byte(flag)) {
			return nil
		}
	}
	return errors.New("this processor shows neither vmx nor svm")
}

// prove boots a guest on KVM.
func (h *host) prove(ctx context.Context, img *image.Image) error {
	if err := kvmHopeless(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, kvmPatience)
	defer cancel()
	by := &host{qemu: h.qemu, accel: KVM}
	m, err := by.boot(ctx, img, nil)
	if err != nil {
		return err
	}
	m.kill()
	return nil
}

// KernelAtHand reports whether machines can be made without fetching a kernel.
func KernelAtHand(o Options) bool { return image.AtHand(o.Image()) }

// Doctor tells, without booting anything, whether machines can be made here and
// what would execute them.
func Doctor(o Options) (Accel, error) {
	if _, err := newHost(o); err != nil {
		return "", err
	}
	if kvmHopeless() != nil {
		return TCG, nil
	}
	return KVM, nil
}
