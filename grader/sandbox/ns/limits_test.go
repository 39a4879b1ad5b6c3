package ns_test

import (
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// Who grades may be allowed to go before everybody else, as audio groups are. The
// submission is not.
func TestNobodyGoesFirst(t *testing.T) {
	for _, which := range []int{unix.RLIMIT_RTPRIO, unix.RLIMIT_NICE} {
		var was unix.Rlimit
		if err := unix.Getrlimit(which, &was); err != nil {
			t.Fatal(err)
		}
		if was.Cur > 0 {
			continue
		}
		if unix.Setrlimit(which, &unix.Rlimit{Cur: 20, Max: 20}) == nil { // CAP_SYS_RESOURCE; without it, as they are
			t.Cleanup(func() { _ = unix.Setrlimit(which, &was) })
		}
	}
	rec := run(t, open(t, built.reference), scenario.Scenario{ID: "test.first", Steps: []scenario.Step{
		{As: "call", Call: "run_probe", Script: &scenario.Script{Do: []scenario.Act{{As: "limits", Do: "read", Path: "/proc/self/limits"}}}},
	}})
	limits := rec.Probes["probe"].Acts["limits"].Text
	for _, pattern := range []string{`Max nice priority +0 +0 `, `Max realtime priority +0 +0 `} {
		if !regexp.MustCompile(pattern).MatchString(limits) {
			t.Errorf("no %q in\n%s", pattern, limits)
		}
	}
}
