package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// kvmRetry is how long it is believed that KVM has not proved itself: the host may
// only have been busy.
const kvmRetry = 10 * time.Minute

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
	proved, age := h.proved(o.Cache)
	if proved == KVM || proved == TCG && age < kvmRetry {
		h.accel = proved
		return nil
	}
	if h.prove(ctx, img) == nil {
		h.accel = KVM
	}
	if ctx.Err() != nil { // a proof that was broken off proves nothing
		return context.Cause(ctx)
	}
	h.keepProof(o.Cache)
	return nil
}

// proofFile is where it is kept in the cache.
const proofFile = "kvm"

// question is what has to be proved: for this boot and this QEMU.
func (h *host) question() string { return fmt.Sprintf("%s %s: ", bootID(), fingerprint(h.qemu)) }

// proved tells what has executed a guest here, and how long ago; nothing, if that is not
// known.
func (h *host) proved(cache string) (Accel, time.Duration) {
	file := filepath.Join(cache, proofFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", 0
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", 0
	}
	accel, ok := bytes.CutPrefix(text, []byte(h.question()))
	if a := Accel(accel); ok && (a == KVM || a == TCG) {
		return a, time.Since(info.ModTime())
	}
	return "", 0
}

// keepProof keeps that it is h.accel. Should it not be kept, it will be asked again.
func (h *host) keepProof(cache string) {
	_ = os.WriteFile(filepath.Join(cache, proofFile), []byte(h.question()+string(h.accel)), 0o600)
}

// ForgetProof has KVM prove itself once more.
func ForgetProof(cache string) error {
	if err := os.Remove(filepath.Join(cache, proofFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
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

// prove boots a guest on KVM, as the user that machines run as.
func (h *host) prove(ctx context.Context, img *image.Image) error {
	if err := kvmHopeless(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, kvmPatience)
	defer cancel()
	by := &host{qemu: h.qemu, accel: KVM, users: h.users}
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
// what executes them: what has last done so, or nothing where KVM has not been tried yet.
func Doctor(o Options) (Accel, error) {
	h, err := newHost(o)
	if err != nil {
		return "", err
	}
	if kvmHopeless() != nil {
		return TCG, nil
	}
	proved, _ := h.proved(o.Cache)
	return proved, nil
}
