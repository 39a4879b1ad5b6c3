package ns

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A helper that does not come back, or leaves somebody with its output, holds nobody.
func TestHelperIsNotWaitedFor(t *testing.T) {
	for script, want := range map[string]error{"sleep 20 & wait": context.DeadlineExceeded, "echo no; exit 1": nil} {
		helper := filepath.Join(t.TempDir(), "newuidmap")
		if err := os.WriteFile(helper, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		err := help(ctx, helper, "1")
		if took := time.Since(begun); err == nil || errors.Is(err, context.DeadlineExceeded) != (want != nil) || took > 30*time.Second {
			t.Errorf("%s: %v after %v; want %v", script, err, took, want)
		}
	}
}
