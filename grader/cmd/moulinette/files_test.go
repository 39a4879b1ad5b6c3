package main

import "testing"

// What lies below /dev is not always a stream: /dev/shm holds ordinary files, to which a
// second report must not be added.
func TestIsStream(t *testing.T) {
	for path, want := range map[string]bool{
		"/dev/stdout": true, "/dev/stderr": true, "/dev/fd/3": true, "/proc/self/fd/1": true, "/dev/../dev/stdout": true,
		"/dev/shm/report.json": false, "report.json": false, "/dev/fd": false,
	} {
		if got := isStream(path); got != want {
			t.Errorf("%s: got %v; want %v", path, got, want)
		}
	}
}
