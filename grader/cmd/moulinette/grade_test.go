package main

import (
	"fmt"
	"io/fs"
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
