package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"moulinette/grader/submission"
)

// Why a folder is unusable is told with its cause, in either language.
func TestUnusableTellsItsCause(t *testing.T) {
	cause := &fs.PathError{Op: "openat", Path: "main.go", Err: syscall.EACCES}
	err := fmt.Errorf("open: %w", &submission.Unusable{Path: "work", FR: "illisible", EN: "unreadable", Err: cause})
	for lang, want := range map[string]string{
		"fr": "work : illisible : permission denied", "en": "work: unreadable: permission denied",
	} {
		if got := (&app{lang: lang}).unusable("work", err).Error(); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

// Gradings that are kept at the same moment, of folders that are called the same, are all kept.
func TestKeepAtOnce(t *testing.T) {
	const gradings = 20
	dir := filepath.Join(t.TempDir(), "kept")
	var all sync.WaitGroup
	for i := range gradings {
		all.Go(func() {
			if err := keep(filepath.Join(dir, "a"), fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[string(text)] = true
	}
	if len(entries) != gradings || len(found) != gradings {
		t.Errorf("%d files of %d gradings; want %d", len(entries), len(found), gradings)
	}
}
