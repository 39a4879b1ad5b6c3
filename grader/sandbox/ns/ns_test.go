package ns_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/build"
	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/conformance"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// built holds what all tests of this package run: TestMain makes it once.
var built struct {
	dir, agent string
	reference  string
	exits      string
	hangs      string
	rude       string
}

const exitStatus = 7

// rudeSource misbehaves in every method that a test calls.
const rudeSource = `package student

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"moulinette/grader/contract"
)

type rude struct{ contract.Unimplemented }

func New() contract.Runtime { return rude{} }

// PrintNamespaceInfo leaves a family behind that ignores every signal it can.
func (rude) PrintNamespaceInfo(io.Writer) error {
	for range 3 {
		cmd := exec.Command("/bin/sh", "-c", "trap '' TERM HUP INT; (setsid sh -c 'trap \"\" TERM; while :; do sleep 1000; done' &) ; while :; do sleep 1000; done")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
		if err := cmd.Start(); err != nil {
			return err
		}
	}
	return nil
}

// MountProc tries what must not work on the sandbox's own mounts, and answers
// nil only if all of it was refused.
func (rude) MountProc(string) error {
	for _, dir := range []string{"/usr", "/dev", "/", "/moulinette"} {
		if syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND, "") == nil {
			return syscall.EEXIST
		}
	}
	for _, dir := range []string{"/usr", "/dev", "/work"} {
		if syscall.Unmount(dir, syscall.MNT_DETACH) == nil {
			return syscall.EBUSY
		}
	}
	for _, file := range []string{"/moulinette/probe", "/usr/x", "/etc/passwd"} {
		if f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644); err == nil {
			f.Close()
			return syscall.ETXTBSY
		}
	}
	return nil
}

// MountDevfs answers nil only if the kernel kills whatever is in the box before all
// others when memory is full, whatever the box says to that.
func (rude) MountDevfs(string) error {
	os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
	if text, err := os.ReadFile("/proc/self/oom_score_adj"); err != nil || string(text) != "1000\n" {
		return syscall.ENOMEM
	}
	return nil
}

// MakeMountPrivate leaves something where the host is to write that has who opens it wait.
func (rude) MakeMountPrivate(path string) error { return syscall.Mkfifo(path, 0o600) }

// MakeMountShared does the same with a file that is leased.
func (rude) MakeMountShared(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), 1024, syscall.F_WRLCK); errno != 0 { // F_SETLEASE
		return errno
	}
	signal.Ignore(syscall.SIGIO)
	leased = f
	return nil
}

var leased *os.File

// MountSysfs floods.
func (rude) MountSysfs(string) error {
	for {
		os.Stdout.WriteString("::error::you win\n")
	}
}
`

func TestMain(m *testing.M) {
	code, err := withBuilt(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withBuilt(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "ns-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	built.dir, built.agent = dir, filepath.Join(dir, "moulinette-agent")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", built.agent, "moulinette/grader/cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	for _, d := range []struct {
		driver *string
		body   string
	}{
		{&built.exits, fmt.Sprintf("os.Exit(%d)", exitStatus)},
		{&built.hangs, "r, _, _ := os.Pipe(); _, _ = r.Read(make([]byte, 1))"},
	} {
		source := "package student\n\nimport (\n\t\"io\"\n\t\"os\"\n\n\t\"moulinette/grader/contract\"\n)\n\nvar _ = os.Exit\n\ntype s struct{ contract.Unimplemented }\n\n" +
			"func New() contract.Runtime { return s{} }\n\nfunc (s) PrintNamespaceInfo(io.Writer) error {\n\t" + d.body + "\n\treturn nil\n}\n"
		if *d.driver, err = driverOf(source); err != nil {
			return 0, err
		}
	}
	if built.rude, err = driverOf(rudeSource); err != nil {
		return 0, err
	}
	ref, err := submission.Open("../../../reference")
	if err != nil {
		return 0, err
	}
	if built.reference, err = drive(ref); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func driverOf(source string) (string, error) {
	s, err := submission.FromFiles("moulinette/student", submission.Files{"student.go": []byte(source)})
	if err != nil {
		return "", err
	}
	return drive(s)
}

func drive(s *submission.Submission) (string, error) {
	b := build.Builder{Cache: filepath.Join(built.dir, "cache"), Sources: os.DirFS("../..")}
	d, err := b.Build(context.Background(), s)
	if err != nil {
		return "", err
	}
	return d.Path, nil
}

func opener(tb testing.TB, o ns.Options) *ns.Opener {
	tb.Helper()
	o.Agent = built.agent
	op, err := ns.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return op
}

func open(tb testing.TB, driver string) sandbox.Sandbox {
	tb.Helper()
	s, err := opener(tb, ns.Options{}).Open(tb.Context(), driver, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func run(tb testing.TB, s sandbox.Sandbox, sc scenario.Scenario) *evidence.Record {
	tb.Helper()
	rec, err := s.Run(tb.Context(), sc)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func call(name string) scenario.Scenario {
	return scenario.Scenario{ID: "test." + name, Steps: []scenario.Step{{As: "call", Call: name}}}
}

func TestConformance(t *testing.T) {
	drivers := conformance.Drivers{Good: built.reference, Exits: built.exits, Status: exitStatus, Hangs: built.hangs}
	conformance.Test(t, func(t *testing.T) sandbox.Opener { return opener(t, ns.Options{}) }, drivers)
}

// Privileged boxes are for honest submissions on throw-away machines; as an
// ordinary user they are refused with a cure.
func TestPrivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		if _, err := ns.New(ns.Options{Agent: built.agent, Privileged: true}); err == nil || !strings.Contains(err.Error(), "needs root") {
			t.Fatalf("New as an ordinary user: %v; want a refusal", err)
		}
		return
	}
	drivers := conformance.Drivers{Good: built.reference, Exits: built.exits, Status: exitStatus, Hangs: built.hangs}
	conformance.Test(t, func(t *testing.T) sandbox.Opener { return opener(t, ns.Options{Privileged: true}) }, drivers)
}

// The host waits for nobody: who has put something in its way has spoiled the scenario.
func TestHostDoesNotWait(t *testing.T) {
	s := open(t, built.rude)
	for _, name := range []string{"make_mount_private", "make_mount_shared"} {
		sc := call(name)
		sc.Steps[0].Args.Path = "/tmp/later"
		sc.Steps = append(sc.Steps, scenario.Step{As: "host", Host: &scenario.Host{Write: "/tmp/later"}})
		if rec := run(t, s, sc); !rec.Calls["call"].OK || rec.End.Outcome != evidence.Spoiled {
			t.Errorf("%s: %+v, end %+v; want the scenario to be spoiled", name, rec.Calls["call"], rec.End)
		}
	}
}

// An init that the kernel kills while the host acts is the box's end, and no fault of ours.
func TestInitKilledWhileTheHostActs(t *testing.T) {
	if os.Geteuid() != 0 {
		return // what a box holds is not to be seen from here
	}
	s := open(t, built.rude)
	agents := children(t, os.Getpid())
	sc := call("mount_devfs")
	for range 100_000 {
		sc.Steps = append(sc.Steps, scenario.Step{As: "host", Host: &scenario.Host{Write: "/tmp/acts"}})
	}
	go func() {
		for t.Context().Err() == nil {
			for _, pid := range children(t, agents[0]) {
				if _, err := os.Stat(fmt.Sprintf("/proc/%d/root/tmp/acts", pid)); err == nil {
					_ = unix.Kill(pid, unix.SIGKILL)
					return
				}
			}
		}
	}()
	rec, err := s.Run(t.Context(), sc)
	if err != nil || rec.End.Signal != int(unix.SIGKILL) {
		t.Errorf("%v, %+v; want a driver that was killed with its box", err, rec)
	}
}

func TestProbeIsObserved(t *testing.T) {
	rec := run(t, open(t, built.reference), scenario.Scenario{ID: "test.probe", Steps: []scenario.Step{
		{As: "call", Call: "create_pid_namespace", Script: &scenario.Script{Name: "p", Exit: 42}},
	}})
	p := rec.Probes["p"]
	if !p.Seen || !p.Ended || p.Process.NSpid[len(p.Process.NSpid)-1] != 1 || p.Process.Depth != 1 {
		t.Errorf("probe = seen %t, ended %t, NSpid %v, depth %d; want a PID 1 one namespace down that has ended", p.Seen, p.Ended, p.Process.NSpid, p.Process.Depth)
	}
	if c := rec.Calls["call"]; c.Value != 42 || !c.OK {
		t.Errorf("call = %+v; want 42", c)
	}
	if !slices.ContainsFunc(rec.Trace, func(e evidence.Event) bool { return strings.Contains(e.Detail, "NEWPID") }) {
		t.Errorf("the trace shows no clone with NEWPID: %+v", rec.Trace)
	}
}

// Boxes side by side have ids that nobody else has.
func TestIDsAreNobodyElses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user shares its own among its boxes")
	}
	var ranges []evidence.IDMap
	for range 3 {
		driver := run(t, open(t, built.reference), call("is_container_init")).At["before"].Driver
		for _, ids := range [][]evidence.IDMap{driver.UIDMap, driver.GIDMap} {
			if len(ids) != 1 || ids[0].Inside != 0 || ids[0].Count != 65536 || ids[0].Outside < 65536 {
				t.Fatalf("got the map %+v; want one range of 65536 ids, none of them an account's", ids)
			}
		}
		for _, other := range ranges {
			if d := other.Outside - driver.UIDMap[0].Outside; d > -65536 && d < 65536 {
				t.Errorf("%+v and %+v overlap", other, driver.UIDMap[0])
			}
		}
		ranges = append(ranges, driver.UIDMap[0])
	}
}

// What a submission leaves behind, however hard it tries, is gone when Run
// returns.
func TestNothingSurvives(t *testing.T) {
	s := open(t, built.rude)
	before, agents := world(t), children(t, os.Getpid())
	rec := run(t, s, call("print_namespace_info"))
	if rec.End.Outcome != evidence.Completed || len(rec.At["after"].Processes) < 3 {
		t.Fatalf("end %+v with %d processes; want a completed scenario with a family", rec.End, len(rec.At["after"].Processes))
	}
	for _, p := range rec.At["after"].Processes {
		if err := unix.Kill(p.PID, 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("process %d (%s) still answers: %v", p.PID, p.Comm, err)
		}
	}
	s.Close()
	if after := world(t); after != before {
		t.Errorf("the host changed:\n%s\nwas:\n%s", after, before)
	}
	for _, agent := range agents {
		if left := groupsOf(agent); left > 0 {
			t.Errorf("%d cgroups are left", left)
		}
	}
}

// world is a fingerprint of the host: mounts, links and named network namespaces.
func world(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	pins, _ := os.ReadDir("/run/netns")
	return fmt.Sprintf("%s\n%v\n%v", mounts, links, pins)
}

func TestMountsAreLocked(t *testing.T) {
	rec := run(t, open(t, built.rude), call("mount_proc"))
	if c := rec.Calls["call"]; !c.OK {
		t.Errorf("the submission changed the sandbox: %s %s", c.Errno, c.Error)
	}
}

func TestBoxGoesFirst(t *testing.T) {
	rec := run(t, open(t, built.rude), call("mount_devfs"))
	if c := rec.Calls["call"]; !c.OK {
		t.Errorf("not the box is what goes first when memory is full: %s %s", c.Errno, c.Error)
	}
}

func TestFloodIsStopped(t *testing.T) {
	rec := run(t, open(t, built.rude), call("mount_sysfs"))
	if rec.End.Outcome != evidence.Flooded {
		t.Errorf("end %+v; want flooded", rec.End)
	}
	if limit := 256 << 10; len(rec.Output.Stdout) > limit {
		t.Errorf("%d bytes of output kept; want at most %d", len(rec.Output.Stdout), limit)
	}
}

// The agent's own death leaves nothing alive, and the sandbox says that it is
// the harness's fault.
func TestAgentKilled(t *testing.T) {
	op := opener(t, ns.Options{})
	s, err := op.Open(t.Context(), built.hangs, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	agents := children(t, os.Getpid())
	if len(agents) != 1 {
		t.Fatalf("agents %v; want one", agents)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := s.Run(context.Background(), call("print_namespace_info"))
		failed <- err
	}()
	inits := awaitChildren(t, agents[0])
	limited := slices.Contains(op.Host().Features, "process_limit")
	for deadline := time.Now().Add(10 * time.Second); limited && groupsOf(agents[0]) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no box has a control group")
		}
	}
	if err := unix.Kill(agents[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "agent is gone") {
		t.Errorf("Run: %v; want the agent's end", err)
	}
	for _, pid := range inits {
		awaitDeath(t, pid)
	}
	if left := groupsOf(agents[0]); left > 0 {
		t.Errorf("%d cgroups are left", left)
	}
}

// children lists the live children of a process, of all its threads.
func children(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for field := range strings.FieldsSeq(string(text)) {
			var n int
			if _, err := fmt.Sscan(field, &n); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

func awaitChildren(t *testing.T, pid int) []int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if pids := children(t, pid); len(pids) > 0 {
			return pids
		}
	}
	t.Fatalf("process %d has no children", pid)
	return nil
}

// awaitDeath waits for the end of a process that is not ours to reap.
func awaitDeath(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10000); n != 1 {
		t.Errorf("process %d outlives its agent (%v)", pid, err)
	}
}
