package reference

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// asHelper executes this program as one of [helpers].
func asHelper(t *testing.T, name string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperVariable+"="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// secured runs a helper as the command of a secure container.
func secured(t *testing.T, name string, flags uintptr) {
	t.Helper()
	t.Setenv(helperVariable, name)
	rt := New()
	cfg := &contract.ContainerConfig{Cmd: []string{"/proc/self/exe"}, CloneFlags: flags}
	must(t, rt.(contract.Seccomp).ContainerCreateSecure(cfg))
	if status, err := rt.ContainerWait(cfg); status != 0 || err != nil {
		t.Errorf("got status %d, %v", status, err)
	}
	must(t, rt.ContainerCleanup(cfg))
}

func TestContainerCreateSecure(t *testing.T) {
	leavesNothing(t)
	for _, flags := range []uintptr{0, contract.DefaultCloneFlags | unix.CLONE_NEWUSER} {
		secured(t, "ordinary", flags)
		secured(t, "dangerous", flags)
	}
	cfg := config("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\n\\t'")
	cfg.Secure = true
	if _, output := run(t, cfg); output != "NoNewPrivs:1Seccomp:2" {
		t.Errorf("got %q", output)
	}
	cfg.Secure = false
	if _, output := run(t, cfg); output != "NoNewPrivs:0Seccomp:0" {
		t.Errorf("without: got %q", output)
	}
}

func TestSetupSeccompFilter(t *testing.T) {
	asHelper(t, "strict")
	asHelper(t, "unprivileged")
	rt := New().(contract.Seccomp)
	wantErrno(t, rt.SetupSeccompFilter(nil), unix.EINVAL)
	wantErrno(t, rt.SetupSeccompFilter([]int{-1}), unix.EINVAL)
	wantErrno(t, rt.SetupSeccompFilter([]int{x32Bit}), unix.EINVAL)
	wantErrno(t, rt.SetupSeccompFilter(make([]int, unix.BPF_MAXINSNS)), unix.EINVAL)
}

// The filter, run on numbers in a machine of our own.
func TestFilterProgram(t *testing.T) {
	raw, err := allowOnly([]int{unix.SYS_READ, unix.SYS_WRITE, 300})
	must(t, err)
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("does not disassemble")
	}
	machine, err := bpf.NewVM(program)
	must(t, err)
	const refused = unix.SECCOMP_RET_ERRNO | int(unix.EPERM)
	for _, test := range []struct {
		arch, number uint32
		want         int
	}{
		{nativeArch, unix.SYS_READ, unix.SECCOMP_RET_ALLOW},
		{nativeArch, 300, unix.SECCOMP_RET_ALLOW},
		{nativeArch, 301, refused},
		{nativeArch, unix.SYS_READ | x32Bit, refused},
		{nativeArch, 1<<32 - 1, refused},
		{unix.AUDIT_ARCH_I386, unix.SYS_READ, refused},
	} {
		// This machine reads as the network does, big end first.
		data := []byte{
			byte(test.number >> 24), byte(test.number >> 16), byte(test.number >> 8), byte(test.number),
			byte(test.arch >> 24), byte(test.arch >> 16), byte(test.arch >> 8), byte(test.arch),
		}
		if got, err := machine.Run(data); got != test.want || err != nil {
			t.Errorf("%#x %d: got %#x, %v; want %#x", test.arch, test.number, got, err, test.want)
		}
	}
}

// helpOrdinary does what an ordinary program does.
func helpOrdinary() error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	var threads sync.WaitGroup
	for range 8 {
		threads.Go(func() { _ = onOwnThread(func() error { return nil }) })
	}
	threads.Wait()
	out, err := exec.Command("/bin/sh", "-c", "uname -s; kill -0 $$; sleep 0 | cat").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "Linux") {
		return fmt.Errorf("shell: %w: %s", err, out)
	}
	file, err := os.CreateTemp("", "ordinary-")
	if err != nil {
		return err
	}
	return errors.Join(file.Chmod(0o600), os.Rename(file.Name(), file.Name()+"2"), os.Remove(file.Name()+"2"), file.Close())
}

// helpDangerous does what the filter is there for. Each of these would answer
// something else without it, or do it.
func helpDangerous() error {
	for name, err := range map[string]error{
		"ptrace":        rawCall(unix.SYS_PTRACE, unix.PTRACE_TRACEME),
		"unshare":       unix.Unshare(0),
		"mount":         unix.Mount("none", "/nonexistent", "tmpfs", 0, ""),
		"umount2":       unix.Unmount("/nonexistent", 0),
		"pivot_root":    unix.PivotRoot("/nonexistent", "/nonexistent"),
		"reboot":        unix.Reboot(0),
		"kexec_load":    rawCall(unix.SYS_KEXEC_LOAD),
		"init_module":   unix.InitModule(nil, ""),
		"finit_module":  unix.FinitModule(-1, "", 0),
		"delete_module": unix.DeleteModule("nonexistent", 0),
		"setns":         unix.Setns(-1, 0),
	} {
		if !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%s: got %w; want EPERM", name, err)
		}
	}
	return nil
}

// helpStrict refuses a harmless call, and only this one.
func helpStrict() error {
	allowed := slices.DeleteFunc(ordinaryCalls(), func(number int) bool { return number == unix.SYS_GETPRIORITY })
	if err := New().(contract.Seccomp).SetupSeccompFilter(allowed); err != nil {
		return err
	}
	if err := rawCall(unix.SYS_GETPRIORITY); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("getpriority: got %w; want EPERM", err)
	}
	if err := rawCall(unix.SYS_GETUID); err != nil {
		return fmt.Errorf("getuid: %w", err)
	}
	if err := rawCall(unix.SYS_GETUID | x32Bit); !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("getuid of x32: got %w; want EPERM", err)
	}
	return exec.Command("/bin/true").Run()
}

// helpUnprivileged has no capability to filter with.
func helpUnprivileged() error {
	if err := New().DropCapabilities(0); err != nil {
		return err
	}
	return New().(contract.Seccomp).SetupSeccompFilter(ordinaryCalls())
}

func rawCall(number uintptr, args ...uintptr) error {
	args = append(args, 0, 0, 0)
	if _, _, errno := unix.RawSyscall(number, args[0], args[1], args[2]); errno != 0 {
		return errno
	}
	return nil
}
