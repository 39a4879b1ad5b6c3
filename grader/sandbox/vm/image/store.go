package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// layout is part of every key: what is made from the same files may change with
// this package.
const layout = "moulinette image 2"

// store is our cache:
//
//	kernels/KEY/{kernel,about.json,modules/}   taken from a kernel and its modules
//	images/KEY/initrd                          made of that and the agent
//	tmp/                                       what is being made
//	lock                                       held by who makes a kernel
//
// Folders appear by a rename, so they are whole or absent. The time of a folder
// is when it was last used.
type store struct{ dir string }

func openStore(dir string) (*store, error) {
	if dir == "" {
		return nil, errors.New("image: no cache folder")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, inCache(err)
	}
	for _, sub := range []string{kernels, images, "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, inCache(err)
		}
	}
	return &store{dir}, nil
}

// ErrCache is in an error that is about the cache, and not about what is to be kept there.
var ErrCache = errors.New("cache")

func inCache(err error) error { return fmt.Errorf("%w: %w", ErrCache, err) }

// Folders of the store.
const (
	kernels = "kernels"
	images  = "images"
)

const aboutFile = "about.json"

// about is what about.json says of a kernel.
type about struct {
	Layout  string    `json:"layout"`
	Release string    `json:"release"`
	Origin  string    `json:"origin"`
	Given   bool      `json:"given"` // by --kernel: not for others
	Made    time.Time `json:"made"`
	Order   []string  `json:"order"` // of modules
}

func (a about) write(path string) error {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return write(path, text)
}

// kernel is one of the store.
type kernel struct {
	about
	key string
	dir string
}

func (k *kernel) path() string { return filepath.Join(k.dir, "kernel") }

// kernel answers the kernel of that key, nil if it is not there.
func (s *store) kernel(key string) *kernel {
	k := &kernel{key: key, dir: filepath.Join(s.dir, kernels, key)}
	text, err := os.ReadFile(filepath.Join(k.dir, aboutFile))
	if err != nil || json.Unmarshal(text, &k.about) != nil || k.Layout != layout {
		return nil
	}
	return k
}

// best answers the newest release that this machine's user did not hand to one
// grading only, nil if there is none.
func (s *store) best() *kernel {
	entries, err := os.ReadDir(filepath.Join(s.dir, kernels))
	if err != nil {
		return nil
	}
	var best *kernel
	for _, e := range entries {
		if isPartial(e.Name()) { // left so by somebody who removed it
			continue
		}
		k := s.kernel(e.Name())
		if k != nil && !k.Given && (best == nil || compareReleases(k.Release, best.Release) > 0) {
			best = k
		}
	}
	return best
}

// keep puts a kernel with its modules into the store.
func (s *store) keep(src *source, file *kernelFile, modules []*module) (*kernel, error) {
	sum, err := hashFile(file.path)
	if err != nil {
		return nil, err
	}
	key := kernelKey(sum, modules)
	if k := s.kernel(key); k != nil {
		return k, s.share(k, src)
	}
	tmp, err := s.temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	what := about{Layout: layout, Release: file.release, Origin: src.origin, Given: src.given, Made: time.Now().UTC()}
	if err := fill(tmp, file, modules, what); err != nil {
		if _, damaged := errors.AsType[*Unusable](err); !damaged {
			err = inCache(err)
		}
		return nil, err
	}
	if err := s.publish(tmp, kernels, key); err != nil {
		return nil, err
	}
	if k := s.kernel(key); k != nil {
		return k, nil
	}
	return nil, inCache(fmt.Errorf("%s/%s: gone", kernels, key))
}

// share makes a kernel that was given once one for everybody, when src has it for everybody.
func (s *store) share(k *kernel, src *source) error {
	if !k.Given || src.given {
		return nil
	}
	tmp, err := s.temp()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	k.Given, k.Origin = false, src.origin
	made := filepath.Join(tmp, aboutFile)
	if err := k.write(made); err != nil {
		return inCache(err)
	}
	if err := os.Rename(made, filepath.Join(k.dir, aboutFile)); err != nil {
		return inCache(err)
	}
	return nil
}

func kernelKey(kernel string, modules []*module) string {
	h := sha256.New()
	fmt.Fprintln(h, layout, kernel)
	for _, m := range modules {
		fmt.Fprintf(h, "%s %x\n", m.name, m.sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fill makes the folder of a kernel.
func fill(dir string, file *kernelFile, modules []*module, what about) error {
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o700); err != nil {
		return err
	}
	for _, m := range modules {
		what.Order = append(what.Order, m.name)
		if err := write(filepath.Join(dir, "modules", m.file()), m.data); err != nil {
			return err
		}
	}
	if err := extractFile(file, filepath.Join(dir, "kernel")); err != nil {
		return err
	}
	return what.write(filepath.Join(dir, aboutFile))
}

func extractFile(k *kernelFile, path string) error {
	src, err := os.Open(k.path)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	return create(path, func(dst *os.File) error { return k.extract(src, info.Size(), dst) })
}

// image answers the image of a kernel and an agent.
func (s *store) image(k *kernel, agent []byte) (*Image, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %x", layout, k.key, sha256.Sum256(agent)))
	key := hex.EncodeToString(sum[:])
	made := &Image{
		Kernel: k.path(), Initrd: filepath.Join(s.dir, images, key, "initrd"),
		Release: k.Release, Origin: k.Origin, Key: key,
	}
	now := time.Now()
	_ = os.Chtimes(k.dir, now, now)
	if os.Chtimes(filepath.Dir(made.Initrd), now, now) == nil {
		return made, nil
	}
	tmp, err := s.temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	modules, err := k.modules()
	if err != nil {
		return nil, inCache(err)
	}
	err = create(filepath.Join(tmp, "initrd"), func(f *os.File) error { return writeInitrd(f, agent, modules) })
	if err != nil {
		return nil, inCache(err)
	}
	if err := s.publish(tmp, images, key); err != nil {
		return nil, err
	}
	_, _ = Prune(s.dir, DefaultLimits) // what cannot be removed now is tried again
	return made, nil
}

func (k *kernel) modules() ([]*module, error) {
	modules := make([]*module, 0, len(k.Order))
	for _, name := range k.Order {
		m := &module{name: name}
		data, err := readFile(filepath.Join(k.dir, "modules", m.file()), maxModule)
		if err != nil {
			return nil, err
		}
		m.data = data
		modules = append(modules, m)
	}
	return modules, nil
}

func (s *store) temp() (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(s.dir, "tmp"), "make-")
	if err != nil {
		return "", inCache(err)
	}
	return dir, nil
}

// publish moves a finished folder to its place. Whoever comes second has made
// the same, and leaves it.
func (s *store) publish(made, kind, key string) error {
	err := os.Rename(made, filepath.Join(s.dir, kind, key))
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return inCache(err)
}

// lock lets one process at a time look for a kernel: the second finds what the
// first has fetched.
func (s *store) lock(ctx context.Context) (unlock func(), err error) {
	return Lock(ctx, filepath.Join(s.dir, "lock"))
}

// Lock takes an exclusive lock on a file of the cache, which ends with us (flock(2)). It
// waits for whoever has it, but no longer than ctx lasts.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, inCache(err)
	}
	var failed error
	waited := make(chan struct{})
	go func() { failed = flock(file, unix.LOCK_EX); close(waited) }()
	select {
	case <-waited:
	case <-ctx.Done():
		go func() { <-waited; file.Close() }()
		return nil, context.Cause(ctx)
	}
	if failed != nil {
		return nil, errors.Join(inCache(failed), file.Close())
	}
	return func() { file.Close() }, nil
}

func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// write makes a private file that a crash does not leave half written.
func write(path string, data []byte) error {
	return create(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func create(path string, fill func(*os.File) error) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := fill(file); err != nil {
		file.Close()
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
