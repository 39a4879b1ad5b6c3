package reference

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// The tests run for real, and nowhere near the machine's own namespaces: the
// test program executes itself as PID 1 of a fresh set, where it is root and
// outside nobody, and that init executes the tests. Whoever runs them, root or
// not, the tests are the same; [idRange] says what differs.
const (
	stageVariable  = "REFERENCE_TEST_STAGE"
	helperVariable = "REFERENCE_TEST_HELPER"
	stageInit      = "init"
	stageTests     = "tests"
)

// The main goroutine keeps the main thread, as the contract promises to a
// submission. TestMain would be too late: it may run elsewhere already.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	contract.RunEntry(New())
	if name, ok := os.LookupEnv(helperVariable); ok {
		os.Exit(runHelper(name))
	}
	switch os.Getenv(stageVariable) {
	case "":
		os.Exit(enterBox())
	case stageInit:
		os.Exit(initBox())
	}
	os.Unsetenv(stageVariable)
	// The runtime makes the two descriptors of its poller at the first need.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	os.Exit(m.Run())
}

// enterBox executes this program as PID 1 of new namespaces.
func enterBox() int {
	cmd := self(stageInit)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL, // we keep the main thread, so it is the program's death
	}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.UidMappings[0].Size = ownRange("/proc/self/uid_map")
		cmd.SysProcAttr.GidMappings[0].Size = ownRange("/proc/self/gid_map")
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}
	return finish(cmd, cmd.Run())
}

// initBox prepares the mounts, runs the tests, and reaps what they orphan.
func initBox() int {
	if err := furnishBox(); err != nil {
		fmt.Fprintln(os.Stderr, "test box:", err)
		return 1
	}
	cmd := self(stageTests)
	cmd.Env = append(cmd.Env, "TMPDIR="+boxTemp)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "test box:", err)
		return 1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 1
		case pid == cmd.Process.Pid && status.Exited():
			return status.ExitStatus()
		case pid == cmd.Process.Pid:
			return 1
		}
	}
}

// boxTemp is where t.TempDir makes its folders: on a tmpfs of the box.
const boxTemp = "/run/reference-test"

// furnishBox covers what the tests write to, and leaves all mounts shared, as
// systemd does on a host: whatever a container mounts must not come back here.
func furnishBox() error {
	run, err := filepath.EvalSymlinks(filepath.Dir(contract.NetnsDir))
	if err != nil {
		return err
	}
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("tmpfs", run, "tmpfs", 0, "mode=0755"),
		unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""),
		os.MkdirAll(boxTemp, 0o755),
		New().InterfaceUp("lo"),
	)
}

// self prepares this program again, for another stage.
func self(stage string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), stageVariable+"="+stage)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func finish(cmd *exec.Cmd, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "test box:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// ownRange is the number of ids from 0 on that a map holds, 65536 at most.
func ownRange(path string) int {
	text, err := os.ReadFile(path)
	var inside, outside, count int
	if err == nil {
		_, err = fmt.Sscan(string(text), &inside, &outside, &count)
	}
	if err != nil || inside != 0 {
		return 1
	}
	return min(count, 1<<16)
}

// idRange is how many user ids the tests have to give away: one, if the program
// was started by an ordinary user.
func idRange() int { return ownRange("/proc/self/uid_map") }

// helpers are programs that tests execute: this one, in a process of its own.
func helpers() map[string]func() error {
	return map[string]func() error{
		"ordinary":     helpOrdinary,
		"dangerous":    helpDangerous,
		"strict":       helpStrict,
		"unprivileged": helpUnprivileged,
	}
}

func runHelper(name string) int {
	os.Unsetenv(helperVariable)
	if err := helpers()[name](); err != nil {
		fmt.Fprintf(os.Stderr, "helper %s: %v\n", name, err)
		return 1
	}
	return 0
}

// leftovers is what calls may leave behind in this process and its namespaces.
type leftovers struct {
	Descriptors []string
	Children    []string
	Mounts      []string
	Links       []string
	Pins        []string
	Temp        []string
}

// leavesNothing fails the test if it ends with more, or less, than it began.
func leavesNothing(t *testing.T) {
	t.Helper()
	before := look(t)
	t.Cleanup(func() { compare(t, before, look(t)) })
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
