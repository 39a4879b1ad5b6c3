package ns

import (
	"strings"
	"testing"
)

// A crash of the agent is told by its first words and its place, not by a stack.
func TestTailOfACrash(t *testing.T) {
	stack := "\nruntime stack:\nruntime.throw({0x9aab82?, 0x20000000?})\n\truntime/panic.go:1229 +0x48\n" + strings.Repeat("runtime.x()\n\truntime/proc.go:1 +0x1\n", 500)
	for said, want := range map[string]string{
		"an ordinary word\n": "an ordinary word",
		"runtime: failed to create new OS thread\nruntime: may need to increase max user processes (ulimit -u)\nfatal error: newosproc\n" + stack: "runtime: failed to create new OS thread runtime: may need to increase max user processes (ulimit -u) fatal error: newosproc",
		"a word\npanic: a reason\n\ngoroutine 1 [running]:\nmain.f()\n\tmoulinette/grader/agent/agent.go:55 +0x1\n" + stack:                       "panic: a reason (grader/agent/agent.go:55)",
		strings.Repeat("x", 5000) + "\nend": strings.Repeat("x", 4092) + "\nend",
	} {
		var tail tail
		for part := range strings.SplitAfterSeq(said, "\n") {
			if n, err := tail.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := tail.String(); got != want {
			t.Errorf("got %.200q; want %.200q", got, want)
		}
	}
}
