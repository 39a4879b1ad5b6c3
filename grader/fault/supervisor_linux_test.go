package fault

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

func one(f scenario.Fault) Options { return Options{Faults: []scenario.Fault{f}} }

func details(b *boxed, call string) (found []string) {
	for _, e := range b.Result().Trace {
		if e.Call == call {
			found = append(found, strings.TrimRight(e.Detail+" "+e.Result, " "))
		}
	}
	return found
}

func seen(t *testing.T, b *boxed, want ...evidence.FaultSeen) {
	t.Helper()
	if got := b.Result().Faults; !slices.Equal(got, want) {
		t.Errorf("faults: got %+v; want %+v", got, want)
	}
}

func TestNthCall(t *testing.T) {
	acts := []string{"sethostname/sethostname", "sethostname/sethostname", "sethostname/sethostname"}
	b := start(t, one(scenario.Fault{Effect: "sethostname", Nth: 2, Errno: "EIO"}), acts...).act()
	expect(t, b, acts, []string{"ok", "EIO", "ok"})
	seen(t, b, evidence.FaultSeen{Effect: "sethostname", Fired: 1})
}

// Two faults on one call: both count it, the first that is due strikes.
func TestFirstFaultWins(t *testing.T) {
	acts := []string{"mount_proc/mount", "mount_proc/mount", "mount_proc/mount"}
	b := start(t, Options{Faults: []scenario.Fault{
		{Effect: "mount_proc", Nth: 2, Errno: "EIO"}, {Effect: "mount", Nth: 1, Errno: "EXDEV"}, {Effect: "mount", Errno: "EMFILE"},
	}}, acts...).act()
	expect(t, b, acts, []string{"EXDEV", "EIO", "EMFILE"})
	seen(t, b, evidence.FaultSeen{Effect: "mount_proc", Fired: 1}, evidence.FaultSeen{Effect: "mount", Fired: 1}, evidence.FaultSeen{Effect: "mount", Fired: 1})
}

// Before Arm nothing fails, and what was made is not in the trace afterwards.
func TestArm(t *testing.T) {
	act := "sethostname/sethostname"
	b := start(t, one(scenario.Fault{Effect: "sethostname", Nth: 1, Errno: "EIO"}), act, "pause", act)
	if len(details(b, "execve")) == 0 {
		t.Error("no trace before Arm")
	}
	b.tell()
	b.line(act + " ok")
	b.Arm()
	b.tell()
	b.line("pause ok")
	b.line(act + " EIO")
	b.rest()
	want := []string{`sethostname("seahaven") EIO`}
	if got := details(b, "sethostname"); !slices.Equal(got, want) || len(b.Result().Trace) != 1 {
		t.Errorf("got %q of %v; want %q", got, b.Result().Trace, want)
	}
}

func TestPath(t *testing.T) {
	acts := []string{"mount plain", "mount elsewhere", "mount relative"}
	b := start(t, one(scenario.Fault{Effect: "mount", Path: "/mnt/plain", Errno: "EIO"}), acts...).act()
	expect(t, b, acts, []string{"EIO", "ok", "EIO"})

	acts = []string{"open_uid_map/openat", "open_uid_map/dirfd", "open_uid_map/task", "open_uid_map/cwd"}
	b = start(t, one(scenario.Fault{Effect: "open_uid_map", Path: "/proc/self/uid_map", Errno: "EIO"}), acts...).act()
	expect(t, b, acts, []string{"EIO", "EIO", "EIO", "EIO"})
}

func TestUnder(t *testing.T) {
	for _, tt := range []struct {
		path, want string
		ok         bool
	}{
		{"/mnt/plain", "/mnt/plain", true},
		{"/work/root/mnt/plain", "/mnt/plain", true},
		{"/mnt/plain", "mnt/plain/", true},
		{"/mnt/plain2", "/mnt/plain", false},
		{"/xmnt/plain", "/mnt/plain", false},
		{"/", "/", true},
		{"/mnt", "/", false},
		{"", "/mnt", false},
	} {
		if got := under(tt.path, tt.want); got != tt.ok {
			t.Errorf("under(%q, %q) = %v", tt.path, tt.want, got)
		}
	}
}

// A held call keeps nobody else waiting, and goes on when a probe was seen.
func TestHoldUntilProbe(t *testing.T) {
	b := start(t, one(scenario.Fault{Effect: "open_uid_map", Hold: true, HoldMS: 600_000}), "held, and others").act()
	eventually(t, "hold", b.Holding)
	b.tell()
	b.line("others are done")
	if !b.Holding() {
		t.Error("nothing is held any more")
	}
	b.Released()
	if b.Holding() {
		t.Error("held after its release")
	}
	expect(t, b, []string{"held, and others"}, nil)
	seen(t, b, evidence.FaultSeen{Effect: "open_uid_map", Fired: 1, Released: "probe"})
	first := b.Result().Trace[0]
	if first.Call != "openat" || first.Result != "held until the probe had been seen" {
		t.Errorf("the trace begins with %+v", first)
	}
}

func TestHoldUntilItsTime(t *testing.T) {
	b := start(t, one(scenario.Fault{Effect: "sethostname", Hold: true, HoldMS: 30}), "sethostname/sethostname").act()
	expect(t, b, []string{"sethostname/sethostname"}, nil)
	seen(t, b, evidence.FaultSeen{Effect: "sethostname", Fired: 1, Released: "time"})
	if got := details(b, "sethostname"); !slices.Equal(got, []string{`sethostname("seahaven") held 30 ms`}) {
		t.Errorf("got %q", got)
	}
}

// What was held can still be granted.
func TestHoldThenGrant(t *testing.T) {
	needRoot(t)
	o := one(scenario.Fault{Effect: "mknod", Nth: 1, Hold: true, HoldMS: 10})
	o.Grant = true
	b := start(t, o, "devices on a folder").act()
	expect(t, b, []string{"devices on a folder"}, nil)
	seen(t, b, evidence.FaultSeen{Effect: "mknod", Fired: 1, Released: "time"})
	if got := b.Result().Trace[0].Result; got != "held 10 ms, granted" {
		t.Errorf("got %q", got)
	}
}

// A signal that arrives while a call is held makes no second call of it.
func TestSignalsDoNotMultiply(t *testing.T) {
	for act, effect := range map[string]string{"clone under signals": "fork", "open under signals": "open_uid_map"} {
		t.Run(effect, func(t *testing.T) {
			b := start(t, one(scenario.Fault{Effect: effect, Hold: true, HoldMS: 60}), act).act()
			expect(t, b, []string{act}, nil)
			seen(t, b, evidence.FaultSeen{Effect: effect, Fired: 1, Released: "time"})
		})
	}
}

// A signal that takes the notification away, as before Linux 5.19, uses up no fault.
func TestSignalsUseUpNothing(t *testing.T) {
	o := Options{}
	for i := range manyCalls {
		o.Faults = append(o.Faults, scenario.Fault{Effect: "pipe", Nth: i + 1, Errno: "EMFILE"})
	}
	b := start(t, o, "pipes under signals").act()
	expect(t, b, []string{"pipes under signals"}, nil)
	for i, f := range b.Result().Faults {
		if f.Fired != 1 {
			t.Fatalf("fault %d fired %d times", i+1, f.Fired)
		}
	}
}

// Signals of our own, as Go's runtime sends them, leave no call without its answer:
// the kernel breaks off what waits for the filter's lock.
func TestSignalsOfOurOwn(t *testing.T) {
	b := start(t, Options{maxEvents: 1}, "crowd").act()
	ended := make(chan struct{})
	var others sync.WaitGroup
	until := func(do func()) {
		others.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					do()
				}
			}
		})
	}
	for range 4 { // keep the lock busy
		until(func() {
			id := uint64(1)
			if err := b.listener.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)); errors.Is(err, unix.EINTR) {
				t.Error(err)
			}
		})
	}
	until(func() {
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		}
	})
	defer others.Wait()
	defer close(ended)
	defer time.AfterFunc(20*time.Second, func() { _ = b.cmd.Process.Kill() }).Stop()
	b.line("crowd ok")
}

// But the same line run again is another call.
func TestRepeatedForksCount(t *testing.T) {
	acts := []string{"five clones", "five clones"}
	b := start(t, one(scenario.Fault{Effect: "fork", Nth: 10, Errno: "EIO"}), acts...).act()
	expect(t, b, acts, []string{"ok", "EIO"})
}

func TestCallerDiesWhileHeld(t *testing.T) {
	b := start(t, one(scenario.Fault{Effect: "sethostname", Hold: true, HoldMS: 600_000}), "sethostname/sethostname").act()
	eventually(t, "hold", b.Holding)
	b.cmd.Process.Kill()
	b.rest()
	if b.Holding() {
		t.Error("a dead caller is held")
	}
	seen(t, b, evidence.FaultSeen{Effect: "sethostname", Fired: 1})
}

func TestClose(t *testing.T) {
	b := start(t, one(scenario.Fault{Effect: "sethostname", Hold: true, HoldMS: 600_000}), "sethostname/sethostname", "pipe/pipe2").act()
	eventually(t, "hold", b.Holding)
	b.Close()
	b.Close()
	expect(t, b, []string{"sethostname/sethostname", "pipe/pipe2"}, []string{"ok", "ENOSYS"})
}

// If the supervisor dies, the next notified call fails: nobody hangs.
func TestSupervisorDies(t *testing.T) {
	b, l, control := launch(t, "pause")
	b.cmd.Stderr = nil
	l.Close()
	control.Write([]byte{1})
	control.Close()
	if b.out.Scan() {
		t.Errorf("got %q", b.out.Text())
	}
	if err := b.cmd.Wait(); err == nil {
		t.Error("the box went on")
	}
}

// What is not asked for is let through as if there were no filter, and plain
// work of a runtime does not reach us.
func TestNothingChanges(t *testing.T) {
	acts := []string{"new_pid/clone", "new_pid/clone3", "new_uts/unshare", "fork/clone3", "own exec", "threads", "plain opens", "reboot"}
	b := start(t, Options{}, acts...).act()
	expect(t, b, acts, []string{"ok", "ok", "ok", "ok", "ok", "ok", "ok", "EINVAL"})
	want := []string{"clone(NEWPID)", "clone3(NEWPID)", "unshare(NEWUTS)", "clone3()"}
	got := []string{}
	for _, e := range b.Result().Trace[:len(want)] {
		got = append(got, e.Detail)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	for _, e := range b.Result().Trace {
		if strings.HasPrefix(e.Call, "open") || e.Result != "" {
			t.Errorf("in the trace: %+v", e)
		}
	}
}

func TestDenied(t *testing.T) {
	acts := []string{"denied"}
	expect(t, start(t, Options{}, acts...).act(), acts, nil)
}

// TestPersonal: what is for oneself cannot be done to the init of the box.
func TestPersonal(t *testing.T) {
	acts := []string{"personal"}
	expect(t, start(t, Options{}, acts...).act(), acts, nil)
}

// TestSocketFamilies: some are not confined by a network namespace.
func TestSocketFamilies(t *testing.T) {
	acts := []string{"families"}
	expect(t, start(t, Options{}, acts...).act(), acts, nil)
}

func TestOtherABIs(t *testing.T) {
	if len(legacyTricks()) == 0 {
		t.Skip("this architecture has but one ABI")
	}
	acts := []string{"x32", "i386"}
	expect(t, start(t, Options{}, acts...).act(), acts, []string{"ENOSYS", "ENOSYS"})
}

func TestHostileArguments(t *testing.T) {
	acts := []string{"garbage", "page end", "changing path", "small flood"}
	b := start(t, Options{Grant: true, Faults: []scenario.Fault{{Effect: "open_uid_map", Errno: "EIO"}}, maxEvents: 1_000_000}, acts...).act()
	expect(t, b, acts, nil)
	if got := details(b, "umount2"); got[len(got)-1] != `umount2("/mnt/nowhere", 0)` {
		t.Errorf("got %q", got)
	}
}

const floodCalls = 100_000

func TestFlood(t *testing.T) {
	act := "flood"
	if testing.Short() {
		act = "short flood"
	}
	b := start(t, Options{maxEvents: 100}, act).act()
	expect(t, b, []string{act}, nil)
	if r := b.Result(); len(r.Trace) != 100 {
		t.Errorf("%d events", len(r.Trace))
	}
}

func TestTraceIsPrintable(t *testing.T) {
	b := start(t, Options{}, "wild exec").act()
	expect(t, b, []string{"wild exec"}, []string{"ENOENT"})
	e := b.Result().Trace[0]
	if e.Call != "execve" || len(e.Argv) != 32 {
		t.Fatalf("got %+v", e)
	}
	for _, s := range append(e.Argv, e.Path, e.Detail) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x1b\n") || len(s) > 3*shownRoom {
			t.Errorf("got %q", s)
		}
	}
}

func TestBadFaults(t *testing.T) {
	for _, f := range []scenario.Fault{{Effect: "weather", Errno: "EIO"}, {Effect: "mount", Errno: "EWEATHER"}, {Effect: "mount"}} {
		if _, err := arm([]scenario.Fault{f}); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}

// TestAsOrdinaryUser runs all the tests again without root.
func TestAsOrdinaryUser(t *testing.T) {
	if !isRoot() {
		t.Skip("is one")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.short", "-test.timeout=60s")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), noNap)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61234, Gid: 61234}, Pdeathsig: unix.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "--- SKIP"); n != 4 {
		t.Errorf("%d tests were skipped\n%s", n, out)
	}
}

// Nothing is left of many boxes: no descriptor, no thread, no mount.
func TestLeavesNothing(t *testing.T) {
	needRoot(t)
	count := func() [3]int {
		fds, _ := os.ReadDir("/proc/self/fd")
		threads, _ := os.ReadDir("/proc/self/task")
		mounts, _ := os.ReadFile("/proc/self/mountinfo")
		return [3]int{len(fds), len(threads), strings.Count(string(mounts), "\n")}
	}
	round := func() {
		t.Run("", func(t *testing.T) {
			acts := []string{"mount dev", "devices on dev", "in a container"}
			expect(t, start(t, Options{Grant: true}, acts...).act(), acts, nil)
		})
	}
	round()
	before := count()
	for range 10 {
		round()
	}
	eventually(t, "threads end", func() bool {
		after := count()
		return after[0] <= before[0] && after[1] <= before[1]+2 && after[2] == before[2]
	})
	if left, _ := filepath.Glob("/mnt/root"); len(left) > 0 {
		t.Errorf("left on the host: %q", left)
	}
}

const benchCalls = 20_000

func BenchmarkNotification(b *testing.B) { benchmark(b, "bench", Options{maxEvents: 1}) }

func BenchmarkTracedNotification(b *testing.B) { benchmark(b, "bench", Options{maxEvents: 1 << 30}) }

func BenchmarkCallNotNotified(b *testing.B) { benchmark(b, "getppid bench", Options{}) }

func benchmark(b *testing.B, act string, o Options) {
	for b.Loop() {
		b.StopTimer()
		x := start(b, o, act)
		b.StartTimer()
		x.act().line(act + " ok")
		b.StopTimer()
		x.end()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchCalls, "ns/call")
}
