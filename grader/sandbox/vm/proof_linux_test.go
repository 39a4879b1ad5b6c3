package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What is kept of a proof holds for its boot and its QEMU, has an age, and can be forgotten.
func TestProof(t *testing.T) {
	cache := t.TempDir()
	file := filepath.Join(cache, proofFile)
	h, other := &host{qemu: "/bin/sh", accel: TCG}, &host{qemu: "/proc/self/exe"}
	if got, _ := h.proved(cache); got != "" {
		t.Errorf("%q is proved of nothing", got)
	}
	h.keepProof(cache)
	before := time.Now().Add(-2 * kvmRetry)
	if err := os.Chtimes(file, before, before); err != nil {
		t.Fatal(err)
	}
	if got, age := h.proved(cache); got != TCG || age < 2*kvmRetry {
		t.Errorf("got %q, %v old; want tcg, %v", got, age, 2*kvmRetry)
	}
	if got, _ := other.proved(cache); got != "" {
		t.Errorf("%q is proved of another QEMU", got)
	}
	if got, err := Doctor(Options{QEMU: h.qemu, Cache: cache}); got != TCG || err != nil {
		t.Errorf("the doctor sees %q, %v", got, err)
	}
	h.accel = "abacus"
	h.keepProof(cache)
	if got, _ := h.proved(cache); got != "" {
		t.Errorf("%q is proved", got)
	}
	for range 2 {
		if err := ForgetProof(cache); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("it is not forgotten")
	}
}
