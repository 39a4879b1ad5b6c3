package box

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// systemFolders are shown read-only, as far as the host has them. A link, as on
// merged-/usr systems, stays a link.
var systemFolders = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}

func (t *Template) bindSystem() error {
	for _, name := range systemFolders {
		source := "/" + name
		info, err := os.Lstat(source)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink != 0 {
			link, err := os.Readlink(source)
			if err == nil {
				err = os.Symlink(link, name)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := bindReadOnly(source, name); err != nil {
			return err
		}
	}
	return t.hide()
}

func bindReadOnly(source, target string) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("read-only %s: %w", source, err)
	}
	return nil
}

// hide covers folders that lie below a system folder, such as a repository
// cloned to /usr/src.
func (t *Template) hide() error {
	for _, dir := range t.cfg.Hide {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || !strings.HasPrefix(real, "/usr/") {
			continue
		}
		if err := unix.Mount("hidden", "."+real, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "size=4k"); err != nil {
			return fmt.Errorf("hide %s: %w", real, err)
		}
	}
	return nil
}

// devices are those of the exercise; all harmless.
var devices = []struct {
	name         string
	major, minor uint32
}{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

func (t *Template) makeDev() error {
	if err := os.Mkdir("dev", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("dev", "dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=64k"); err != nil {
		return err
	}
	for _, d := range devices {
		if err := t.device("dev/"+d.name, "/dev/"+d.name, d.major, d.minor); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, "dev/"+name); err != nil {
			return err
		}
	}
	for _, dir := range []string{"dev/shm", "dev/pts", "dev/mqueue"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return unix.Mount("", "dev", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NOEXEC, "")
}

// device makes a node where mknod works (real root) and binds the host's
// elsewhere.
func (t *Template) device(target, source string, major, minor uint32) error {
	err := unix.Mknod(target, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor)))
	if err == nil {
		return os.Chmod(target, 0o666)
	}
	f, err := os.Create(target)
	if err != nil {
		return err
	}
	f.Close()
	return unix.Mount(source, target, "", unix.MS_BIND, "")
}

func makeFolders() error {
	for _, dir := range append([]string{"/proc", "/sys", "/tmp", "/run", scenario.NetnsDir, scenario.ProbeDir, scenario.WorkDir}, scenario.Folders()...) {
		if err := os.Mkdir("."+dir, 0o755); err != nil {
			return err
		}
	}
	return os.Symlink("/run", "var/run")
}

func makeEtc() error {
	files := map[string]string{
		"passwd":        "root:x:0:0:root:/root:/bin/sh\ntruman:x:1000:1000:Truman:/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"group":         "root:x:0:\ntruman:x:1000:\nnogroup:x:65534:\n",
		"hosts":         "127.0.0.1 localhost\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
		"resolv.conf":   "",
		"hostname":      "seahaven\n",
	}
	if cache, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		files["ld.so.cache"] = string(cache)
	}
	for name, text := range files {
		if err := os.WriteFile("etc/"+name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyPrograms puts the binaries on the template's own tmpfs: whatever the
// host's mount options, owners and modes are, they can be executed here, and
// nothing inside can write to them.
func (t *Template) copyPrograms(opened map[string]*os.File) error {
	for target, source := range opened {
		put := copyProgram
		switch {
		case target == scenario.ProbePath && t.cfg.Shared:
			put = bindProbe
		case target == scenario.ProbePath:
			put = copyProbe
		}
		if err := put("."+target, source); err != nil {
			return err
		}
	}
	return makeTrue("." + scenario.TruePath)
}

// copyProbe copies a program that boxes may run, but not read.
func copyProbe(target string, source *os.File) error {
	if err := copyProgram(target, source); err != nil {
		return err
	}
	return os.Chmod(target, unreadable)
}

// bindProbe is copyProbe for a file that may be made so itself.
func bindProbe(target string, source *os.File) error {
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	f.Close()
	if err := os.Chmod(source.Name(), unreadable); err != nil {
		return err
	}
	if err := unix.Mount(source.Name(), target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

func copyProgram(target string, source *os.File) error {
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.NewSectionReader(source, 0, 1<<40)); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o555); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
