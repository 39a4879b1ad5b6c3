// Package build turns a submission into a driver executable: it compiles a copy
// together with our shim, where a stranger's text can do no harm, and keeps the
// result by content.
//
// It says whether a submission builds, in its compiler's words, and whose fault
// it is if not. It never runs what it builds.
package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"moulinette/grader/build/cache"
	"moulinette/grader/build/cell"
	"moulinette/grader/build/words"
	"moulinette/grader/submission"
)

// Builder builds drivers. Its fields are set before the first Build; several
// goroutines, and several processes with the same cache, may build at once.
type Builder struct {
	Cache   string        // folder that is ours; made if missing
	Sources fs.FS         // holds the folders contract, scenario and driver of the grader
	Go      string        // the go command; empty: "go" of the PATH
	Timeout time.Duration // of one compilation; 0: two minutes, and five for text of our own
	Run     cell.Runner   // executes the go command; nil: here, without a sandbox
	CC      string        // the C compiler; empty: gcc, cc or clang of the PATH
	Jail    string        // a binary with the face [jail.Face], in which compilers run; empty: here
	Hide    []string      // folders that compilers in the jail do not see, even below a system folder

	once      sync.Once
	toolchain toolchain
	toolErr   error

	onceCache sync.Once
	cache     cache.Folder
	cacheErr  error

	onceC sync.Once
	cTool cTool
	cErr  error
}

// Driver is an executable to be run in a box.
type Driver struct {
	Path   string // in the cache; stays for at least an hour
	Key    string // of all that it was built from
	Cached bool   // it had been built before
	Object string // of a submission in C: what was compiled of it alone
}

// Build compiles a submission with our shim. The error is a
// [*submission.BuildError] if the submission is at fault; any other is the host's
// or ours.
func (b *Builder) Build(ctx context.Context, s *submission.Submission) (d *Driver, err error) {
	defer func() { err = words.Cured(err) }()
	if s.Language == submission.C17 {
		return b.buildC(ctx, s)
	}
	b.once.Do(func() { b.toolErr = b.prepare(ctx) })
	if b.toolErr != nil {
		return nil, b.toolErr
	}
	staged, err := b.stage(s)
	if err != nil {
		return nil, err
	}
	key := staged.key(b.toolchain.version, runtime.GOARCH)
	if path, ok := b.cache.Find(key); ok {
		return &Driver{Path: path, Key: key, Cached: true}, nil
	}
	path, err := b.judged(ctx, s, staged, key)
	if err != nil {
		return nil, err
	}
	return &Driver{Path: path, Key: key}, nil
}

// prepare finds out once what all builds need.
func (b *Builder) prepare(ctx context.Context) error {
	if err := b.place(); err != nil {
		return err
	}
	var err error
	b.toolchain, err = b.findTool(ctx)
	return err
}

// place finds out where the cache is.
func (b *Builder) place() error {
	b.onceCache.Do(func() {
		var dir string
		if dir, b.cacheErr = filepath.Abs(b.Cache); b.cacheErr != nil {
			b.cacheErr = fmt.Errorf("cache: %w", b.cacheErr)
			return
		}
		b.cache = cache.Folder{Dir: dir}
		b.cacheErr = b.cache.Claim()
	})
	return b.cacheErr
}

// judged compiles, and finds out whose fault a failure is. Where the compiler's
// words do not tell (it ran out of time or memory, was killed, or is broken) a
// submission that does nothing is compiled: if that goes well, and the second
// try with the caches then warm does not, it is not the host's fault.
func (b *Builder) judged(ctx context.Context, s *submission.Submission, st staged, key string) (string, error) {
	b.ready(ctx, s)
	path, output, err := b.compile(ctx, st, key)
	if err == nil || ctx.Err() != nil || errors.Is(err, errModules) {
		return path, err
	}
	if explained := words.Explain(s, output); explained != nil {
		return "", explained
	}
	if err := b.warm(ctx); err != nil {
		return "", err
	}
	path, output, err = b.compile(ctx, st, key)
	if err == nil || ctx.Err() != nil {
		return path, err
	}
	if explained := words.Explain(s, output); explained != nil {
		return "", explained
	}
	return "", words.Unexplained(output, err)
}

// warm compiles a submission that does nothing, and so all that submissions
// need. It fails if no submission can be built on this host.
func (b *Builder) warm(ctx context.Context) error {
	b.once.Do(func() { b.toolErr = b.prepare(ctx) })
	if b.toolErr != nil {
		return b.toolErr
	}
	output, err := b.ownText(ctx, usual, func(dir string) []string { return []string{"-o", filepath.Join(dir, "driver"), "."} })
	if err != nil {
		return words.HostFault(output, err)
	}
	return nil
}

// ownText builds a text of ours that imports packages, into the build cache.
func (b *Builder) ownText(ctx context.Context, imports []string, args func(dir string) []string) ([]byte, error) {
	s, err := submission.FromFiles("", submission.Files{"nothing.go": nothing(imports)})
	if err != nil {
		return nil, err
	}
	st, err := b.stage(s)
	if err != nil {
		return nil, err
	}
	dir, remove, err := b.cache.Temp()
	if err != nil {
		return nil, err
	}
	defer remove()
	return b.build(ctx, st, dir, true, args(dir)...)
}

// usual is what submissions import.
var usual = []string{"github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/net/bpf", "golang.org/x/sys/unix"}

// nothing is a submission that does nothing but import.
func nothing(imports []string) []byte {
	var lines strings.Builder
	for _, name := range imports {
		fmt.Fprintf(&lines, "\t_ %q\n", name)
	}
	return fmt.Appendf(nil, "package student\n\nimport (\n%s\n\t\"moulinette/grader/contract\"\n)\n\n%s", lines.String(),
		"func New() contract.Runtime { return contract.Unimplemented{} }\n")
}

// compile builds in a private folder, which is gone afterwards, and installs.
func (b *Builder) compile(ctx context.Context, st staged, key string) (path string, output []byte, err error) {
	dir, remove, err := b.cache.Temp()
	if err != nil {
		return "", nil, err
	}
	defer remove()
	driver := filepath.Join(dir, "driver")
	if output, err = b.build(ctx, st, dir, false, "-o", driver, "."); err != nil {
		return "", output, err
	}
	path, err = b.cache.Install(driver, key)
	return path, output, err
}

// build stages a module in dir and builds it, with the modules that the host may
// lack.
func (b *Builder) build(ctx context.Context, st staged, dir string, ownText bool, args ...string) ([]byte, error) {
	if err := st.write(filepath.Join(dir, "module")); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	output, err := b.goBuild(ctx, dir, ownText, args...)
	if err != nil && lacksModules(output) {
		if err := b.fetch(ctx, dir); err != nil {
			return output, err
		}
		output, err = b.goBuild(ctx, dir, ownText, args...)
	}
	if err != nil {
		return output, fmt.Errorf("go build: %w", err)
	}
	return output, nil
}
