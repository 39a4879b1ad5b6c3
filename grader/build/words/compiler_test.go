package words

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"moulinette/grader/submission"
)

// A folder that cannot be written to is told of with the way to another.
func TestNowhereToBuild(t *testing.T) {
	cause := fmt.Errorf("stage: %w", &os.PathError{Op: "mkdir", Path: "/x", Err: syscall.EROFS})
	if err := HostFault(nil, cause); !strings.Contains(err.Error(), "set XDG_CACHE_HOME") || !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v; want the cure", err)
	}
	if got, want := HostFault(nil, cause).Error(), "room for 500 MB: no submission can be built on this host: stage: mkdir /x: read-only file system"; !strings.Contains(got, want) {
		t.Errorf("got %s; want %s", got, want)
	}
	if got := HostFault([]byte("a: write /x/a: no space left on device\nb: write /x/b: no space left on device\n"), errors.New("exit status 1")).Error(); !strings.Contains(got, "set XDG_CACHE_HOME") || strings.Count(got, "no space") != 1 {
		t.Errorf("got %s; want the cure, and what is full once", got)
	}
	for _, test := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("cache: %w", &os.PathError{Op: "open", Path: "/x", Err: syscall.ENOSPC}), true},
		{fmt.Errorf("stage: %w", &os.PathError{Op: "mkdir", Path: "/proc/x", Err: syscall.ENOENT}), true},
		{errors.New("gcc: exit status 1: /usr/bin/ld: made: final close failed: No space left on device"), true},
		{&os.PathError{Op: "fork/exec", Path: "/x", Err: syscall.ENOENT}, false},
		{&submission.BuildError{Findings: []submission.Finding{{EN: "x: no space left on device"}}}, false},
	} {
		if got := strings.Count(Cured(Cured(test.err)).Error(), "set XDG_CACHE_HOME"); got != map[bool]int{true: 1}[test.want] {
			t.Errorf("%v: the cure stands there %d times; want it: %v", test.err, got, test.want)
		}
	}
	if err := HostFault(nil, errors.New("odd")); strings.HasSuffix(strings.TrimSpace(err.Error()), ":") {
		t.Errorf("got %q; want no empty end", err)
	}
}

// What a text says of itself stands behind its place: it is no tool that was killed.
func TestTextThatSpeaksLikeATool(t *testing.T) {
	s := &submission.Submission{ImportPath: submission.DefaultImportPath}
	line := `student/a.go:3:15: cannot use "/compile: signal: killed" (untyped string constant) as int value`
	if err := Explain(s, []byte("# moulinette/student\n"+line+"\n")); err == nil || !strings.Contains(err.Error(), "a.go:3:15: cannot use") {
		t.Errorf("got %v; want the compiler's own words", err)
	}
	if err := Explain(s, []byte("moulinette/student: /usr/lib/go/pkg/tool/linux_amd64/compile: signal: killed\n")); err != nil {
		t.Errorf("got %v of a compiler that was killed", err)
	}
}

// A slow machine compiles the standard library in several goes.
func TestSlowHost(t *testing.T) {
	err := HostFault(nil, fmt.Errorf("go build: %w 5m0s", ErrTimeout))
	if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("got %v; want the cure", err)
	}
}
