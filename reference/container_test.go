package reference

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

func config(script string) *contract.ContainerConfig {
	return &contract.ContainerConfig{Hostname: "seahaven", Cmd: shell(script)}
}

func TestContainer(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	cfg := config("echo $$ $(hostname); exit 7")
	status, output := run(t, cfg)
	if status != 7 || output != "1 seahaven" {
		t.Errorf("got status %d, output %q; want 7, %q", status, output, "1 seahaven")
	}
	if !cfg.Status.Exited() || cfg.Status.ExitStatus() != 7 {
		t.Errorf("config's status: got %#x; want exit 7", cfg.Status)
	}
}

func TestContainerFlags(t *testing.T) {
	leavesNothing(t)
	const pid, mnt, uts, ipc, net, user = unix.CLONE_NEWPID, unix.CLONE_NEWNS, unix.CLONE_NEWUTS,
		unix.CLONE_NEWIPC, unix.CLONE_NEWNET, unix.CLONE_NEWUSER
	home := namespacesOf(t, "/proc/self")
	for _, flags := range []uintptr{
		0, pid, mnt, uts, pid | uts, pid | mnt, mnt | uts, net, ipc, user, user | mnt, user | uts, user | pid,
		pid | mnt | uts | ipc | net, pid | mnt | uts | ipc | net | user | contract.CloneNewCgroup,
	} {
		t.Run(fmt.Sprintf("%#x", flags), func(t *testing.T) {
			cfg := config(`for ns in mnt uts ipc pid net user cgroup; do readlink /proc/self/ns/$ns; done; hostname`)
			cfg.CloneFlags = flags
			status, output := run(t, cfg)
			if status != 0 {
				t.Fatalf("got status %d: %s", status, output)
			}
			got := strings.Fields(output)
			for i, kind := range contract.NamespaceTypes() {
				if isNew := got[i] != home[kind.Name]; isNew != isolates(cfg, kind.Flag) {
					t.Errorf("%s: got new %t", kind.Name, isNew)
				}
			}
			if renamed := got[7] == "seahaven"; renamed != isolates(cfg, uts) {
				t.Errorf("hostname: got %s", got[7])
			}
		})
	}
}

func TestContainerRootfs(t *testing.T) {
	for name, flags := range map[string]uintptr{
		"default":        0,
		"user":           contract.DefaultCloneFlags | unix.CLONE_NEWUSER,
		"same pid":       unix.CLONE_NEWNS,
		"same pid, user": unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
	} {
		t.Run(name, func(t *testing.T) {
			rootfs, binds := newRootfs(t)
			shared := t.TempDir()
			leavesNothing(t)
			staysHome(t)
			cfg := config(`set -e
				echo from inside >/data/dir/letter
				echo lost >/dev/null
				test "$(head -c 4 /dev/zero | wc -c)" = 4
				for d in full random urandom tty; do test -c /dev/$d; done
				for l in stdin stdout stderr; do test -h /dev/$l; done
				test -d /proc/self && test ! -e /dev/.old && test ! -e ` + boxTemp + `
				pwd; ls /; ls /proc/self/fd | wc -l; cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -d`)
			cfg.CloneFlags = flags
			cfg.Rootfs = rootfs
			cfg.Mnt = &contract.MountNamespaceContext{BindMounts: append(binds, shared+":/data/dir")}
			status, output := run(t, cfg)
			if status != 0 {
				t.Fatalf("got status %d, output %q", status, output)
			}
			// Standard streams, and the folder that ls reads.
			got := strings.Fields(output)
			if want := "4"; got[len(got)-1] != want {
				t.Errorf("got %q; want %s descriptors, and no mount point twice", got, want)
			}
			letter, err := os.ReadFile(filepath.Join(shared, "letter"))
			if string(letter) != "from inside\n" {
				t.Errorf("bind mount: got %q, %v", letter, err)
			}
			if entries := glob(t, rootfs+"/*"); len(entries) != len(binds)+3 {
				t.Errorf("rootfs holds %q", entries)
			}
		})
	}
}

func TestContainerPropagation(t *testing.T) {
	for kind, want := range map[contract.MountPropagation]string{
		contract.Private: "", contract.Slave: "master", contract.Shared: "shared", contract.Unbindable: "unbindable",
	} {
		leavesNothing(t)
		cfg := config("grep ' / / ' /proc/self/mountinfo")
		cfg.Mnt = &contract.MountNamespaceContext{Propagation: kind}
		if _, output := run(t, cfg); !strings.Contains(output, want) || (want == "" && !strings.Contains(output, "relatime - ")) {
			t.Errorf("%d: got %q; want %q", kind, output, want)
		}
	}
}

func TestContainerInheritsNothing(t *testing.T) {
	file, err := os.Open("/dev/null")
	must(t, err)
	defer file.Close()
	_, err = unix.FcntlInt(file.Fd(), unix.F_SETFD, 0) // as careless as can be
	must(t, err)
	status, output := run(t, config("ls /proc/self/fd | wc -l; env | grep -c TRUMAN"))
	if output != "4\n0" {
		t.Errorf("got status %d, %q; want 4 descriptors with ls's own, and no configuration", status, output)
	}
}

func TestContainerIsRefused(t *testing.T) {
	rootfs, _ := newRootfs(t)
	leavesNothing(t)
	file := "/etc/passwd"
	for name, test := range map[string]struct {
		cfg   *contract.ContainerConfig
		errno unix.Errno
	}{
		"nil":                    {nil, unix.EINVAL},
		"no command":             {&contract.ContainerConfig{}, unix.EINVAL},
		"empty command":          {&contract.ContainerConfig{Cmd: []string{""}}, unix.EINVAL},
		"long hostname":          {&contract.ContainerConfig{Cmd: shell(""), Hostname: strings.Repeat("x", 65)}, unix.EINVAL},
		"flag of no namespace":   {withFlags(config(""), unix.CLONE_FILES), unix.EINVAL},
		"rootfs without mnt":     {&contract.ContainerConfig{Cmd: shell(""), Rootfs: rootfs, CloneFlags: unix.CLONE_NEWPID}, unix.EINVAL},
		"missing rootfs":         {&contract.ContainerConfig{Cmd: shell(""), Rootfs: "/nonexistent"}, unix.ENOENT},
		"rootfs is a file":       {&contract.ContainerConfig{Cmd: shell(""), Rootfs: file}, unix.ENOTDIR},
		"bad bind mount":         {withBinds("nowhere"), unix.EINVAL},
		"bind without mnt":       {withFlags(withBinds("/tmp:/tmp"), unix.CLONE_NEWPID), unix.EINVAL},
		"bad network":            {withNet(&contract.NetNamespaceContext{}), unix.EINVAL},
		"negative id":            {withUser(&contract.UserNamespaceContext{HostUID: -1}), unix.EINVAL},
		"id of another's":        {withUser(&contract.UserNamespaceContext{HostUID: 1 << 20}), unix.EPERM},
		"group of another's":     {withUser(&contract.UserNamespaceContext{HostGID: 1 << 20}), unix.EPERM},
		"argument list too long": {&contract.ContainerConfig{Cmd: shell(strings.Repeat("#", 1<<18))}, unix.E2BIG},
	} {
		t.Run(name, func(t *testing.T) {
			wantErrno(t, New().ContainerCreate(test.cfg), test.errno)
			if test.cfg != nil && (test.cfg.PID > 0 || test.cfg.SyncPipe != [2]*os.File{}) {
				t.Errorf("got pid %d, pipe %v; want none", test.cfg.PID, test.cfg.SyncPipe)
			}
			if _, err := New().ContainerWait(test.cfg); err == nil {
				t.Error("wait: got no error")
			}
		})
	}
}

func withBinds(binds ...string) *contract.ContainerConfig {
	cfg := config("echo it ran")
	cfg.Mnt = &contract.MountNamespaceContext{BindMounts: binds}
	return cfg
}

func withFlags(cfg *contract.ContainerConfig, flags uintptr) *contract.ContainerConfig {
	cfg.CloneFlags = flags
	return cfg
}

func withNet(ctx *contract.NetNamespaceContext) *contract.ContainerConfig {
	cfg := config("ip -4 addr 2>/dev/null; cat /proc/net/route")
	cfg.CloneFlags = contract.DefaultCloneFlags | unix.CLONE_NEWNET
	cfg.Net = ctx
	return cfg
}

func withUser(ctx *contract.UserNamespaceContext) *contract.ContainerConfig {
	cfg := config("echo $(id -u) $(id -g) $(grep CapEff /proc/self/status)")
	cfg.CloneFlags = contract.DefaultCloneFlags | unix.CLONE_NEWUSER
	cfg.User = ctx
	return cfg
}

func TestContainerKernelRefuses(t *testing.T) {
	leavesNothing(t)
	limit(t, "max_uts_namespaces")
	wantErrno(t, New().ContainerCreate(config("")), unix.ENOSPC)
}

// Whatever goes wrong inside, the command does not run.
func TestContainerSetupFails(t *testing.T) {
	leavesNothing(t)
	for name, cfg := range map[string]*contract.ContainerConfig{
		"no source":        withBinds("/nonexistent:/tmp"),
		"no target":        withBinds("/tmp:/nonexistent"),
		"target above all": withBinds("/etc/passwd:/"),
	} {
		if status, output := run(t, cfg); status != contract.StatusSetupFailed || output != "" {
			t.Errorf("%s: got status %d, output %q; want %d", name, status, output, contract.StatusSetupFailed)
		}
	}
}

// A link in the rootfs must not lead a bind mount out of it.
func TestContainerBindMountStaysInside(t *testing.T) {
	rootfs, binds := newRootfs(t)
	outside := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(rootfs, "door")))
	cfg := withBinds(append(binds, "/etc/passwd:/door/passwd")...)
	cfg.Rootfs = rootfs
	if status, _ := run(t, cfg); status != contract.StatusSetupFailed {
		t.Errorf("got status %d; want %d", status, contract.StatusSetupFailed)
	}
	if found := glob(t, outside+"/*"); found != nil {
		t.Errorf("made outside: %q", found)
	}
}

func TestContainerCommandCannotBeExecuted(t *testing.T) {
	for path, want := range map[string]int{
		"/nonexistent": contract.StatusNotFound,
		"no-such-name": contract.StatusNotFound,
		"/etc/passwd":  contract.StatusNotExecutable,
		"/etc":         contract.StatusNotExecutable,
	} {
		cfg := &contract.ContainerConfig{Cmd: []string{path}}
		if status, _ := run(t, cfg); status != want {
			t.Errorf("%s: got status %d; want %d", path, status, want)
		}
	}
	cfg := &contract.ContainerConfig{Cmd: []string{"true"}}
	if status, _ := run(t, cfg); status != 0 {
		t.Errorf("true, found in PATH: got status %d; want 0", status)
	}
}

func TestContainerKilled(t *testing.T) {
	leavesNothing(t)
	rt, cfg := New(), config("kill -9 $$")
	cfg.CloneFlags = unix.CLONE_NEWUTS // PID 1 could not
	must(t, rt.ContainerCreate(cfg))
	if status, err := rt.ContainerWait(cfg); status != -1 || err == nil {
		t.Errorf("got %d, %v; want -1 and an error", status, err)
	}
	if !cfg.Status.Signaled() || cfg.Status.Signal() != unix.SIGKILL {
		t.Errorf("config's status: got %#x; want SIGKILL", cfg.Status)
	}
}

func TestContainerUser(t *testing.T) {
	leavesNothing(t)
	const all, none = "CapEff: 000001ffffffffff", "CapEff: 0000000000000000"
	tests := map[string]struct {
		user *contract.UserNamespaceContext
		want string
	}{
		"the caller is root": {nil, "0 0 " + all},
		"map root":           {&contract.UserNamespaceContext{MapRoot: true, ContainerUID: 5, ContainerGID: 5}, "0 0 " + all},
		"just a user":        {&contract.UserNamespaceContext{ContainerUID: 1000, ContainerGID: 100}, "1000 100 " + none},
	}
	for name, test := range tests {
		if status, output := run(t, withUser(test.user)); status != 0 || output != test.want {
			t.Errorf("%s: got status %d, %q; want %q", name, status, output, test.want)
		}
	}
	// A creator with more ids than one can give another's away.
	other := &contract.UserNamespaceContext{HostUID: 1234, HostGID: 2345, MapRoot: true}
	if idRange() == 1 {
		wantErrno(t, New().ContainerCreate(withUser(other)), unix.EPERM)
		return
	}
	if status, output := run(t, withUser(other)); status != 0 || output != "0 0 "+all {
		t.Errorf("another user as root: got status %d, %q", status, output)
	}
	other.MapRoot, other.ContainerUID, other.ContainerGID = false, 77, 78
	if status, output := run(t, withUser(other)); status != 0 || output != "77 78 "+none {
		t.Errorf("another user: got status %d, %q", status, output)
	}
}

// Another user's container works in a rootfs that he may not write to.
func TestContainerUserInForeignRootfs(t *testing.T) {
	if idRange() == 1 {
		t.Log("an ordinary user has nobody else to be")
		return
	}
	rootfs, binds := newRootfs(t)
	for _, folder := range []string{"proc", "dev", "usr", "bin", "sbin", "lib", "lib64"} {
		must(t, os.Mkdir(filepath.Join(rootfs, folder), 0o755))
	}
	must(t, os.Chmod(rootfs, 0o755))
	cfg := withUser(&contract.UserNamespaceContext{HostUID: 1234, HostGID: 2345, MapRoot: true})
	cfg.Cmd = shell("echo free >/dev/null && readlink /proc/self/fd/0 && touch /here")
	cfg.Rootfs = rootfs
	cfg.Mnt = &contract.MountNamespaceContext{BindMounts: binds}
	if status, output := run(t, cfg); status != 1 || output != "/dev/null" {
		t.Errorf("got status %d, %q; want 1 for a rootfs he may not write to", status, output)
	}
}

func TestContainerNet(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	for _, name := range []string{"", "truman"} {
		rt := New()
		cfg := withNet(&contract.NetNamespaceContext{
			Name: name, VethHost: "studio0", VethContainer: "island0", IPHost: "10.9.8.1", IPContainer: "10.9.8.2",
		})
		cfg.Cmd = shell("cat /proc/net/route")
		output := stdout(t, func() {
			must(t, rt.ContainerCreate(cfg))
			if name != "" {
				_, err := rt.ExecInNetns(name, shell("cat /proc/net/dev"))
				wantErrno(t, err, 0)
			}
			_, err := rt.ContainerWait(cfg)
			wantErrno(t, err, 0)
		})
		if !strings.Contains(output, "island0\t0008090A") || (name != "" && strings.Count(output, "island0") != 2) {
			t.Errorf("%q: got %q; want the route and the device of island0", name, output)
		}
		must(t, rt.ContainerCleanup(cfg))
		must(t, rt.ContainerCleanup(cfg))
	}
}

func TestContainerNetFails(t *testing.T) {
	rt := New()
	must(t, rt.CreateVethPair("taken0", "taken1"))
	t.Cleanup(func() { must(t, removeInterface("taken0")) })
	leavesNothing(t)
	ctx := contract.NetNamespaceContext{
		Name: "truman", VethHost: "studio0", VethContainer: "taken1", IPHost: "10.9.8.1", IPContainer: "10.9.8.2",
	}
	wantErrno(t, rt.ContainerCreate(withNet(&ctx)), unix.EEXIST)
	must(t, rt.CreateNetworkNamespace("truman"))
	t.Cleanup(func() { must(t, unpinNetns("truman")) })
	ctx.VethContainer = "island0"
	wantErrno(t, rt.ContainerCreate(withNet(&ctx)), unix.EEXIST)
}

// The child waits for its release, and dies with its creator.
func TestContainerEntryWithoutRelease(t *testing.T) {
	cmd, err := contract.EntryCommand(config("echo it ran"))
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	defer w.Close()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, io.Discard
	cmd.ExtraFiles = []*os.File{r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: contract.DefaultCloneFlags}
	must(t, cmd.Start())
	must(t, r.Close())
	must(t, w.Close())
	if status, err := exitStatus(cmd.Wait()); status != contract.StatusSetupFailed || out.Len() != 0 {
		t.Errorf("got status %d, %v, output %q; want %d", status, err, out.String(), contract.StatusSetupFailed)
	}
}

func TestContainerLife(t *testing.T) {
	leavesNothing(t)
	rt, cfg := New(), config("exit 5")
	must(t, rt.ContainerInit(cfg))
	if cfg.PID != -1 || cfg.CloneFlags != contract.DefaultCloneFlags || cfg.Hostname != "seahaven" {
		t.Errorf("init: got pid %d, flags %#x, hostname %q", cfg.PID, cfg.CloneFlags, cfg.Hostname)
	}
	wantErrno(t, rt.ContainerStop(cfg), unix.ESRCH)
	must(t, rt.ContainerCleanup(cfg))
	must(t, rt.ContainerStart(cfg))
	pid := cfg.PID
	must(t, rt.ContainerStart(cfg))
	if cfg.PID != pid {
		t.Errorf("start twice: got pid %d, then %d", pid, cfg.PID)
	}
	wantErrno(t, rt.ContainerCreate(cfg), unix.EBUSY)
	if status, err := rt.ContainerWait(cfg); status != 5 || err != nil {
		t.Errorf("wait: got %d, %v; want 5", status, err)
	}
	_, err := rt.ContainerWait(cfg)
	wantErrno(t, err, unix.ECHILD)
	must(t, rt.ContainerStop(cfg))
	must(t, rt.ContainerStart(cfg)) // again
	must(t, rt.ContainerCleanup(cfg))
	must(t, rt.ContainerCleanup(cfg))
	if _, err := rt.ContainerWait(cfg); err == nil {
		t.Error("wait after clean-up: got no error")
	}
	for name, err := range map[string]error{
		"init": rt.ContainerInit(nil), "start": rt.ContainerStart(nil), "stop": rt.ContainerStop(nil),
		"cleanup": rt.ContainerCleanup(nil), "entry": rt.ContainerEntry(nil), "status": rt.ContainerPrintStatus(io.Discard, nil),
		"secure": rt.(contract.Seccomp).ContainerCreateSecure(nil),
	} {
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s of nil: got %v; want EINVAL", name, err)
		}
	}
}

func TestContainerStop(t *testing.T) {
	for name, test := range map[string]struct {
		flags  uintptr
		script string
		signal syscall.Signal
		status int
	}{
		"init ignores SIGTERM": {0, "echo; exec sleep 1000", unix.SIGKILL, 0},
		"polite":               {unix.CLONE_NEWUTS, "echo; sleep 1000", unix.SIGTERM, 0},
		"handler":              {0, "trap 'exit 9' TERM; echo; sleep 1000 & wait", 0, 9},
		"stubborn":             {unix.CLONE_NEWUTS, "trap '' TERM; echo; sleep 1000", unix.SIGKILL, 0},
		"grandchildren":        {unix.CLONE_NEWUTS, "(trap '' TERM; echo; sleep 1000) & wait", unix.SIGTERM, 0},
	} {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			rt, cfg := New(), config(test.script)
			cfg.CloneFlags = test.flags
			ready, alive := aliveness(t)
			defer alive.Close()
			saved := os.Stdout
			os.Stdout = ready
			err := rt.ContainerCreate(cfg)
			os.Stdout = saved
			must(t, errors.Join(err, ready.Close()))
			_, err = alive.Read(make([]byte, 1))
			must(t, err)
			must(t, rt.ContainerStop(cfg))
			must(t, rt.ContainerStop(cfg))
			got := cfg.Status
			if test.signal != 0 && got.Signal() != test.signal || test.signal == 0 && got.ExitStatus() != test.status {
				t.Errorf("got %#x; want signal %d or status %d", got, test.signal, test.status)
			}
			// The pipe ends when its last writer does.
			if _, err := io.Copy(io.Discard, alive); err != nil {
				t.Error(err)
			}
		})
	}
}

// aliveness is a pipe whose end tells that all who had it are gone.
func aliveness(t *testing.T) (w, r *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	return w, r
}

func TestContainerStatus(t *testing.T) {
	rt, cfg := New(), config("kill -9 $$")
	cfg.CloneFlags = unix.CLONE_NEWUTS
	print := func() string {
		var text strings.Builder
		must(t, rt.ContainerPrintStatus(&text, cfg))
		return text.String()
	}
	before := print()
	must(t, rt.ContainerCreate(cfg))
	during := print()
	rt.ContainerWait(cfg)
	after := print()
	for want, got := range map[string]string{"not created": before, "PID": during, "signal 9": after} {
		if !strings.Contains(got, want) || !strings.Contains(got, "seahaven") {
			t.Errorf("got %q; want %q in it", got, want)
		}
	}
}
