package main

import (
	"io"
	"strings"
	"testing"
)

// A prompt is seen in whatever pieces it comes, once, and nothing before it.
func TestPrompted(t *testing.T) {
	var out strings.Builder
	w := &prompted{Writer: &out, prompt: "/root # ", seen: make(chan struct{})}
	seen := func() bool {
		select {
		case <-w.seen:
			return true
		default:
			return false
		}
	}
	var all string
	for _, c := range []struct {
		text string
		want bool
	}{{"booting, /root is there\n", false}, {"/ro", false}, {"ot #", false}, {" ", true}, {"exit\n/root # ", true}} {
		all += c.text
		if _, err := io.WriteString(w, c.text); err != nil {
			t.Fatal(err)
		}
		if seen() != c.want {
			t.Errorf("after %q: seen %v; want %v", all, seen(), c.want)
		}
	}
	if out.String() != all {
		t.Errorf("passed on %q; want %q", out.String(), all)
	}
}
