package agent_test

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"moulinette/grader/agent"
)

func TestSlacken(t *testing.T) {
	said := make(chan string)
	go func() {
		runtime.LockOSThread() // the thread ends with us
		defer close(said)
		if err := agent.Slacken(); err != nil {
			t.Error(err)
		}
		text, err := exec.Command("cat", "/proc/self/timerslack_ns").CombinedOutput()
		if err != nil {
			t.Error(err)
		}
		said <- strings.TrimSpace(string(text))
	}()
	if got := <-said; got != "1000000" {
		t.Errorf("the slack of a program that is started is %s ns; want 1000000", got)
	}
}
