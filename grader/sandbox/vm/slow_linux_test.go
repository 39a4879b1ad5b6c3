package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
)

// A machine that was not ready in time is told of as that, once, and what ends for
// another reason is not.
func TestSlowHost(t *testing.T) {
	late, cancel := context.WithTimeoutCause(t.Context(), 0, errSlowHost)
	defer cancel()
	<-late.Done()
	err := slowHost(late, slowHost(late, late.Err()))
	if want := errSlowHost.Error() + " (context deadline exceeded)"; err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want %s", err, want)
	}
	if err := slowHost(t.Context(), fmt.Errorf("qemu: %w", os.ErrDeadlineExceeded)); !errors.Is(err, errSlowHost) {
		t.Errorf("QEMU was not ready in time: %v", err)
	}
	if err := slowHost(late, nil); err != nil {
		t.Error(err)
	}
	if other := errors.New("no room"); !errors.Is(slowHost(t.Context(), other), other) {
		t.Error("another reason has become slowness")
	}
}
