package box

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// Config says what the template of an agent is made of.
type Config struct {
	Mode   Mode     `json:"mode"`
	Driver string   `json:"driver"` // executable of the submission, on the host
	Self   string   `json:"self"`   // our own static binary: init, launcher and probe
	Hide   []string `json:"hide"`   // folders of the host that must not be seen even below /usr
	// Shared says that Self and its file system are nobody else's, so that boxes
	// may run that very file instead of a copy. In a virtual machine, where code
	// is translated page by page, that saves a good part of each start.
	Shared bool `json:"shared,omitempty"`
}

// unreadable is the mode of a program that may be executed and not read. Of such
// a program the kernel keeps the memory, and most of what /proc shows of it, from
// whoever has no power over the file (would_dump in fs/exec.c): root in the box
// can neither trace our init and our probe, nor write to them, nor take their
// descriptors.
const unreadable = 0o111

// Places in the template.
const (
	driverPath = scenario.ProbeDir + "/driver"
	baseRoot   = "/tmp" // any folder that exists: only the staging tmpfs covers it, in our own namespace
)

// Template is the prepared root from which boxes are cloned, and the thread
// that owns it. All its work is done on that thread.
type Template struct {
	cfg   Config
	jobs  chan func()
	first int // id that is root in the box
	cg    *cgroups
	self  *os.File // our binary inside the template, opened for reading
	probe Inode    // of the same, for telling who checks in
	guest Inode    // of its readable copy, which targets run
	sock  *net.UnixListener
	made  atomic.Int64
	spare chan spareBox // a box being made ahead; nil if none is
}

// NewTemplate builds the template. It is never taken down: it goes with the
// agent, for it lives in a mount namespace of one of its threads.
func NewTemplate(cfg Config) (*Template, error) {
	if !cfg.Mode.Valid() {
		return nil, fmt.Errorf("template: mode %q is not valid", cfg.Mode)
	}
	t := &Template{cfg: cfg, jobs: make(chan func()), first: cfg.Mode.firstUID(os.Getpid())}
	go t.loop()
	if err := t.on(t.build); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	t.cg = findCgroups(cfg.Mode)
	return t, nil
}

// loop owns the thread. It never ends: a box's parent-death signal is bound to
// the thread that started it, not to the process (prctl(2), PR_SET_PDEATHSIG).
func (t *Template) loop() {
	runtime.LockOSThread()
	for job := range t.jobs {
		job()
	}
}

// on runs f on the template's thread.
func (t *Template) on(f func() error) error {
	done := make(chan error, 1)
	t.jobs <- func() { done <- f() }
	return <-done
}

// Features lists what this template's boxes offer.
func (t *Template) Features() []string {
	var fs []string
	switch t.cfg.Mode {
	case Privileged:
		fs = append(fs, FeatureRealRoot, FeatureIDRange, FeatureDevices, FeatureProcRemount)
	case Root:
		fs = append(fs, FeatureIDRange, FeatureDevices, FeatureProcRemount)
	case Subordinate:
		fs = append(fs, FeatureIDRange)
	case Single:
	}
	if t.cg.memory() {
		fs = append(fs, FeatureMemoryLimit)
	}
	if t.cg.pids() {
		fs = append(fs, FeatureProcessLimit)
	}
	return fs
}

// Inode identifies a file: device and inode.
type Inode struct{ Dev, Ino uint64 }

func inodeOf(path string) (Inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Inode{}, os.NewSyscallError("stat", err)
	}
	return Inode{st.Dev, st.Ino}, nil
}

// Ours reports why the program that process pid runs is not our probe, or that of
// a target, or "".
func (b *Box) Ours(pid int, target bool) (string, error) {
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	inode, err := inodeOf(exe)
	if err != nil {
		return "", err
	}
	if target && inode != b.t.guest || !target && inode != b.t.probe && !slices.Contains(b.Copies, inode) {
		return "it runs another program than the probe", nil
	}
	if b.t.cfg.Mode != Single {
		return "", nil // nobody in the box can write to our files
	}
	same, err := sameContent(exe, b.t.self)
	if err == nil && !same {
		return "the probe's program was changed", nil
	}
	return "", err
}

func sameContent(path string, want *os.File) (bool, error) {
	got, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	info, err := want.Stat()
	if err != nil {
		return false, err
	}
	original := make([]byte, info.Size())
	if _, err := want.ReadAt(original, 0); err != nil {
		return false, err
	}
	return bytes.Equal(got, original), nil
}

// build runs once, on the template's thread.
func (t *Template) build() error {
	// Files of the host are opened before its mounts are left behind.
	sources := map[string]string{scenario.ProbePath: t.cfg.Self, scenario.TargetPath: t.cfg.Self, driverPath: t.cfg.Driver}
	opened := map[string]*os.File{}
	for target, source := range sources {
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		opened[target] = f
	}
	if err := t.isolate(); err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"system folders", t.bindSystem},
		{"devices", t.makeDev},
		{"plain folders", makeFolders},
		{"/etc", makeEtc},
		{"programs", func() error { return t.copyPrograms(opened) }},
		{"socket", t.openSocket},
		// An ordinary user may mount these two only while the host's own are in
		// sight (mount_too_revealing), so before the pivot.
		{"sysfs", mountSysfs},
		{"proc", t.mountDeadProc},
		{"pivot_root", pivot},
		{"read-only root", func() error {
			return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
		}},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	var err error
	if t.probe, err = inodeOf(scenario.ProbePath); err != nil {
		return err
	}
	if t.guest, err = inodeOf(scenario.TargetPath); err != nil {
		return err
	}
	t.self, err = os.Open(scenario.ProbePath)
	return err
}

// isolate gives the thread namespaces of its own. NEWNET is for the sysfs: one
// can only be mounted by the owner of the network namespace it shows.
func (t *Template) isolate() error {
	flags := unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if err := unix.Unshare(flags); err != nil { //nolint:forbidigo // the template's own thread, never given back
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := unix.Mount("moulinette", baseRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=256m"); err != nil {
		return fmt.Errorf("mount staging tmpfs: %w", err)
	}
	return os.Chdir(baseRoot)
}

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
	for _, dir := range []string{"proc", "sys", "tmp", "run", "run/netns", "mnt", "root", "home", "var", "etc", "opt", "srv", "moulinette", "work", "old"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
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
	return nil
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

// openSocket makes the socket that every box of this template sees. Connecting
// needs no writable mount, only a writable inode.
func (t *Template) openSocket() error {
	l, err := listenAt("." + scenario.ProbeSocket)
	t.sock = l
	return err
}

// Socket is where probes that run in a box's own root check in.
func (t *Template) Socket() *net.UnixListener { return t.sock }

func pivot() error {
	if err := unix.PivotRoot(".", "old"); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Unmount("/old", unix.MNT_DETACH)
}

// mountSysfs mounts the template's sysfs read-write: one mounted read-only
// would refuse every later read-write sysfs mount in the box (mount_too_revealing).
// It shows a network namespace that holds nothing.
func mountSysfs() error {
	return unix.Mount("sysfs", "sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// mountDeadProc mounts the proc of a PID namespace that no longer has a process.
// Being fully visible it lets user namespaces in the box mount a proc of their
// own, and it shows nothing of the host. The mounting has to be done by a member
// of that namespace, so by a child.
func (t *Template) mountDeadProc() error {
	cmd := exec.Command("." + scenario.ProbePath)
	cmd.Args = []string{FaceProc}
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	out, err := startCombined(cmd)
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(out))
	}
	return nil
}

// startCombined runs cmd from this very thread and collects what it says.
func startCombined(cmd *exec.Cmd) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	// /dev/null is not there yet in every case: an empty pipe is a stdin too.
	in, inw, err := os.Pipe()
	if err != nil {
		w.Close()
		return "", err
	}
	inw.Close()
	cmd.Stdin = in
	err = cmd.Start()
	in.Close()
	w.Close()
	if err != nil {
		return "", err
	}
	out, _ := io.ReadAll(io.LimitReader(r, 4096))
	return string(out), cmd.Wait()
}

// ProcMain mounts proc on the folder proc of its working directory: the whole
// life of the [FaceProc] face.
func ProcMain() int {
	err := unix.Mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil {
		fmt.Println("mount proc:", err)
		return 1
	}
	return 0
}
