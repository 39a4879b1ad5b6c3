package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// tmpfs mounts one on a new folder below dir, for the calling thread.
func tmpfs(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		return "", err
	}
	return path, unix.Mount("tmpfs", path, "tmpfs", 0, "")
}

func TestMakeMount(t *testing.T) {
	dir := t.TempDir()
	leavesNothing(t)
	rt := New()
	for name, test := range map[string]struct {
		change func(string) error
		want   string
	}{
		"private":    {rt.MakeMountPrivate, ""},
		"shared":     {rt.MakeMountShared, "shared"},
		"slave":      {rt.MakeMountSlave, "master"},
		"unbindable": {rt.MakeMountUnbindable, "unbindable"},
	} {
		own(t, func() error {
			path, err := tmpfs(dir, name)
			if err != nil {
				return err
			}
			if _, err := tmpfs(path, "below"); err != nil {
				return err
			}
			peer := path + "-peer"
			if err := errors.Join(rt.MakeMountShared(path), os.Mkdir(peer, 0o755), bindMount(path, peer), test.change(path)); err != nil {
				return err
			}
			for _, at := range []string{path, path + "/below"} {
				if got, err := propagation(at); got != test.want || err != nil {
					t.Errorf("%s: %s: got %q, %v; want %q", name, at, got, err, test.want)
				}
			}
			return nil
		})
	}
}

func TestMakeMountErrors(t *testing.T) {
	rt, dir := New(), t.TempDir()
	for _, change := range []func(string) error{
		rt.MakeMountPrivate, rt.MakeMountShared, rt.MakeMountSlave, rt.MakeMountUnbindable,
	} {
		wantErrno(t, change(dir), unix.EINVAL)
		wantErrno(t, change(filepath.Join(dir, "nowhere")), unix.ENOENT)
	}
}

func TestSetupMountNamespace(t *testing.T) {
	rootfs, binds := newRootfs(t)
	leavesNothing(t)
	staysHome(t)
	for kind, want := range map[contract.MountPropagation]string{
		contract.Private: "", contract.Shared: "shared", contract.Slave: "master", contract.Unbindable: "unbindable",
	} {
		ctx := &contract.MountNamespaceContext{Rootfs: rootfs, BindMounts: append(binds, "/etc/passwd:/users"), Propagation: kind}
		err := onOwnThread(func() error {
			if err := New().SetupMountNamespace(ctx); err != nil {
				return err
			}
			got, err := propagation("/")
			if got != want || err != nil {
				t.Errorf("%d: got %q, %v; want %q", kind, got, err, want)
			}
			if _, err := propagation(rootfs + "/users"); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(rootfs + "/usr/bin/env"); err != nil {
				t.Error(err)
			}
			_, err = tmpfs(rootfs, fmt.Sprint("inside", kind)) // must not come out
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSetupMountNamespaceErrors(t *testing.T) {
	dir := t.TempDir()
	leavesNothing(t)
	for name, test := range map[string]struct {
		ctx   *contract.MountNamespaceContext
		errno unix.Errno
	}{
		"nil":             {nil, unix.EINVAL},
		"propagation":     {&contract.MountNamespaceContext{Propagation: 4}, unix.EINVAL},
		"no colon":        {&contract.MountNamespaceContext{BindMounts: []string{"/tmp"}}, unix.EINVAL},
		"relative target": {&contract.MountNamespaceContext{BindMounts: []string{"/tmp:tmp"}}, unix.EINVAL},
		"two colons":      {&contract.MountNamespaceContext{BindMounts: []string{"/tmp:/tmp:ro"}}, unix.EINVAL},
		"no source":       {&contract.MountNamespaceContext{BindMounts: []string{"/nonexistent:" + dir}}, unix.ENOENT},
		"no rootfs":       {&contract.MountNamespaceContext{Rootfs: "/nonexistent", BindMounts: []string{"/tmp:/tmp"}}, unix.ENOENT},
	} {
		err := onOwnThread(func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return err
			}
			before, err := os.Readlink("/proc/thread-self/ns/mnt")
			must(t, errors.Join(err, unix.Chdir(dir)))
			wantErrno(t, New().SetupMountNamespace(test.ctx), test.errno)
			after, err := os.Readlink("/proc/thread-self/ns/mnt")
			cwd, errCwd := os.Readlink("/proc/thread-self/cwd")
			if after != before || cwd != dir {
				t.Errorf("%s: got %s in %s; want back in %s in %s", name, after, cwd, before, dir)
			}
			return errors.Join(err, errCwd)
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPivotRootSetup(t *testing.T) {
	for _, putOld := range []string{".old", "/.old", "deep"} {
		rootfs, binds := newRootfs(t)
		leavesNothing(t)
		must(t, os.Mkdir(rootfs+"/proc", 0o755))
		if strings.HasPrefix(putOld, "/") {
			putOld = rootfs + putOld
		}
		err := onOwnThread(func() error {
			ctx := &contract.MountNamespaceContext{Rootfs: rootfs, BindMounts: append(binds, "/proc:/proc")}
			if err := New().SetupMountNamespace(ctx); err != nil {
				return err
			}
			if err := New().PivotRootSetup(rootfs, putOld); err != nil {
				return err
			}
			cwd, err := os.Readlink("/proc/thread-self/cwd")
			if cwd != "/" {
				t.Errorf("cwd: got %s", cwd)
			}
			entries := glob(t, "/*")
			if len(entries) != len(binds)+1 {
				t.Errorf("%s: root holds %q", putOld, entries)
			}
			mounts, errMounts := os.ReadFile("/proc/thread-self/mountinfo")
			if strings.Contains(string(mounts), boxTemp+" ") || strings.Count(string(mounts), " /usr ") > 1 {
				t.Errorf("%s: the old root's mounts are there:\n%s", putOld, mounts)
			}
			return errors.Join(err, errMounts)
		})
		if err != nil {
			t.Errorf("%s: %v", putOld, err)
		}
		if left := glob(t, rootfs+"/.old"); left != nil {
			t.Errorf("left %q", left)
		}
	}
}

func TestPivotRootSetupErrors(t *testing.T) {
	rootfs, _ := newRootfs(t)
	leavesNothing(t)
	for _, test := range []struct {
		newRoot, putOld string
		errno           unix.Errno
	}{
		{"", "", unix.EINVAL},
		{rootfs, "", unix.EINVAL},
		{"/", "/old", unix.EINVAL},
		{rootfs, rootfs, unix.EINVAL},
		{rootfs, ".", unix.EINVAL},
		{rootfs, "/elsewhere", unix.EINVAL},
		{rootfs, "../beside", unix.EINVAL},
		{rootfs + "/nowhere", "old", unix.ENOENT},
		{"/etc/passwd", "old", unix.ENOTDIR},
	} {
		own(t, func() error {
			wantErrno(t, New().PivotRootSetup(test.newRoot, test.putOld), test.errno)
			return nil
		})
	}
}

// pivot_root(2) refuses a shared parent, when newRoot is mounted and putOld is
// made already: both are undone.
func TestPivotRootSetupIsUndone(t *testing.T) {
	rootfs, _ := newRootfs(t)
	own(t, func() error {
		if err := New().MakeMountShared("/"); err != nil {
			return err
		}
		before, err := os.ReadFile("/proc/thread-self/mountinfo")
		wantErrno(t, New().PivotRootSetup(rootfs, "old"), unix.EINVAL)
		after, errAfter := os.ReadFile("/proc/thread-self/mountinfo")
		if string(before) != string(after) {
			t.Errorf("mounts: got %s; want %s", after, before)
		}
		if left := glob(t, rootfs+"/*"); left != nil {
			t.Errorf("left %q", left)
		}
		return errors.Join(err, errAfter)
	})
}

func TestMountFilesystems(t *testing.T) {
	dir := t.TempDir()
	rt := New()
	for name, test := range map[string]struct {
		mount  func(string) error
		exists string
	}{
		"proc":  {rt.MountProc, "self"},
		"sysfs": {rt.MountSysfs, "class"},
		"tmpfs": {rt.MountDevfs, "."},
	} {
		own(t, func() error {
			target := filepath.Join(dir, name)
			if err := test.mount(target); err != nil {
				return err
			}
			_, err := os.Stat(filepath.Join(target, test.exists))
			mounts, errMounts := os.ReadFile("/proc/thread-self/mountinfo")
			if !strings.Contains(string(mounts), " "+target+" rw,nosuid") {
				t.Errorf("%s is not mounted there, or setuid counts", name)
			}
			return errors.Join(err, errMounts)
		})
		wantErrno(t, test.mount(""), unix.EINVAL)
		wantErrno(t, test.mount("/etc/passwd"), unix.ENOTDIR)
	}
}

// A thread without capabilities may not mount; the folder goes again.
func TestMountFilesystemIsUndone(t *testing.T) {
	dir := t.TempDir()
	own(t, func() error {
		if err := New().DropCapabilities(0); err != nil {
			return err
		}
		wantErrno(t, New().MountProc(dir+"/proc"), unix.EPERM)
		wantErrno(t, New().MountDevfs(dir+"/dev"), unix.EPERM)
		if left := glob(t, dir+"/*"); left != nil {
			t.Errorf("left %q", left)
		}
		return nil
	})
}

func TestCreateDevices(t *testing.T) {
	dir := t.TempDir()
	leavesNothing(t)
	own(t, func() error {
		if err := New().MountDevfs(dir + "/dev"); err != nil {
			return err
		}
		for range 2 { // the second time all is there
			if err := New().CreateDevices(dir); err != nil {
				return err
			}
		}
		for _, d := range devices() {
			path := filepath.Join(dir, "dev", d.name)
			info, err := os.Stat(path)
			if err != nil || !d.isAt(path) || info.Mode().Perm() != deviceMode {
				t.Errorf("%s: got %v, %v", path, info.Mode(), err)
			}
		}
		for fd, name := range standardStreams() {
			if target, _ := os.Readlink(filepath.Join(dir, "dev", name)); target != fmt.Sprintf("/proc/self/fd/%d", fd) {
				t.Errorf("%s: got %q", name, target)
			}
		}
		return os.WriteFile(dir+"/dev/null", []byte("lost"), 0)
	})
}

func TestCreateDevicesErrors(t *testing.T) {
	wantErrno(t, New().CreateDevices(""), unix.EINVAL)
	dir := t.TempDir()
	for name, errno := range map[string]unix.Errno{"urandom": unix.EEXIST, "stderr": unix.EEXIST} {
		own(t, func() error {
			if err := New().MountDevfs(dir + "/dev"); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "dev", name), []byte("in the way"), 0o600); err != nil {
				return err
			}
			wantErrno(t, New().CreateDevices(dir), errno)
			if left := glob(t, dir+"/dev/*"); len(left) != 1 {
				t.Errorf("%s: left %q", name, left)
			}
			return nil
		})
	}
	// So deep that there is room for the folder's path, and none for a device's.
	deep := dir
	for len(deep) < 4090 {
		deep += "/" + strings.Repeat("x", min(200, 4089-len(deep)))
	}
	must(t, os.MkdirAll(deep, 0o755))
	wantErrno(t, New().CreateDevices(deep), unix.ENAMETOOLONG)
	if left := glob(t, deep+"/*"); len(left) > 0 {
		t.Error("the folder is left")
	}
}
