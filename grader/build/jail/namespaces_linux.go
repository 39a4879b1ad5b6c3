package jail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolate asks for namespaces of the command's own.
func isolate(attr *syscall.SysProcAttr) {
	attr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	// Without a Credential it would be nobody, and lose its capabilities at execve.
	attr.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// namespaces puts a root together and moves into it.
func (p Plan) namespaces() []step {
	return []step{
		{"root", p.makeRoot},
		{"system folders", func() error { return bindSystem(p.Args[0]) }},
		{"hidden folders", p.cover},
		{"devices", func() error { return bind("/dev/null", "dev/null", true) }},
		{"temporary folder", func() error { return mountTemp("tmp") }},
		{"folders", p.bindFolders},
		{"proc", mountProc},
		{"pivot_root", pivot},
		{"privileges", disarm},
	}
}

func (p Plan) makeRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("jail", p.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return err
	}
	return os.Chdir(p.Root)
}

// system is what a compiler needs of the host, as far as it is there.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
}

// systemFor adds the folder of a compiler that stands elsewhere.
func systemFor(compiler string) []string {
	top := "/" + strings.Split(strings.TrimPrefix(compiler, "/"), "/")[0]
	if slices.Contains([]string{"/opt", "/nix", "/gnu"}, top) {
		return append(slices.Clone(system), top)
	}
	return system
}

// Sees tells whether a compiler stands where it is shown without being asked for.
func Sees(compiler string) bool {
	return slices.ContainsFunc(systemFor(compiler), func(dir string) bool { return below(compiler, dir) })
}

func bindSystem(compiler string) error {
	for _, source := range systemFor(compiler) {
		info, err := os.Lstat(source)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink != 0 {
			link, err := os.Readlink(source)
			if err == nil {
				err = os.Symlink(link, "."+source)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := bind(source, "."+source, false); err != nil {
			return err
		}
	}
	return nil
}

func (p Plan) bindFolders() error {
	for _, f := range p.Folders {
		if err := bind(f.Host, "."+filepath.Clean(f.inside()), f.Write); err != nil {
			return err
		}
	}
	return nil
}

// bind shows a file or folder of the host. What it is mounted on may be there
// already, below another folder that is shown.
func bind(source, target string, write bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if _, err := os.Stat(target); err != nil {
		if err := mountPoint(target, info.IsDir()); err != nil {
			return err
		}
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	if write {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("read-only %s: %w", source, err)
	}
	return nil
}

func mountPoint(target string, isDir bool) error {
	if isDir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, nil, 0o644)
}

func mountTemp(target string) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmp", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700,size=128m")
}

// mountProc shows the jail's own processes: some compilers look there for where
// they stand. Others do without, so what refuses it is no reason to stop. It is
// read-only, for to the kernel's settings root is root without any capability.
func mountProc() error {
	if err := os.Mkdir("proc", 0o755); err != nil {
		return err
	}
	_ = unix.Mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "")
	return nil
}

func pivot() error {
	if err := os.Mkdir("old", 0o755); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "old"); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Unmount("/old", unix.MNT_DETACH)
}
