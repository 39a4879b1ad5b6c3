package image

import (
	"context"
	"errors"
	"testing"
	"time"
)

// What apt says of a full disk is about the cache, and a limit that ends it is named.
func TestAptFails(t *testing.T) {
	a := &apt{t.TempDir()}
	for text, want := range map[string]bool{"E: Write error - write (28: No space left on device)": true, "E: no such package": false} {
		err := a.run(t.Context(), nil, "sh", "-c", "echo '"+text+"' >&2; exit 100")
		if err == nil || errors.Is(err, ErrCache) != want {
			t.Errorf("%s: got %v; want it about the cache: %v", text, err, want)
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errSlowSource)
	defer cancel()
	if err := a.run(ctx, nil, "sleep", "60"); !errors.Is(err, errSlowSource) {
		t.Errorf("got %v; want %v", err, errSlowSource)
	}
}
