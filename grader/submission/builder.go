package submission

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Builder builds drivers. Its fields are set before the first Build; several
// goroutines, and several processes with the same cache, may build at once.
type Builder struct {
	Cache   string        // folder that is ours; made if missing
	Sources fs.FS         // holds the folders contract, scenario and driver of the grader
	Go      string        // the go command; empty: "go" of the PATH
	Timeout time.Duration // of one compilation; 0: two minutes
	Run     Runner        // executes the go command; nil: here, without a sandbox

	once      sync.Once
	toolchain toolchain
	toolErr   error
}

// Driver is an executable to be run in a box.
type Driver struct {
	Path   string // in the cache; stays for at least an hour
	Key    string // of all that it was built from
	Cached bool   // it had been built before
}

// Build compiles a submission with our shim. The error is a [*BuildError] if the
// submission is at fault; any other is the host's or ours.
func (b *Builder) Build(ctx context.Context, s *Submission) (*Driver, error) {
	tool, err := b.tool(ctx)
	if err != nil {
		return nil, err
	}
	staged, err := b.stage(s)
	if err != nil {
		return nil, err
	}
	c := cache{dir: b.Cache}
	key := staged.key(tool.version, runtime.GOARCH)
	if path, ok := c.find(key); ok {
		return &Driver{Path: path, Key: key, Cached: true}, nil
	}
	path, err := b.compile(ctx, s, staged, key)
	if err != nil {
		return nil, err
	}
	return &Driver{Path: path, Key: key}, nil
}

// compile builds in a private folder, which is gone afterwards, and installs.
func (b *Builder) compile(ctx context.Context, s *Submission, staged staged, key string) (string, error) {
	c := cache{dir: b.Cache}
	dir, err := c.temp()
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := staged.write(filepath.Join(dir, "module")); err != nil {
		return "", fmt.Errorf("stage: %w", err)
	}
	if err := b.goBuild(ctx, s, dir); err != nil {
		return "", err
	}
	return c.install(filepath.Join(dir, "driver"), key)
}
