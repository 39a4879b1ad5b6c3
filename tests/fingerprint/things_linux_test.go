package fingerprint

import "testing"

func TestAnotherSession(t *testing.T) {
	const own = "4:memory:/sessions/ours\n3:cpuset:/\n0::/\n"
	for group, want := range map[string]bool{
		"/sys/fs/cgroup/memory/sessions":             false,
		"/sys/fs/cgroup/memory/sessions/ours":        false,
		"/sys/fs/cgroup/memory/sessions/ours/inside": false,
		"/sys/fs/cgroup/memory/sessions/theirs":      true,
		"/sys/fs/cgroup/memory/more":                 false,
		"/sys/fs/cgroup/cpuset/more":                 false,
	} {
		if got := anotherSession(group, own); got != want {
			t.Errorf("anotherSession(%s) = %v; want %v", group, got, want)
		}
	}
}
