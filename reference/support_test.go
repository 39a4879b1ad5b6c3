package reference

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// look takes stock.
func look(t *testing.T) leftovers {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, link := range links {
		names = append(names, link.Attrs().Name)
	}
	return leftovers{
		Descriptors: descriptors(t),
		Children:    children(t),
		Mounts:      lines(t, "/proc/self/mountinfo"),
		Links:       names,
		Pins:        glob(t, contract.NetnsDir+"/*"),
		Temp:        glob(t, boxTemp+"/*"),
	}
}

func compare(t *testing.T, before, after leftovers) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// descriptors are what is open, but for what is opened to find out.
func descriptors(t *testing.T) []string {
	t.Helper()
	var open []string
	for _, path := range glob(t, "/proc/self/fd/*") {
		if target, err := os.Readlink(path); err == nil {
			open = append(open, filepath.Base(path)+" "+target)
		}
	}
	return open
}

// children are the processes, dead or alive, that this one has not reaped.
func children(t *testing.T) []string {
	t.Helper()
	var pids []string
	for _, path := range glob(t, "/proc/self/task/*/children") {
		text, err := os.ReadFile(path)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended, its children are another's now
		}
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, strings.Fields(string(text))...)
	}
	slices.Sort(pids)
	return pids
}

// vmData is the size of the private memory in KiB.
func vmData(t *testing.T) int {
	t.Helper()
	for _, line := range lines(t, "/proc/self/status") {
		if size, ok := strings.CutPrefix(line, "VmData:"); ok {
			var kib int
			if _, err := fmt.Sscan(size, &kib); err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmData")
	return 0
}

// field reads one line of the calling thread's status.
func field(name string) (string, error) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("no %s in status", name)
}

// namespacesOf are the identities of a thread's namespaces.
func namespacesOf(t *testing.T, proc string) map[string]string {
	t.Helper()
	ids := make(map[string]string)
	for _, kind := range contract.NamespaceTypes() {
		id, err := os.Readlink(filepath.Join(proc, "ns", kind.Name))
		if err != nil {
			t.Fatal(err)
		}
		ids[kind.Name] = id
	}
	return ids
}

// staysHome fails the test if the process is in other namespaces at its end.
func staysHome(t *testing.T) {
	t.Helper()
	before := namespacesOf(t, "/proc/self")
	t.Cleanup(func() {
		if diff := cmp.Diff(before, namespacesOf(t, "/proc/self")); diff != "" {
			t.Errorf("caller has moved (-before +after):\n%s", diff)
		}
	})
}

// propagation reads the propagation of the mount at path, as seen by the
// calling thread: "shared", "master", "unbindable", or nothing for private.
func propagation(path string) (string, error) {
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return "", err
	}
	found, kinds := false, ""
	for line := range strings.Lines(string(text)) {
		before, _, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if fields[4] != path {
			continue
		}
		found, kinds = true, ""
		for _, tag := range fields[6:] {
			kind, _, _ := strings.Cut(tag, ":")
			kinds = strings.TrimSpace(kinds + " " + kind)
		}
	}
	if !found {
		return "", fmt.Errorf("no mount at %s", path)
	}
	return kinds, nil
}

// own runs f on a thread with a mount namespace of its own.
func own(t *testing.T, f func() error) {
	t.Helper()
	err := onOwnThread(func() error {
		if err := New().SetupMountNamespace(&contract.MountNamespaceContext{}); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		t.Error(err)
	}
}

// must fails the test if a preparation failed.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErrno fails the test unless err unwraps to errno; 0 means no error.
func wantErrno(t *testing.T, err error, errno unix.Errno) {
	t.Helper()
	if errno == 0 && err != nil {
		t.Errorf("got %v; want no error", err)
	}
	if errno != 0 && !errors.Is(err, errno) {
		t.Errorf("got %v; want %v", err, errno)
	}
}

// stdout is what f and its children print.
func stdout(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp("", "stdout-")
	must(t, err)
	defer os.Remove(file.Name())
	defer file.Close()
	saved := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = saved }()
	f()
	_, err = file.Seek(0, io.SeekStart)
	must(t, err)
	text, err := io.ReadAll(file)
	must(t, err)
	return strings.TrimSpace(string(text))
}

// shell is a command of a container.
func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// run creates a container, waits for it, cleans up, and returns its status and
// what it printed.
func run(t *testing.T, cfg *contract.ContainerConfig) (status int, output string) {
	t.Helper()
	rt := New()
	output = stdout(t, func() {
		must(t, rt.ContainerCreate(cfg))
		var err error
		if status, err = rt.ContainerWait(cfg); err != nil {
			t.Errorf("wait: %v", err)
		}
		must(t, rt.ContainerCleanup(cfg))
	})
	return status, output
}

// newRootfs makes an empty rootfs, and the bind mounts that make a shell work
// in it.
func newRootfs(t *testing.T) (rootfs string, binds []string) {
	t.Helper()
	rootfs = t.TempDir()
	must(t, os.Chmod(filepath.Dir(rootfs), 0o755))
	must(t, os.Chmod(rootfs, 0o777))
	for _, folder := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64"} {
		if _, err := os.Stat(folder); err == nil {
			binds = append(binds, folder+":"+folder)
		}
	}
	return rootfs, binds
}
