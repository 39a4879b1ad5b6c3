package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source is a kernel and the folders in which its modules may be.
type source struct {
	kernel  string
	modules []string
	origin  string
	given   bool   // by the user
	sum     string // what it has to be; empty: anything
}

// find answers a kernel from the first source that has one: the given file, our
// cache, this machine, apt.
func find(ctx context.Context, o Options, s *store) (*kernel, error) {
	if o.Kernel == "" && (o.SHA256 != "" || o.Modules != "") {
		return nil, errors.New("modules and a checksum belong to a kernel that is given")
	}
	if o.Kernel != "" {
		return s.prepare(given(o))
	}
	if k := s.best(); k != nil {
		return k, nil
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k := s.best(); k != nil { // whoever held the lock has made it
		return k, nil
	}
	k, hostErr := s.host("/")
	if k != nil {
		return k, nil
	}
	k, aptErr := s.fetch(ctx)
	if k != nil {
		return k, nil
	}
	return nil, errors.Join(hostErr, aptErr)
}

// AtHand reports whether there is something to take a kernel from without a network:
// one that is given, one that is kept, or one of this machine's own.
func AtHand(o Options) bool {
	return o.Kernel != "" || (&store{o.Cache}).best() != nil || slices.ContainsFunc(hostSources("/"), (*source).usable)
}

// usable tells whether it is a kernel that we may read (Ubuntu's are root's), and has
// modules.
func (src *source) usable() bool {
	file, err := openKernel(src)
	if err != nil {
		return false
	}
	_, err = src.tree(file)
	return err == nil
}

func given(o Options) *source {
	src := &source{kernel: o.Kernel, origin: o.Kernel, given: true, sum: strings.ToLower(o.SHA256)}
	if o.Modules != "" {
		dir := filepath.Clean(o.Modules) // DIR/ is DIR, and has its name
		src.modules = []string{dir, filepath.Join(dir, "RELEASE")}
		return src
	}
	dir := filepath.Dir(o.Kernel)
	for _, root := range []string{filepath.Dir(dir), "/"} {
		src.modules = append(src.modules, moduleFolders(root)...)
	}
	src.modules = append(src.modules, filepath.Join(dir, "modules"), dir)
	return src
}

// moduleFolders are where distributions keep modules.
func moduleFolders(root string) []string {
	return []string{filepath.Join(root, "lib/modules/RELEASE"), filepath.Join(root, "usr/lib/modules/RELEASE")}
}

// prepare takes from a source what a guest needs.
func (s *store) prepare(src *source) (*kernel, error) {
	file, err := openKernel(src)
	if err != nil {
		return nil, err
	}
	t, err := src.tree(file)
	if err != nil {
		return nil, err
	}
	modules, err := t.load(file.release)
	if err != nil {
		return nil, err
	}
	return s.keep(src, file, modules)
}

func openKernel(src *source) (*kernelFile, error) {
	file, err := os.Open(src.kernel)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Unusable{src.kernel, text{"no regular file", "pas un fichier ordinaire"}, cureKernel}
	}
	if src.sum != "" {
		if err := checkSum(src); err != nil {
			return nil, err
		}
	}
	return readKernel(src.kernel, file, info.Size())
}

func checkSum(src *source) error {
	sum, err := hashFile(src.kernel)
	if err == nil && sum != src.sum {
		err = &Unusable{
			src.kernel,
			text{"its sha256 is " + sum + ", not " + src.sum, "son sha256 est " + sum + ", et non " + src.sum},
			text{"fetch it again, from where the checksum comes from", "téléchargez-le de nouveau, d'où vient cette somme"},
		}
	}
	return err
}

// tree answers the first folder that has modules.
func (src *source) tree(file *kernelFile) (*tree, error) {
	for _, pattern := range src.modules {
		dir := filepath.Join(filepath.Dir(pattern), strings.Replace(filepath.Base(pattern), "RELEASE", file.release, 1))
		if _, err := os.Stat(filepath.Join(dir, "modules.builtin")); err != nil {
			continue
		}
		return readTree(dir)
	}
	return nil, &Unusable{src.kernel, text{
		"its modules (" + file.release + ") are nowhere", "ses modules (" + file.release + ") ne sont nulle part",
	}, cureNoModules}
}

// host prepares the newest kernel of this machine that works, nil and the
// reasons if none does.
func (s *store) host(root string) (*kernel, error) {
	var errs []error
	for _, src := range hostSources(root) {
		k, err := s.prepare(src)
		if err == nil {
			return k, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// hostSources lists the kernels below root, newest release first.
func hostSources(root string) (sources []*source) {
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"} {
		paths, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is well formed
		for _, path := range paths {
			dirs := append(moduleFolders(root), filepath.Dir(path))
			sources = append(sources, &source{kernel: path, modules: dirs, origin: path})
		}
	}
	slices.SortStableFunc(sources, func(a, b *source) int { return compareReleases(b.named(), a.named()) })
	return sources
}

// named is the release by the name of the file or its folder.
func (src *source) named() string {
	if name, ok := strings.CutPrefix(filepath.Base(src.kernel), "vmlinuz-"); ok {
		return name
	}
	return filepath.Base(filepath.Dir(src.kernel))
}

// compareReleases compares texts, numbers in them by value.
func compareReleases(a, b string) int {
	for a != "" && b != "" {
		x, y := leading(a), leading(b)
		a, b = a[len(x):], b[len(y):]
		if isDigit(rune(x[0])) && isDigit(rune(y[0])) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Compare(len(x), len(y)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// leading is the number that text begins with, or what comes before one.
func leading(text string) string {
	number := isDigit(rune(text[0]))
	end := strings.IndexFunc(text, func(r rune) bool { return isDigit(r) != number })
	if end < 0 {
		return text
	}
	return text[:end]
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// foundKernel is the one kernel that was unpacked below root.
func foundKernel(root, origin string) (*source, error) {
	sources := hostSources(root)
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s: no kernel in it: %w", origin, fs.ErrNotExist)
	}
	sources[0].origin = origin
	return sources[0], nil
}
