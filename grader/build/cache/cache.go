// Package cache keeps what was built, by a key of all that it was built from, and
// lends folders to build in. Several processes may use one cache at once.
//
// It does not know what a key is made of, nor what it keeps.
package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"moulinette/grader/lack"

	"golang.org/x/sys/unix"
)

// What the cache keeps: the newest drivers, and every one used of late, because
// somebody may be about to run it.
const (
	keepDrivers = 400
	keepBytes   = 2 << 30
	keepFor     = time.Hour
)

// Folder is a folder with drivers/KEY/driver, and tmp/ for what is being built.
// An executable appears by a rename, so it is whole or absent; the lock is held
// to install and to prune.
type Folder struct {
	Dir string // made by Claim if missing
}

func (f Folder) driver(key string) string { return filepath.Join(f.Dir, "drivers", key, "driver") }

// Claim makes the folder if it is missing, refuses one that somebody else could
// put a driver into, and sweeps it.
func (f Folder) Claim() error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(f.Dir, &st); err != nil {
		return fmt.Errorf("cache: stat %s: %w", f.Dir, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return &lack.Error{
			EN: fmt.Sprintf("cache: %s belongs to user %d, and not to user %d who grades; set XDG_CACHE_HOME to a folder of your own", f.Dir, st.Uid, os.Geteuid()),
			FR: fmt.Sprintf("cache : %s appartient à l'utilisateur %d, et non à l'utilisateur %d qui corrige ; donnez à XDG_CACHE_HOME un dossier à vous", f.Dir, st.Uid, os.Geteuid()),
		}
	}
	if st.Mode&0o022 != 0 {
		return &lack.Error{
			EN: fmt.Sprintf("cache: others may write to %s; take that away: chmod go-w %s", f.Dir, f.Dir),
			FR: fmt.Sprintf("cache : d'autres peuvent écrire dans %s ; retirez-leur ce droit : chmod go-w %s", f.Dir, f.Dir),
		}
	}
	f.sweep()
	return nil
}

// Find answers the executable if it is there and is what was installed, and
// marks it as used.
func (f Folder) Find(key string) (string, bool) {
	path := f.driver(key)
	want, err := os.ReadFile(path + sumSuffix)
	if err != nil {
		return path, false
	}
	if sum, err := sumOf(path); err != nil || sum != string(want) {
		return path, false
	}
	now := time.Now()
	return path, os.Chtimes(path, now, now) == nil
}

// sumSuffix names the file that holds the hash of a driver: what was damaged
// since, by a full disk or by whoever may write here, is built anew.
const sumSuffix = ".sha256"

func sumOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Temp makes a private folder on the cache's own file system. It is locked until
// it is removed: the kernel unlocks what a killed grader leaves.
func (f Folder) Temp() (dir string, remove func(), err error) {
	unlock, err := f.lock(unix.LOCK_EX)
	if err != nil {
		return "", nil, fmt.Errorf("cache: %w", err)
	}
	defer unlock()
	tmp := filepath.Join(f.Dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return "", nil, fmt.Errorf("cache: %w", err)
	}
	if dir, err = os.MkdirTemp(tmp, "build-"); err != nil {
		return "", nil, fmt.Errorf("cache: %w", err)
	}
	held, err := lockFolder(dir)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("cache: %w", err), os.RemoveAll(dir))
	}
	return dir, func() { _ = os.RemoveAll(dir); _ = held.Close() }, nil
}

// lockFolder fails if somebody holds it.
func lockFolder(dir string) (*os.File, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// sweep removes what builds that were killed have left. Whoever holds the
// cache's lock is about to make such a folder.
func (f Folder) sweep() {
	unlock, err := f.lock(unix.LOCK_EX)
	if err != nil {
		return
	}
	defer unlock()
	for _, left := range list(filepath.Join(f.Dir, "tmp"), "") {
		if file, err := lockFolder(left.path); err == nil {
			_ = os.RemoveAll(left.path)
			_ = file.Close()
		}
	}
}

// Install moves a finished executable into place, and prunes.
func (f Folder) Install(built, key string) (string, error) {
	path := f.driver(key)
	unlock, err := f.lock(unix.LOCK_EX)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	err = f.put(built, path)
	unlock()
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	f.prune()
	return path, nil
}

func (f Folder) put(built, path string) error {
	sum, err := sumOf(built)
	if err != nil {
		return err
	}
	if err := errors.Join(flush(built), os.MkdirAll(filepath.Dir(path), 0o700)); err != nil {
		return err
	}
	if err := os.WriteFile(path+sumSuffix, []byte(sum), 0o600); err != nil {
		return err
	}
	return os.Rename(built, path)
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

func (f Folder) lock(how int) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(f.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
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

// prune removes what nobody has used for long, oldest first. Whoever holds the
// lock is pruning, or will.
func (f Folder) prune() {
	unlock, err := f.lock(unix.LOCK_EX | unix.LOCK_NB)
	if err != nil {
		return
	}
	defer unlock()
	var size int64
	for i, d := range list(filepath.Join(f.Dir, "drivers"), "driver") {
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
