// Package jail runs a compiler where it sees the host's system folders,
// read-only, and one folder of its own, and nothing else: a compiler opens
// whatever a stranger's text tells it to.
//
// It knows nothing of submissions. One half prepares a command; the other is the
// face of our static binary that this command executes, which closes the doors
// and becomes the compiler.
package jail

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Face is the name under which our binary is the jail.
const Face = "moulinette-jail"

// Mark begins what the jail itself has to say: a fault of the host.
const Mark = "jail: "

// Work is where the compiler finds its folder.
const Work = "/work"

// Plan says what to run.
type Plan struct {
	Dir  string   `json:"dir"` // of the host; holds work, which is shown, and root, an empty folder
	Args []string `json:"args"`
	Env  []string `json:"env"`
}

// Limits of each process: a text of a few lines can ask for any amount.
const (
	maxMemory  = 2 << 30
	maxFile    = 64 << 20
	maxSeconds = 30
)

// Command prepares the run of a plan by self, a binary that has the face.
func Command(ctx context.Context, self string, p Plan) (*exec.Cmd, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("jail: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = []string{Face, string(text)}
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		// Without a Credential it would be nobody, and lose its capabilities at execve.
		Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Setpgid:     true,
		Pdeathsig:   syscall.SIGKILL,
	}
	return cmd, nil
}

// Main is the face: it returns only if it has not become the compiler.
func Main(args []string) int {
	var p Plan
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, Mark+"this program is started by moulinette, not by hand")
		return 125
	}
	if err := json.Unmarshal([]byte(args[1]), &p); err != nil {
		fmt.Fprintln(os.Stderr, Mark+err.Error())
		return 125
	}
	fmt.Fprintln(os.Stderr, Mark+enter(p).Error())
	return 125
}

func enter(p Plan) error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"root", func() error { return makeRoot(p) }},
		{"system folders", func() error { return bindSystem(p.Args[0]) }},
		{"work", func() error { return bind(filepath.Join(p.Dir, "work"), "work", false) }},
		{"devices", makeDev},
		{"temporary folder", func() error { return mountTemp("tmp") }},
		{"proc", mountProc},
		{"pivot_root", pivot},
		{"limits", limit},
		{"execute", func() error { return syscall.Exec(p.Args[0], p.Args, p.Env) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func makeRoot(p Plan) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	root := filepath.Join(p.Dir, "root")
	if err := unix.Mount("jail", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return err
	}
	return os.Chdir(root)
}

// system is what a compiler needs of the host, as far as it is there.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
}

// bindSystem shows them; and the folder of a compiler that stands elsewhere.
func bindSystem(compiler string) error {
	shown := system
	if top := "/" + strings.Split(strings.TrimPrefix(compiler, "/"), "/")[0]; slices.Contains([]string{"/opt", "/nix", "/gnu"}, top) {
		shown = append(slices.Clone(shown), top)
	}
	for _, source := range shown {
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
		if err := bind(source, "."+source, true); err != nil {
			return err
		}
	}
	return nil
}

func bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if info.IsDir() {
		err = os.Mkdir(target, 0o755)
	} else {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	if !readOnly {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("read-only %s: %w", source, err)
	}
	return nil
}

func makeDev() error { return bind("/dev/null", "dev/null", false) }

func mountTemp(target string) error {
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmp", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700,size=128m")
}

// mountProc shows the jail's own processes: some compilers look there for where
// they stand. Others do without, so what refuses it is no reason to stop.
func mountProc() error {
	if err := os.Mkdir("proc", 0o755); err != nil {
		return err
	}
	_ = unix.Mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
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
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir(Work)
}

func limit() error {
	for resource, most := range map[int]uint64{
		unix.RLIMIT_AS: maxMemory, unix.RLIMIT_FSIZE: maxFile, unix.RLIMIT_CPU: maxSeconds, unix.RLIMIT_CORE: 0,
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(resource, &old); err != nil {
			return err
		}
		most = min(most, old.Max)
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
