package words

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A folder that cannot be written to is told of with the way to another.
func TestNowhereToBuild(t *testing.T) {
	cause := fmt.Errorf("stage: %w", &os.PathError{Op: "mkdir", Path: "/x", Err: syscall.EROFS})
	if err := HostFault(nil, cause); !strings.Contains(err.Error(), "set XDG_CACHE_HOME") || !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v; want the cure", err)
	}
	if err := HostFault(nil, errors.New("odd")); strings.HasSuffix(strings.TrimSpace(err.Error()), ":") {
		t.Errorf("got %q; want no empty end", err)
	}
}
