package submission

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// What the cache keeps: the newest drivers, and every one used of late, because
// somebody may be about to run it.
const (
	keepDrivers = 200
	keepBytes   = 2 << 30
	keepFor     = time.Hour
)

// cache is a folder with drivers/KEY/driver, and tmp/ for what is being built.
// An executable appears by a rename, so it is whole or absent; the lock is held
// shared to install, exclusively to prune.
type cache struct{ dir string }

func (c cache) driver(key string) string { return filepath.Join(c.dir, "drivers", key, "driver") }

// find answers the executable if it is there, and marks it as used.
func (c cache) find(key string) (string, bool) {
	path := c.driver(key)
	now := time.Now()
	return path, os.Chtimes(path, now, now) == nil
}

// temp makes a private folder on the cache's own file system.
func (c cache) temp() (string, error) {
	tmp := filepath.Join(c.dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	dir, err := os.MkdirTemp(tmp, "build-")
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	return dir, nil
}

// install moves a finished executable into place, and prunes.
func (c cache) install(built, key string) (string, error) {
	path := c.driver(key)
	unlock, err := c.lock(unix.LOCK_SH)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	err = errors.Join(flush(built), os.MkdirAll(filepath.Dir(path), 0o700), os.Rename(built, path))
	unlock()
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	c.prune()
	return path, nil
}

// flush makes sure that a crash does not leave a file of the right name and no
// content.
func flush(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Chmod(0o755), file.Sync(), file.Close())
}

func (c cache) lock(how int) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(file.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}

type kept struct {
	path string
	used time.Time
	size int64
}

// prune removes what nobody has used for long, oldest first, and what builds
// that were killed have left. Whoever holds the lock is pruning, or will.
func (c cache) prune() {
	unlock, err := c.lock(unix.LOCK_EX | unix.LOCK_NB)
	if err != nil {
		return
	}
	defer unlock()
	for _, old := range list(filepath.Join(c.dir, "tmp"), "") {
		if time.Since(old.used) > keepFor {
			_ = os.RemoveAll(old.path)
		}
	}
	var size int64
	for i, d := range list(filepath.Join(c.dir, "drivers"), "driver") {
		size += d.size
		if (i >= keepDrivers || size > keepBytes) && time.Since(d.used) > keepFor {
			_ = os.RemoveAll(d.path)
		}
	}
}

// list answers the entries of dir, newest first, by the time and size of the
// file inside.
func list(dir, inside string) (all []kept) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Lstat(filepath.Join(path, inside)); err == nil {
			all = append(all, kept{path, info.ModTime(), info.Size()})
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(b.used.UnixNano(), a.used.UnixNano()) })
	return all
}
