package judge_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

// TestTrace: a call is named once, whether its arguments could be read or not.
func TestTrace(t *testing.T) {
	got := judge.Record(&spec.Scenario{}, &evidence.Record{Trace: []evidence.Event{
		{Millis: 1.5, PID: 7, Call: "unshare", Detail: "unshare(CLONE_NEWPID)", Result: "EPERM"},
		{Millis: 2, PID: 7, Call: "fork", Result: "EPERM"},
		{Millis: 12.25, PID: 8, Call: "execve", Detail: "execve(\"/bin/true\")", Path: "/bin/true", Argv: []string{"true", "x"}},
	}}).Trace
	want := []string{
		"     1.5 ms  pid 7  unshare(CLONE_NEWPID) -> EPERM",
		"     2.0 ms  pid 7  fork() -> EPERM",
		"    12.2 ms  pid 8  execve(\"/bin/true\") /bin/true x",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStubExplainsOnly: the error of what is not written costs nothing by itself; the
// kernel knows it, too.
func TestStubExplainsOnly(t *testing.T) {
	g := readGolden(t, "testdata/records/pass.txt")
	g.record.Calls["other"] = evidence.Call{Name: "container_stop", Returned: true, Failed: true, Errno: "ENOSYS", Value: -1}
	g.record.Order = append(g.record.Order, "other")
	if got := judge.Record(truman().Scenarios[g.head["scenario"]], g.record); got.Verdict != judge.Pass || !got.Reason.IsZero() {
		t.Errorf("got %s, %q; want a pass", got.Verdict, got.Reason.EN)
	}
}
