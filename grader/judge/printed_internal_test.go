package judge

import (
	"strings"
	"testing"
)

// What a program that Go's runtime ended has written begins with why, and leads
// to a line of the submission; addresses and the grader's own frames would hide
// both, and tell the same crash apart in each scenario.
func TestCrashIsToldFromItsReasonOn(t *testing.T) {
	deadlock := "hello\nfatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan send, locked to thread]:\n" +
		"moulinette/student.actor.CreatePIDNamespace({}, 0x1baeeabda008)\n\tmoulinette/student/actor.go:36 +0x39\n" +
		"moulinette/grader/driver.createPIDNamespace(0x391439dbc0b0?, 0x1c?)\n\tmoulinette/grader/driver/calls.go:144 +0x195\n" +
		"main.main()\n\tmoulinette/main.go:17 +0x1a\n\ngoroutine 19 [select]:\nos/signal.loop()\n\tos/signal/signal_unix.go:23 +0x13\n" +
		"created by moulinette/student.init.0 in goroutine 1\n\tmoulinette/student/papers.go:20 +0x4f\n"
	want := "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine [chan send, locked to thread]:\n" +
		"moulinette/student.actor.CreatePIDNamespace\n\tmoulinette/student/actor.go:36\n\n" +
		"goroutine [select]:\nos/signal.loop\n\tos/signal/signal_unix.go:23\n" +
		"created by moulinette/student.init.0\n\tmoulinette/student/papers.go:20"
	if got := printed(deadlock); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	other := strings.NewReplacer("0x1baeeabda008", "0x24", "+0x39", "+0x40", "goroutine 19", "goroutine 7").Replace(deadlock)
	if got := printed(other); got != want {
		t.Errorf("the same crash elsewhere:\n%s\nwant:\n%s", got, want)
	}
	if got := printed(deadlock + strings.Repeat("\ngoroutine 30 [running]:\na.B()\n\ta.go:1\n", 500)); !strings.HasPrefix(got, "fatal error:") {
		t.Errorf("a long crash begins with %.40q", got)
	}
}

// A heap that cannot grow is told by the runtime's own stack first.
func TestRuntimesStackIsLeftOut(t *testing.T) {
	text := "fatal error: out of memory\n\nruntime stack:\nruntime.throw({0x5, 0x1})\n\truntime/panic.go:1229 +0x48 fp=0x7f sp=0x7f pc=0x48\n\n" +
		"goroutine 1 gp=0xc000 m=0 mp=0x74 [running, locked to thread]:\nruntime.mallocgc(0x100)\n\truntime/malloc.go:1100 +0x1 fp=0x1 sp=0x2 pc=0x3\n" +
		"moulinette/student.actor.IsContainerInit(...)\n\tmoulinette/student/actor.go:57 +0x9 fp=0x1 sp=0x2 pc=0x3\n"
	want := "fatal error: out of memory\n\n\ngoroutine [running, locked to thread]:\nmoulinette/student.actor.IsContainerInit\n\tmoulinette/student/actor.go:57"
	if got := printed(text); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Without a crash it is the end that counts.
func TestOutputIsToldFromItsEnd(t *testing.T) {
	for _, text := range []string{"", "panic: said the submission itself\n", "container entry: hostname: EPERM\n"} {
		if got := printed(text); got != text {
			t.Errorf("got %q; want %q", got, text)
		}
	}
	if got := printed(strings.Repeat("x", 5000) + "end"); !strings.HasSuffix(got, "xend") || len(got) > 2100 {
		t.Errorf("got %d bytes", len(got))
	}
}
