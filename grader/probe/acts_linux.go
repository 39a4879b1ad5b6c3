package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// act does one deed; value and text are what it found.
type act func(scenario.Act) (value int, text string, err error)

// acts has an entry for each key of scenario.Acts but those tried in a child.
func acts() map[string]act {
	return map[string]act{
		"write":         write,
		"read":          read,
		"list":          list,
		"stat":          stat,
		"mkdir":         plain(func(a scenario.Act) error { return os.Mkdir(a.Path, 0o755) }),
		"mount_tmpfs":   plain(mountTmpfs),
		"umount":        plain(func(a scenario.Act) error { return unix.Unmount(a.Path, unix.MNT_DETACH) }),
		"chroot_escape": chrootEscape,
		"sethostname":   plain(func(a scenario.Act) error { return unix.Sethostname([]byte(a.Text)) }),
		"hostname":      hostname,
		"pids":          pids,
		"kill":          plain(func(a scenario.Act) error { return unix.Kill(a.PID, syscall.Signal(a.Signal)) }),
		"signal":        plain(func(a scenario.Act) error { return unix.Kill(os.Getpid(), syscall.Signal(a.Signal)) }),
		"ignore":        plain(ignore),
		"die":           plain(die),
		"fork":          fork,
		"sleep":         sleep,
		"listen":        plain(listen),
		"connect":       connect,
		"setuid":        plain(setUID),
		"stdin_eof":     plain(stdinEOF),
	}
}

// Acts lists the deeds that this package can do.
func Acts() []string {
	var names []string
	for name := range acts() {
		names = append(names, name)
	}
	for name := range attempts() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func plain(f func(scenario.Act) error) act {
	return func(a scenario.Act) (int, string, error) { return 0, "", f(a) }
}

func perform(a scenario.Act) scenario.ActResult {
	r := scenario.ActResult{As: a.As}
	if try, ok := attempts()[a.Do]; ok {
		errno, sig := tryInChild(try(a))
		r.OK, r.Errno, r.Signal = errno == 0 && sig == 0, scenario.ErrnoName(int(errno)), int(sig)
		return r
	}
	do, ok := acts()[a.Do]
	if !ok {
		r.Errno, r.Text = "ENOSYS", "unknown act"
		return r
	}
	value, text, err := do(a)
	r.OK, r.Value, r.Text = err == nil, value, text
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		r.Errno = scenario.ErrnoName(int(errno))
	}
	if err != nil && text == "" {
		r.Text = err.Error()
	}
	return r
}

func write(a scenario.Act) (int, string, error) {
	return 0, "", os.WriteFile(a.Path, []byte(a.Text), 0o644)
}

// most is how much text an act brings back.
const most = 4096

func read(a scenario.Act) (int, string, error) {
	// A device or a fifo must not hold us for ever.
	f, err := os.OpenFile(a.Path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	return len(text), string(text), err
}

func list(a scenario.Act) (int, string, error) {
	entries, err := os.ReadDir(a.Path)
	if err != nil {
		return 0, "", err
	}
	var names []string
	for _, e := range entries[:min(len(entries), 1000)] {
		names = append(names, e.Name())
	}
	return len(entries), strings.Join(names, "\n"), nil
}

func stat(a scenario.Act) (int, string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(a.Path, &st); err != nil {
		return 0, "", err
	}
	info, err := os.Lstat(a.Path)
	if err != nil {
		return 0, "", err
	}
	return int(st.Rdev), info.Mode().String(), nil
}

func mountTmpfs(a scenario.Act) error {
	if err := os.MkdirAll(a.Path, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmpfs", a.Path, "tmpfs", 0, "size=1m")
}

// chrootEscape is the classic way out of a chroot: change the root while the
// working directory stays outside it, and climb. After pivot_root there is
// nothing to climb to.
func chrootEscape(scenario.Act) (int, string, error) {
	var before, after unix.Stat_t
	if err := unix.Stat("/", &before); err != nil {
		return 0, "", err
	}
	// Where the probe lies is a folder that every root has: it can always be tried.
	if err := unix.Chroot(path.Dir(scenario.ProbePath)); err != nil {
		return 0, "", err
	}
	for range 64 {
		if err := unix.Chdir(".."); err != nil {
			return 0, "", err
		}
	}
	if err := unix.Chroot("."); err != nil {
		return 0, "", err
	}
	if err := unix.Stat("/", &after); err != nil {
		return 0, "", err
	}
	if before.Dev == after.Dev && before.Ino == after.Ino {
		return 0, "the root is where it was", unix.EXDEV
	}
	return 1, "reached another root", nil
}

func hostname(scenario.Act) (int, string, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return 0, "", err
	}
	return 0, unix.ByteSliceToString(uts.Nodename[:]), nil
}

func pids(scenario.Act) (int, string, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc", &fs); err != nil {
		return 0, "", err
	}
	if fs.Type != unix.PROC_SUPER_MAGIC { // anybody can make a folder named 1
		return 0, "no proc is mounted there", unix.ENODEV
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, "", err
	}
	var found []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return len(found), strings.Trim(fmt.Sprint(found), "[]"), nil
}

func ignore(a scenario.Act) error {
	signal.Ignore(syscall.Signal(a.Signal))
	return nil
}

// die ends by a signal whose default action is to end. The runtime has handlers of
// its own, which [signal.Reset] leaves: they would make a status of it. PID 1 of a
// namespace is protected from its own signals.
func die(a scenario.Act) error {
	restore(uintptr(a.Signal))
	if err := unix.Kill(os.Getpid(), syscall.Signal(a.Signal)); err != nil {
		return err
	}
	return unix.EPERM // still here
}

// sleep keeps whoever waits for us waiting.
func sleep(a scenario.Act) (int, string, error) {
	<-time.After(time.Duration(a.MS) * time.Millisecond)
	return 0, "", nil
}

// fork leaves a child that waits and ignores SIGTERM: a grandchild of whoever
// started us.
func fork(scenario.Act) (int, string, error) {
	pid, errno := forkWaiting()
	if errno != 0 {
		return 0, "", errno
	}
	return pid, "", nil
}

// patience bounds a network act: an answer across a veth pair takes microseconds.
const patience = 2 * time.Second

func listen(a scenario.Act) error {
	l, err := net.Listen("tcp4", net.JoinHostPort(a.Addr, strconv.Itoa(a.Port)))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "truman\n")
			c.Close()
		}
	}()
	return nil
}

func connect(a scenario.Act) (int, string, error) {
	c, err := net.DialTimeout("tcp4", net.JoinHostPort(a.Addr, strconv.Itoa(a.Port)), patience)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(io.LimitReader(c, most))
	return len(text), string(text), err
}

func stdinEOF(scenario.Act) error {
	n, err := unix.Read(0, make([]byte, 1))
	if n > 0 {
		return unix.EEXIST
	}
	if errors.Is(err, unix.EBADF) {
		return nil
	}
	return err
}

// setUID changes the ids of this thread, which does all that a probe does. Go's own
// way to change those of all waits for signals, of which a user may have too many.
func setUID(a scenario.Act) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SETUID, uintptr(a.PID), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
