package agent

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	unhurried = 200 * time.Millisecond // what closing may take
	nudge     = time.Millisecond       // between two signals then
)

// hurry runs f, which lets go of what the box has sent us. That may be more than words:
// who is the last to close a descriptor waits in the kernel for as long as the descriptor
// wants (socket(7), SO_LINGER), be it an hour. A signal ends such a wait; Go's runtime
// sends this one to its threads all the time.
func hurry(f func()) {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	for wait := unhurried; ; wait = nudge {
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			return
		case <-timer.C:
			interrupt()
		}
	}
}

// interrupt sends all our threads a signal.
func interrupt() {
	tasks, _ := os.ReadDir("/proc/self/task") // without any, nothing is hurried
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG) // it may just have ended
		}
	}
}
