package image

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Entry is one thing in a cache: a kernel, an image, or what others keep beside
// them, as KIND/KEY.
type Entry struct {
	Kind, Key string
	Path      string
	Bytes     int64 // on disk; memories of machines have holes
	Used      time.Time
	// Of kernels, what they are and where they came from.
	Release, Origin string
}

// Limits say what pruning leaves.
type Limits struct {
	Bytes int64         // in all; what has not been used for longest goes first
	Age   time.Duration // since the last use
	// Spare is how long after its use nothing is removed, because somebody may be
	// about to boot it.
	Spare time.Duration
	// Useless tells of what nobody will use again, however new it is; may be nil.
	Useless func(Entry) bool
}

// DefaultLimits are kept whenever an image is made.
var DefaultLimits = Limits{Bytes: 3 << 30, Age: 30 * 24 * time.Hour, Spare: time.Hour}

// unfinished are folders of things being made, or that a crash left so.
var unfinished = []string{"make-", "new-"}

// Entries lists what is in a cache, the last used first.
func Entries(cache string) ([]Entry, error) {
	all, _, err := entries(cache)
	return all, err
}

// entries also lists what is being made.
func entries(cache string) (whole, partial []Entry, err error) {
	paths, err := filepath.Glob(filepath.Join(cache, "*", "*"))
	if err != nil {
		return nil, nil, err
	}
	s := &store{cache}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() {
			continue // removed by another, or a lock
		}
		e := Entry{Kind: filepath.Base(filepath.Dir(path)), Key: filepath.Base(path), Path: path, Bytes: diskUsage(path), Used: info.ModTime()}
		if isPartial(e.Key) {
			partial = append(partial, e)
			continue
		}
		if e.Kind == kernels {
			if k := s.kernel(e.Key); k != nil {
				e.Release, e.Origin = k.Release, k.Origin
			}
		}
		whole = append(whole, e)
	}
	slices.SortFunc(whole, func(a, b Entry) int { return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.Path, b.Path)) })
	return whole, partial, nil
}

func isPartial(name string) bool {
	return slices.ContainsFunc(unfinished, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// diskUsage is what a folder takes on disk; what vanishes meanwhile takes
// nothing.
func diskUsage(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && unix.Lstat(path, &st) == nil {
			bytes += st.Blocks * 512
		}
		return nil
	})
	return bytes
}

// Prune removes from a cache what is over the limits, and what was never
// finished.
func Prune(cache string, l Limits) (removed []Entry, err error) {
	whole, partial, err := entries(cache)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var total int64
	var over []Entry
	for _, e := range whole {
		if l.Useless != nil && l.Useless(e) {
			over = append(over, e)
			continue
		}
		total += e.Bytes
		if total > l.Bytes || now.Sub(e.Used) >= l.Age {
			over = append(over, e)
		}
	}
	for _, e := range append(over, partial...) {
		if now.Sub(e.Used) < l.Spare {
			continue
		}
		if failed := remove(e.Path); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed = append(removed, e)
	}
	return removed, err
}

// remove takes a folder out of its place at once, so that nobody finds half of
// it, and then apart.
func remove(path string) error {
	gone := filepath.Join(filepath.Dir(path), unfinished[0]+"gone-"+filepath.Base(path))
	if err := os.Rename(path, gone); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return os.RemoveAll(gone)
}
