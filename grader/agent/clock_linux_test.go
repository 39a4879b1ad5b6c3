package agent

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/observe"
)

// spin starts a program that wants a processor for ever: the one that all of them
// share.
func spin(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(cmd.Process.Pid, &one); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
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
	starved := spin(t)
	if err := unix.SchedSetAttr(starved, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		t.Fatal(err)
	}
	spin(t)
	c := newClock(4)
	c.start(func() ([]int, error) { return []int{starved}, nil })
	const span = 200 * time.Millisecond
	l := c.within(span)
	if took := waitOver(l); took < 2*span || c.starvation() != nil {
		t.Errorf("a limit of %v was over after %v, of a process that waited: %v", span, took, c.starvation())
	}
	if l.decides = true; !l.over() || c.starvation() == nil {
		t.Error("it is not known who starved")
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
