package fault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// child runs deeds in namespaces of its own and tells the first that failed.
func child(names []string) (status int) {
	for _, name := range names {
		if err := deeds()[name](); err != nil {
			fmt.Printf("%s %s", name, errnoText(err))
			return 1
		}
	}
	return 0
}

// inside runs deeds in a child with new namespaces.
func inside(flags uintptr, names ...string) error {
	cmd := exec.Command("/proc/self/exe", append([]string{asChild}, names...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if flags&unix.CLONE_NEWUSER != 0 {
		one := []syscall.SysProcIDMap{{Size: 1}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = one, one
		cmd.SysProcAttr.Credential = &syscall.Credential{NoSetGroups: true}
	}
	if out, err := cmd.Output(); err != nil {
		return fmt.Errorf("%s (%w)", out, err)
	}
	return nil
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// makeDevices makes all six below a folder as a runtime does, and uses them.
func makeDevices(dir string) error {
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		p := dir + "/" + name
		if err := unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			return fmt.Errorf("mknod %s: %w", name, err)
		}
		if err := os.Chmod(p, 0o666); err != nil {
			return err
		}
		if err := os.Chown(p, 0, 0); err != nil {
			return err
		}
	}
	if err := unix.Mknod(dir+"/tty", unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))); err != nil {
		return fmt.Errorf("mknod tty: %w", err)
	}
	return useDevices(dir)
}

func useDevices(dir string) error {
	if err := os.WriteFile(dir+"/null", []byte("gone"), 0); err != nil {
		return err
	}
	zero, err := os.Open(dir + "/zero")
	if err != nil {
		return err
	}
	defer zero.Close()
	b := []byte{1, 2, 3}
	if _, err := io.ReadFull(zero, b); err != nil || b[0]|b[1]|b[2] != 0 {
		return fmt.Errorf("zero gave %v, %w", b, err)
	}
	if err := os.WriteFile(dir+"/full", []byte("x"), 0); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("full: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir+"/null", &st); err != nil {
		return err
	}
	return check(st.Mode == unix.S_IFCHR|0o666 && st.Rdev == unix.Mkdev(1, 3) && st.Uid == 0 && st.Gid == 0,
		"null is %#o %#x of %d:%d", st.Mode, st.Rdev, st.Uid, st.Gid)
}

func mountDev() error {
	return unix.Mount("tmpfs", "/mnt/root/dev", "tmpfs", unix.MS_NOSUID, "mode=755")
}

func bindDevice(source, target string) error {
	if err := os.WriteFile(target, nil, 0o666); err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND, "")
}

// nullSomehow is what a thoughtful runtime does.
func nullSomehow(target string) error {
	err := unix.Mknod(target, unix.S_IFCHR|0o666, 0x103)
	if errors.Is(err, unix.EPERM) {
		return bindDevice("/dev/null", target)
	}
	return err
}

func pivot() error {
	for _, step := range []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("/mnt/root", "/mnt/root", "", unix.MS_BIND|unix.MS_REC, ""),
		unix.PivotRoot("/mnt/root", "/mnt/root/old"),
		unix.Chdir("/"),
		unix.Unmount("/old", unix.MNT_DETACH),
	} {
		if step != nil {
			return step
		}
	}
	return nil
}

// deeds are what a runtime does, in so far as our user namespace refuses it.
func deeds() map[string]func() error {
	return map[string]func() error{
		"devices on a folder":         func() error { return makeDevices("/mnt/root/etc") },
		"mount dev":                   mountDev,
		"devices on dev":              func() error { return makeDevices("/mnt/root/dev") },
		"devices on dev, relative":    func() error { os.Chdir("/mnt/root/etc"); return makeDevices("../dev") },
		"use devices after pivot":     func() error { return useDevices("/dev") },
		"devices after pivot":         func() error { return makeDevices("/dev") },
		"mount dev after pivot":       func() error { return unix.Mount("tmpfs", "/dev", "tmpfs", 0, "mode=755,uid=0,gid=0,size=64k") },
		"unlink null":                 func() error { return os.Remove("/mnt/root/dev/null") },
		"umount dev":                  func() error { return unix.Unmount("/mnt/root/dev", 0) },
		"dev is empty":                func() error { _, err := os.Stat("/mnt/root/dev/zero"); return check(os.IsNotExist(err), "still there") },
		"remount dev":                 func() error { return unix.Mount("", "/mnt/root/dev", "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m") },
		"write to dev":                func() error { return os.WriteFile("/mnt/root/dev/file", nil, 0o644) },
		"bad option":                  func() error { return unix.Mount("tmpfs", "/mnt/root/dev", "tmpfs", 0, "moed=755") },
		"null again":                  func() error { return unix.Mknod("/mnt/root/etc/null", unix.S_IFCHR|0o666, 0x103) },
		"disk":                        func() error { return unix.Mknod("/mnt/root/etc/sda", unix.S_IFBLK|0o666, 0x800) },
		"mem":                         func() error { return unix.Mknod("/mnt/root/etc/mem", unix.S_IFCHR|0o666, 0x101) },
		"null in somebody's folder":   func() error { return unix.Mknod("/mnt/theirs/null", unix.S_IFCHR|0o666, 0x103) },
		"null nowhere":                func() error { return unix.Mknod("/mnt/nowhere/null", unix.S_IFCHR|0o666, 0x103) },
		"null through a link of proc": func() error { return unix.Mknod("/proc/1/root/mnt/root/etc/n", unix.S_IFCHR|0o666, 0x103) },
		"own tmpfs":                   func() error { return unix.Mount("t", "/mnt/plain", "tmpfs", 0, "") },
		"null on own tmpfs":           func() error { return unix.Mknod("/mnt/plain/null", unix.S_IFCHR|0o666, 0x103) },
		"null bound there":            func() error { return bindDevice("/dev/null", "/mnt/plain/null") },
		"zero bound there":            func() error { return bindDevice("/dev/zero", "/mnt/plain/null") },
		"null or a bind":              func() error { return nullSomehow("/mnt/plain/null") },
		"another call":                func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		"null in a container":         func() error { return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "null or a bind", "another call") },
		"no null there":               func() error { _, err := os.Stat("/mnt/plain/null"); return check(os.IsNotExist(err), "still there") },
		"without CAP_MKNOD": func() error {
			var sets [2]unix.CapUserData
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			unix.Capget(&header, &sets[0])
			sets[0].Effective &^= 1 << unix.CAP_MKNOD
			unix.Capset(&header, &sets[0])
			return unix.Mknod("/mnt/root/etc/n", unix.S_IFCHR|0o666, 0x103)
		},
		"umask": func() error {
			unix.Umask(0o27)
			var st unix.Stat_t
			if err := unix.Mknod("/mnt/root/etc/masked", unix.S_IFCHR|0o666, 0x103); err != nil {
				return err
			}
			unix.Stat("/mnt/root/etc/masked", &st)
			return check(st.Mode == unix.S_IFCHR|0o640, "mode %#o", st.Mode)
		},
		"pivot": pivot,
		"mkdir": func() error { return os.Mkdir("/proc", 0o755) },
		"mount proc": func() error {
			return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		},
		"mount proc 2": func() error { os.Chdir("/etc"); return unix.Mount("proc", "../proc", "proc", 0, "") },
		"proc is ours": procIsOurs,
		"in a container": func() error {
			return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "pivot", "mount proc", "proc is ours", "mount proc 2", "mount dev after pivot", "devices after pivot")
		},
		"in a container of a user": func() error {
			return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWUSER, "pivot", "mount dev after pivot", "devices after pivot")
		},
		"devices by a user": func() error { return inside(unix.CLONE_NEWUSER, "devices on a folder") },
		"proc of a user": func() error {
			return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWUSER, "pivot", "mount proc")
		},
		"proc before pivot": func() error { return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "mount proc", "proc is ours") },
		"container with dev": func() error {
			return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "mount dev", "devices on dev", "pivot", "use devices after pivot")
		},
		"share, and dev": func() error { return errors.Join(unix.Mount("", "/mnt", "", unix.MS_SHARED, ""), mountDev()) },
		"dev has a peer": devHasPeer,
		"mount devtmpfs": func() error { return unix.Mount("dev", "/mnt/plain", "devtmpfs", 0, "") },
		"detached proc":  func() error { return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "pivot", "mount proc") },
		"detached, and crowded": func() error {
			return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "pivot", "many mounts", "mount proc")
		},
		"many mounts":   manyMounts,
		"misspelt proc": func() error { return unix.Mount("proc", "/proc", "proc", 0, "hidepdi=2") },
		"detached, and misspelt": func() error {
			return inside(unix.CLONE_NEWPID|unix.CLONE_NEWNS, "pivot", "misspelt proc")
		},
	}
}

// manyMounts doubles those on /etc until mountinfo has megabytes of them.
func manyMounts() error {
	deep := "/etc/" + strings.Repeat(strings.Repeat("d", 200)+"/", 15)
	if err := errors.Join(unix.Mount("t", "/etc", "tmpfs", 0, ""), os.MkdirAll(deep, 0o755)); err != nil {
		return err
	}
	for range 8 {
		if err := unix.Mount("/etc", deep, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	return nil
}

func procIsOurs() error {
	self, err := os.Readlink("/proc/self")
	if err != nil || self != "1" {
		return fmt.Errorf("/proc/self is %q, %w", self, err)
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); f[4] == "/proc" && strings.HasPrefix(f[5], "rw,nosuid,nodev,noexec,relatime") {
			return nil
		}
	}
	return fmt.Errorf("no proc with its flags in %s", info)
}

func devHasPeer() error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); f[4] == "/mnt/root/dev" && strings.HasPrefix(f[6], "shared:") {
			return nil
		}
	}
	return errors.Join(err, fmt.Errorf("dev is not shared: %s", info))
}

func needRoot(t *testing.T) {
	t.Helper()
	if !isRoot() {
		t.Skip("asks for real root")
	}
}

func TestGrants(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name     string
		acts     []string
		want     []string // nil: ok each
		withheld []string
	}{
		{name: "folder", acts: []string{"devices on a folder"}},
		{name: "umask", acts: []string{"umask"}},
		{name: "tmpfs", acts: []string{"mount dev", "devices on dev", "unlink null", "umount dev", "dev is empty"}},
		{name: "relative", acts: []string{"mount dev", "devices on dev, relative"}},
		{name: "remount", acts: []string{"mount dev", "write to dev", "remount dev", "write to dev"}, want: []string{"ok", "ok", "ok", "EROFS"}},
		{name: "bad option", acts: []string{"bad option"}, want: []string{"EINVAL"}},
		{name: "propagates", acts: []string{"share, and dev", "dev has a peer"}},
		{name: "container", acts: []string{"in a container"}},
		{name: "container with dev", acts: []string{"container with dev"}},
		{name: "nested", acts: []string{"in a container of a user"}},
		{name: "nested, by hand", acts: []string{"devices by a user"}},
		{name: "proc before pivot", acts: []string{"proc before pivot"}},
		{
			name: "what root is refused as well", acts: []string{"disk", "mem", "null in somebody's folder", "null nowhere", "null through a link of proc"},
			want: []string{"EPERM", "EPERM", "EACCES", "ENOENT", "EPERM"},
		},
		{name: "again", acts: []string{"devices on a folder", "null again"}, want: []string{"ok", "EEXIST"}},
		{name: "no capability", acts: []string{"without CAP_MKNOD"}, want: []string{"EPERM"}},
		{
			name: "own tmpfs", acts: []string{"own tmpfs", "null on own tmpfs", "no null there"}, want: []string{"ok", "EPERM", "ok"},
			withheld: []string{"mknod c 1:3 at /mnt/plain/null"},
		},
		{name: "had by another road", acts: []string{"own tmpfs", "null on own tmpfs", "null bound there", "another call"}, want: []string{"ok", "EPERM", "ok", "ok"}},
		{
			name: "another device had", acts: []string{"own tmpfs", "null on own tmpfs", "zero bound there", "another call"}, want: []string{"ok", "EPERM", "ok", "ok"},
			withheld: []string{"mknod c 1:3 at /mnt/plain/null"},
		},
		{name: "had in a container that is gone", acts: []string{"own tmpfs", "null in a container"}},
		{name: "devtmpfs", acts: []string{"mount devtmpfs"}, want: []string{"EPERM"}, withheld: []string{"mount devtmpfs at /mnt/plain"}},
		{name: "bad option of a proc", acts: []string{"detached, and misspelt"}, want: []string{"misspelt proc EINVAL (exit status 1)"}},
		{name: "more mounts than anybody looks at", acts: []string{"detached, and crowded"}, want: []string{"mount proc EPERM (exit status 1)"}},
		{name: "proc of a user", acts: []string{"proc of a user"}, want: []string{"mount proc EPERM (exit status 1)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, Options{Grant: true}, tt.acts...).act()
			expect(t, b, tt.acts, tt.want)
			if got := said(b.Result().Withheld); !slices.Equal(got, tt.withheld) {
				t.Errorf("withheld: got %q; want %q", got, tt.withheld)
			}
		})
	}
}

func said(withheld []evidence.Refusal) (texts []string) {
	for _, r := range withheld {
		texts = append(texts, r.String())
	}
	return texts
}

// expect compares what the actor says with what is wanted of each act.
func expect(t *testing.T, b *boxed, acts, want []string) {
	t.Helper()
	for i, act := range acts {
		if want == nil {
			acts = append(acts[:i:i], append([]string{act + " ok"}, acts[i+1:]...)...)
		} else {
			acts = append(acts[:i:i], append([]string{act + " " + want[i]}, acts[i+1:]...)...)
		}
	}
	if got := b.rest(); !slices.Equal(got, acts) {
		for _, e := range b.Result().Trace {
			t.Logf("%s -> %s", e.Detail, e.Result)
		}
		t.Errorf("got %q; want %q", got, acts)
	}
}

// Without real root the same calls are refused, and noted.
func TestWithheld(t *testing.T) {
	acts := []string{"null on own tmpfs", "null nowhere", "disk", "detached proc", "proc before pivot", "mount devtmpfs"}
	want := []string{"EPERM", "ENOENT", "EPERM", "mount proc EPERM (exit status 1)", "ok", "EPERM"}
	b := start(t, Options{Withhold: true}, acts...).act()
	expect(t, b, acts, want)
	noted := []string{"mknod c 1:3 at /mnt/plain/null", "mount proc at /proc", "mount devtmpfs at /mnt/plain"}
	if got := said(b.Result().Withheld); !slices.Equal(got, noted) {
		t.Errorf("withheld: got %q; want %q", got, noted)
	}
	if !isRoot() {
		return // without a namespace of its own a supervisor cannot tell what is wrong
	}
	wrong := []string{"detached, and misspelt"}
	b = start(t, Options{Withhold: true}, wrong...).act()
	expect(t, b, wrong, []string{"misspelt proc EINVAL (exit status 1)"})
	if got := b.Result().Withheld; got != nil {
		t.Errorf("withheld: %q, of a call that is wrong anywhere", got)
	}
}

// Nothing is given, and nothing noted, unless it is asked for.
func TestNothingGiven(t *testing.T) {
	acts := []string{"null on own tmpfs", "detached proc"}
	b := start(t, Options{}, acts...).act()
	expect(t, b, acts, []string{"EPERM", "mount proc EPERM (exit status 1)"})
	if got := b.Result().Withheld; got != nil {
		t.Errorf("withheld: %q", got)
	}
}
