package judge

import (
	"testing"

	"moulinette/grader/evidence"
)

// The supervisor's detail is the whole call, name and all.
func TestTraceLine(t *testing.T) {
	for want, e := range map[string]evidence.Event{
		"     1.5 ms  pid 7  unshare(NEWPID)":                   {Millis: 1.5, PID: 7, Call: "unshare", Detail: "unshare(NEWPID)"},
		"     1.5 ms  pid 7  mount() -> EPERM":                  {Millis: 1.5, PID: 7, Call: "mount", Result: "EPERM"},
		`     1.5 ms  pid 7  execve("/bin/ip") /bin/ip link up`: {Millis: 1.5, PID: 7, Call: "execve", Detail: `execve("/bin/ip")`, Path: "/bin/ip", Argv: []string{"ip", "link", "up"}},
	} {
		if got := traceLine(e); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
