package agent

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/observe"
)

// start starts a program that is there until the test ends.
func start(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// processors are those that we may use.
func processors(t *testing.T) (cpus []int) {
	t.Helper()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; len(cpus) < all.Count(); cpu++ {
		if all.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// spin starts a program that wants one processor for ever: the first, if none is
// named.
func spin(t *testing.T, cpu ...int) int {
	t.Helper()
	pid := start(t, exec.Command("sh", "-c", "while :; do :; done"))
	var one unix.CPUSet
	one.Set(append(cpu, processors(t)...)[0])
	if err := unix.SchedSetaffinity(pid, &one); err != nil {
		t.Fatal(err)
	}
	return pid
}

const vforks = "CLOCK_VFORKS"

// As a process of TestClockOfTheKernel this binary waits for a child that never
// executes anything.
func init() {
	if os.Getenv(vforks) == "" {
		return
	}
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	for pid == 0 && errno == 0 {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
		_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0) // forever
	}
	os.Exit(int(errno))
}

// waitOver waits until the limit is over, and tells how long that took.
func waitOver(l *limit) time.Duration {
	begun, over := time.Now(), make(chan struct{})
	defer l.then(func() { close(over) })()
	<-over
	return time.Since(begun)
}

// While the box waits for a processor its time does not pass, and in the end nothing
// is known of it.
func TestClockStandsStill(t *testing.T) {
	for range 4 { // enough of them for a test at nice 19, too
		spin(t)
	}
	starved := spin(t)
	if err := unix.SchedSetAttr(starved, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		t.Fatal(err)
	}
	c := newClock(4)
	c.start(func() ([]int, error) { return []int{starved}, nil })
	c.policy = unix.SCHED_IDLE // and so it has been put there by who started us
	const span = 200 * time.Millisecond
	l := c.within(span)
	if took := waitOver(l); took < 2*span || c.starvation() != nil {
		t.Errorf("a limit of %v was over after %v, of a process that waited: %v", span, took, c.starvation())
	}
	if l.decides = true; !l.over() || c.starvation() == nil {
		t.Error("it is not known who starved")
	}
}

// Who goes to the end of the queue by itself, or to one for those who have time, has
// nobody wait in its stead; who stands where we do, has.
func TestClockOfTheLast(t *testing.T) {
	const last = 19
	policy := func(policy uint32) func(int) error {
		return func(pid int) error {
			return unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy}, 0)
		}
	}
	for id, goes := range map[string]func(pid int) error{
		"nowhere": nil, "idle": policy(unix.SCHED_IDLE), "batch": policy(unix.SCHED_BATCH),
		"last": func(pid int) error { return unix.Setpriority(unix.PRIO_PROCESS, pid, last) },
	} {
		pid := spin(t)
		if goes != nil {
			if err := goes(pid); err != nil {
				t.Fatal(err)
			}
		}
		c := newClock(4)
		c.start(func() ([]int, error) { return []int{pid}, nil })
		if goes != nil {
			c.nice, c.policy = last-1, unix.SCHED_NORMAL // wherever this test is run
		}
		_, waited, _ := c.account(time.Hour, true)
		if counts := waited > time.Hour/2; counts != (goes == nil) {
			t.Errorf("who goes %s waited %v of an hour", id, waited)
		}
	}
}

// The same of who puts its session there.
func TestClockOfTheLastSession(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pid := start(t, cmd)
	if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte("19"), 0); errors.Is(err, fs.ErrNotExist) {
		t.Skip("a kernel without groups of sessions")
	} else if err != nil {
		t.Fatal(err)
	}
	c := newClock(4)
	c.start(func() ([]int, error) { return []int{pid}, nil })
	if _, waited, _ := c.account(time.Hour, true); waited > time.Hour/2 {
		t.Errorf("it waited %v of an hour", waited)
	}
}

// Who has said that it sleeps, and lost its processor before it did, waits for one, too;
// not where another is idle.
func TestClockOfTheQueue(t *testing.T) {
	spin(t)
	buries := start(t, exec.Command("sh", "-c", "while :; do (:); done")) // wait(2) says so first
	var one unix.CPUSet
	one.Set(processors(t)[0])
	if err := unix.SchedSetaffinity(buries, &one); err != nil {
		t.Fatal(err)
	}
	if err := unix.SchedSetAttr(buries, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		t.Fatal(err)
	}
	for _, busy := range []bool{true, false} {
		for {
			c := newClock(4)
			c.start(func() ([]int, error) { return []int{buries}, nil })
			c.policy = unix.SCHED_IDLE // and so it has been put there by who started us
			before := observe.Scheds(strconv.Itoa(buries))[buries]
			_, waited, _ := c.account(time.Hour, busy)
			queued := before.Queued()
			after := observe.Scheds(strconv.Itoa(buries))[buries]
			if before != after || before.Ready || !queued {
				continue // it has been somewhere else in between
			}
			if all := waited > time.Hour/2; all != busy {
				t.Errorf("with all processors in use (%v), it waited %v of an hour", busy, waited)
			}
			break
		}
	}
}

// Who keeps itself from the processors has had them: the clock goes at least as
// fast as what runs in the box, and who has had its time has hung.
func TestClockGoesOn(t *testing.T) {
	box := []int{spin(t), spin(t), spin(t)}
	ran := func() (all time.Duration) {
		for _, pid := range box {
			for _, s := range observe.Scheds(strconv.Itoa(pid)) {
				all += s.Ran
			}
		}
		return all
	}
	c := newClock(1000)
	before := ran()
	c.start(func() ([]int, error) { return box, nil })
	l := c.within(200 * time.Millisecond)
	l.decides = true
	waitOver(l)
	after := ran()
	if err := c.starvation(); err != nil {
		t.Error(err)
	}
	if shows := c.look(); shows < (after-before)*9/10 {
		t.Errorf("it shows %v, when %v had run", shows, after-before)
	}
}

// While the kernel owes the box something and no processor is idle, the clock goes, but
// hardly: in the end, somebody who brought that about himself has hung.
func TestClockOfTheKernel(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = []string{vforks + "=1"}
	parent := start(t, cmd)
	waits := func() bool {
		for _, s := range observe.Scheds(strconv.Itoa(parent)) {
			if s.Held {
				return true
			}
		}
		return false
	}
	for !waits() {
		runtime.Gosched()
	}
	for _, cpu := range processors(t) {
		spin(t, cpu)
	}
	c := newClock(4)
	c.start(func() ([]int, error) { return []int{parent}, nil })
	const span = 500 * time.Millisecond
	l := c.within(span)
	l.decides = true
	if took := waitOver(l); took < 2*span || c.starvation() != nil {
		t.Errorf("a limit of %v was over after %v, of a process that waited for the kernel: %v", span, took, c.starvation())
	}
}

// Where nobody takes processors away, time is time.
func TestClockOfAMachine(t *testing.T) {
	c := newClock(1)
	c.start(func() ([]int, error) { t.Error("who runs was asked for"); return nil, nil })
	l := c.within(50 * time.Millisecond)
	l.sooner(20 * time.Millisecond)
	if l.end != 20*time.Millisecond {
		t.Errorf("the sooner of 50 and 20 ms is %v", l.end)
	}
	waitOver(l)
	if shows := c.look(); shows < l.end {
		t.Errorf("over at %v", shows)
	}
}

// A limit that was over may have decided; what is dying is waited for in any case.
func TestClockHurries(t *testing.T) {
	for span, want := range map[time.Duration]bool{dying: false, dying + time.Millisecond: true} {
		c := newClock(1)
		if l := c.within(span); c.hurried() || l.left() == 0 {
			t.Errorf("over at once, of %v", span)
		} else if waitOver(l); c.hurried() != want {
			t.Errorf("hurried by %v: %v; want %v", span, !want, want)
		}
	}
}

// A limit that was stopped does nothing any more.
func TestClockStopped(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := newClock(1)
	done := c.within(time.Hour).guard(r.SetDeadline)
	done()
	done()
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("%v; want the end of the pipe", err)
	}
}
