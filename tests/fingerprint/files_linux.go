package fingerprint

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// system are folders that no test writes to.
var system = []string{"/etc", "/boot", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin"}

// shallow are folders of which the entries count, and not what is below.
var shallow = []string{"/", "/usr", "/usr/local", "/var", "/run", "/opt", "/srv", "/mnt", "/media", "/home", "/lib/modules"}

// deepest bounds how far below the root a folder may lie: what a program is made
// of lies above, and documentation, headers and debug data by the thousand below.
const deepest = 5

// systemFiles takes what changes whenever a file does: its size, its inode and
// the time of its last change, which nobody but the kernel sets. One fact stands
// for a folder, as there are tens of thousands of files.
func systemFiles(Place) (map[string]string, error) {
	facts := map[string]string{}
	for _, root := range system {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return nil // /boot need not exist
			}
			if strings.Count(path, "/") > deepest {
				return fs.SkipDir
			}
			facts[path], err = folder(path, true)
			if errors.Is(err, fs.ErrPermission) {
				return fs.SkipDir // not root's business
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, dir := range shallow {
		if text, err := folder(dir, false); err == nil {
			facts[dir+" itself"] = text
		}
	}
	return facts, nil
}

// folder sums up the entries of a folder: whole with sizes and times, or their
// names, kinds and modes alone.
func folder(dir string, whole bool) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(dir, e.Name()), &st) != nil {
			continue
		}
		fmt.Fprintf(sum, "%q %o %d %d %d\n", e.Name(), st.Mode, st.Uid, st.Gid, st.Ino)
		if whole {
			fmt.Fprintf(sum, "%d %d %d %d\n", st.Size, st.Nlink, st.Mtim.Nano(), st.Ctim.Nano())
		}
	}
	return fmt.Sprintf("%d entries, %x", len(entries), sum.Sum(nil)[:8]), nil
}

// repository is the content of every file that git tracks; where there is no git, or
// this is none of its checkouts, of every file.
func repository(p Place) (map[string]string, error) {
	if p.Repository == "" {
		return nil, nil
	}
	names, err := tracked(p.Repository)
	if err != nil {
		names, err = all(p.Repository)
	}
	facts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(p.Repository, name))
		if err != nil {
			continue // deleted, and not committed yet
		}
		facts[name] = fmt.Sprintf("%x", sha256.Sum256(text))
	}
	return facts, err
}

// tracked are the files that git tracks in a folder.
func tracked(dir string) ([]string, error) {
	out, err := exec.Command("git", "-c", "safe.directory=*", "-C", dir, "ls-files", "-z").Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// all are the files below a folder, but for what is built there.
func all(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case name == "bin":
			return fs.SkipDir
		case e.Type().IsRegular():
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// scratch is what lies in the folders that a grading writes to.
func scratch(p Place) (map[string]string, error) {
	facts := map[string]string{}
	for _, root := range p.Scratch {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			facts[path] = info.Mode().String()
			if !info.Mode().IsRegular() {
				return nil
			}
			text, err := os.ReadFile(path)
			facts[path] += fmt.Sprintf(" %x", sha256.Sum256(text))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return facts, nil
}
