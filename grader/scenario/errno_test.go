package scenario_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// TestErrnos: the numbers are those of this system, and names lead back.
func TestErrnos(t *testing.T) {
	others := map[string]string{"ENOTSUP": "EOPNOTSUPP", "EFSCORRUPTED": "EUCLEAN", "EFTYPE": ""} // of one number, as unix has it
	for n := range 200 {
		want := unix.ErrnoName(unix.Errno(n))
		if other, ok := others[want]; ok {
			want = other
		}
		got := scenario.ErrnoName(n)
		if got != want {
			t.Errorf("%d is %q; want %q", n, got, want)
		}
		if got != "" && scenario.Errno(got) != n {
			t.Errorf("%s is %d; want %d", got, scenario.Errno(got), n)
		}
	}
	if scenario.Errno("-") != 0 || scenario.Errno("") != 0 || scenario.ErrnoName(-1) != "" {
		t.Error("what is no error has a number or a name")
	}
}
