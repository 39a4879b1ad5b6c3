package grader

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/run"
	"moulinette/grader/submission"
)

// What was not played has not shown that there is nothing to find.
func TestSanitizedInPart(t *testing.T) {
	said := run.Result{Record: &evidence.Record{Scenario: "pid.x", Output: evidence.Output{Stderr: "submission/linux_namespaces.c:7:3: runtime error: signed integer overflow\n"}}}
	fault := run.Result{Err: errors.New("too late")}
	for _, c := range []struct {
		results []run.Result
		want    string
	}{
		{[]run.Result{said}, "--sanitize: linux_namespaces.c:7: signed integer overflow (in pid.x)"},
		{[]run.Result{{Record: &evidence.Record{}}}, "--sanitize: nothing found"},
		{[]run.Result{fault, said, fault}, "--sanitize: linux_namespaces.c:7: signed integer overflow (in pid.x)|--sanitize: scenarios that could not be played: 2 (too late)"},
		{[]run.Result{fault}, "--sanitize: scenarios that could not be played: 1 (too late)"},
	} {
		var got []string
		for _, text := range sanitized(c.results) {
			got = append(got, text.EN)
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("got %q; want %q", got, c.want)
		}
	}
}

// A program can say what it likes, as often as it likes.
func TestSanitizedIsBounded(t *testing.T) {
	var said strings.Builder
	for line := range 10_000 {
		fmt.Fprintf(&said, "submission/a.c:%d:1: runtime error: x\n", line)
	}
	rec := &evidence.Record{Output: evidence.Output{Stderr: said.String()}}
	if got := len(sanitized([]run.Result{{Record: rec}})); got != submission.MaxFindings {
		t.Errorf("got %d sentences; want %d", got, submission.MaxFindings)
	}
}
