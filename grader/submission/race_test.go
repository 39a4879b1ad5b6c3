package submission

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const secretText = "nobody-may-read-this-4711"

// TestFolderThatChanges: a file, a folder and a link that turn into one another
// while they are read. What is read is what stood in the folder, or nothing.
func TestFolderThatChanges(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret.go"), []byte(secretText), 0o644))
	dir := folderOf(t, map[string]string{"student.go": good, "inner/a.go": "package inner\n"})
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			swap(dir, outside, i)
		}
	})
	refused := 0
	for range 3000 {
		files, _, err := readFolder(dir)
		var unusable *Unusable
		if err != nil && !errors.As(err, &unusable) {
			t.Errorf("got %v; want an Unusable", err)
		}
		if err != nil {
			refused++
		}
		for name, text := range files {
			if strings.Contains(string(text), secretText) {
				t.Fatalf("%s was read from outside", name)
			}
		}
	}
	close(stop)
	swapping.Wait()
	if refused == 0 || refused == 3000 {
		t.Errorf("refused %d times of 3000; want some", refused)
	}
}

// swap puts something else in the place of a file and of a folder, at once each.
func swap(dir, outside string, i int) {
	next := filepath.Join(dir, ".next")
	switch i % 4 {
	case 0:
		_ = os.Symlink(filepath.Join(outside, "secret.go"), next)
	case 1:
		_ = syscall.Mkfifo(next, 0o600)
	default:
		_ = os.WriteFile(next, []byte(good), 0o600)
	}
	_ = os.Rename(next, filepath.Join(dir, "student.go"))
	inner := filepath.Join(dir, "inner")
	_ = os.RemoveAll(inner)
	if i%2 == 0 {
		_ = os.Symlink(outside, inner)
		return
	}
	_ = os.Mkdir(inner, 0o700)
	_ = os.WriteFile(filepath.Join(inner, "a.go"), []byte("package inner\n"), 0o600)
}

// TestUnreadable: what the grader may not read is the submission's matter to
// mend. Root reads all, so the thread that reads is somebody else to the files.
func TestUnreadable(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, name := range []string{"student.go", "inner"} {
		dir := folderOf(t, map[string]string{"student.go": good, "inner/a.go": "package inner\n"})
		must(t, os.Chmod(filepath.Join(dir, name), 0))
		for up := dir; len(up) > len(os.TempDir())+1; up = filepath.Dir(up) {
			must(t, os.Chmod(up, 0o755))
		}
		must(t, syscall.Setfsuid(61234))
		_, err := Open(dir)
		must(t, syscall.Setfsuid(os.Geteuid()))
		must(t, os.Chmod(filepath.Join(dir, name), 0o700))
		var unusable *Unusable
		if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "\""+name+"\": unreadable") {
			t.Errorf("%s: got %v; want an Unusable that names it", name, err)
		}
	}
}
