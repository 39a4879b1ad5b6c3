package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
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

// What cannot be a file in the machine is refused before anything is done.
func TestCarried(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b/a", "c"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for want, names := range map[string][]string{
		"": {"a", "c"}, "no regular file": {"a", "b"}, "no such file": {"nowhere"}, "take the place": {"a", "c", "b/a"},
	} {
		for i := range names {
			names[i] = filepath.Join(dir, names[i])
		}
		err := (&app{}).vmShell(t.Context(), machines{sum: "00"}, names)
		if want == "" {
			want = "go with --kernel" // what comes next
		}
		if f, ok := errors.AsType[*failure](err); !ok || f.code != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v; want %s", names, err, want)
		}
	}
}

// A first file system without a name is what the machine boots.
func TestNamelessInitrd(t *testing.T) {
	dir := t.TempDir()
	qemu := filepath.Join(dir, "qemu")
	if err := os.WriteFile(qemu, []byte("#!/bin/sh\nwhile [ $# -gt 1 ]; do [ $1 = -initrd ] && exec cat $2; shift; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	initrd, err := os.Create(filepath.Join(dir, "initrd"))
	if err != nil {
		t.Fatal(err)
	}
	defer initrd.Close()
	_, err = initrd.WriteString("the first file system")
	if err := errors.Join(err, os.Remove(initrd.Name())); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	a := &app{stdout: &out, stderr: io.Discard, env: func(string) string { return "" }}
	if err := a.boot(t.Context(), qemu, "kernel", initrd); err != nil || out.String() != "the first file system" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}
