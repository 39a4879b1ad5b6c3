package box

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
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
	// Real says that the whole host is thrown away after a scenario, so that one
	// may be real root of it.
	Real bool `json:"real,omitempty"`
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

	nursery *puppet.Puppet // clones the inits of boxes
	nurse   int            // its pid
}

// NewTemplate builds the template. It is never taken down: it goes with the
// agent, for it lives in a mount namespace of one of its threads.
func NewTemplate(cfg Config) (*Template, error) {
	if !slices.Contains([]Mode{Root, Subordinate, Single, Privileged}, cfg.Mode) {
		return nil, fmt.Errorf("template: mode %q is not valid", cfg.Mode)
	}
	t := &Template{cfg: cfg, jobs: make(chan func()), first: cfg.Mode.firstUID(os.Getpid())}
	go t.loop()
	if err := t.on(t.build); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if err := t.on(t.startNursery); err != nil {
		return nil, fmt.Errorf("template: nursery: %w", err)
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
	if t.cfg.Real && lockedDown() {
		fs = append(fs, FeatureRealRoot)
	}
	if hasProgram("ip") {
		fs = append(fs, FeatureIPCommand)
	}
	if t.cg.memory() {
		fs = append(fs, FeatureMemoryLimit)
	}
	if t.cg.pids() {
		fs = append(fs, FeatureProcessLimit)
	}
	return fs
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
	t.cfg.Mode.boundUser()
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
		said, _, _ := strings.Cut(strings.TrimSpace(out), "\n\n") // of a crash, what comes before the stack
		return fmt.Errorf("%w: %s", err, said)
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

// FaceProc is the face of our binary, told by argv[0], that is [ProcMain].
const FaceProc = "moulinette-proc"

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
