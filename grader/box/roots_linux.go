package box

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// rootFolders is what a freshly debootstrapped root has at its top.
var rootFolders = []string{"bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var"}

// makeRoots fills the fresh /work, from outside and before anything of the
// submission has been near: plain paths are safe. The tmpfs belongs to the
// template's side, so that device files work on it.
func (b *Box) makeRoots(roots []scenario.Root) error {
	if err := b.own(b.path(scenario.WorkDir)); err != nil {
		return err
	}
	for _, r := range roots {
		if err := b.makeRoot(r); err != nil {
			return fmt.Errorf("root %s: %w", r.Path, err)
		}
	}
	return nil
}

// path is where the agent finds what the box has below /work.
func (b *Box) path(inside string) string {
	return fmt.Sprintf("/proc/self/fd/%d%s", b.work.Fd(), strings.TrimPrefix(inside, scenario.WorkDir))
}

func (b *Box) makeRoot(r scenario.Root) error {
	rel, err := filepath.Rel(scenario.WorkDir, r.Path)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return fmt.Errorf("must lie below %s", scenario.WorkDir)
	}
	if err := b.mkdirs(r.Path); err != nil {
		return err
	}
	for _, name := range rootFolders {
		if slices.Contains(r.Without, name) {
			continue
		}
		if err := b.mkdirs(filepath.Join(r.Path, name)); err != nil {
			return err
		}
	}
	files := map[string]string{
		"etc/hostname":   "debian\n",
		"etc/os-release": "ID=debian\nPRETTY_NAME=\"Seahaven GNU/Linux\"\n",
		"etc/passwd":     "root:x:0:0:root:/root:/bin/sh\n",
		"etc/group":      "root:x:0:\n",
	}
	for name, text := range files {
		if slices.Contains(r.Without, "etc") {
			break
		}
		path := b.path(filepath.Join(r.Path, name))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		if err := b.own(path); err != nil {
			return err
		}
	}
	return b.equip(b.path(r.Path))
}

// equip gives a root our probe and a socket to check in at. Both belong to the
// outside: where the box has ids of its own, nobody inside can write to them.
func (b *Box) equip(root string) error {
	dir := root + scenario.ProbeDir
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := copyProgram(root+scenario.ProbePath, b.t.self); err != nil {
		return err
	}
	if err := os.Chmod(root+scenario.ProbePath, unreadable); err != nil {
		return err
	}
	if err := makeTrue(root + scenario.TruePath); err != nil {
		return err
	}
	inode, err := inodeOf(root + scenario.ProbePath)
	if err != nil {
		return err
	}
	b.Copies = append(b.Copies, inode)
	l, err := listenAt(root + scenario.ProbeSocket)
	if err != nil {
		return err
	}
	b.Sockets = append(b.Sockets, l)
	return nil
}

// listenAt makes a unix socket that anybody may connect to.
func listenAt(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then the path means something else
	return l, os.Chmod(path, 0o777)
}

// mkdirs makes path and the folders above it, all owned by the box's root.
func (b *Box) mkdirs(path string) error {
	made := scenario.WorkDir
	for part := range strings.SplitSeq(strings.TrimPrefix(path, scenario.WorkDir+"/"), "/") {
		made = filepath.Join(made, part)
		if err := os.Mkdir(b.path(made), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := b.own(b.path(made)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Box) own(path string) error {
	if b.t.first == 0 || b.real {
		return nil
	}
	return unix.Chown(path, b.t.first, b.t.first)
}
