package tests

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confinedFace, in the environment, makes the test binary what confines and
// executes a command.
const confinedFace = "MOULINETTE_TEST_CONFINED"

// confined is a command as in a container that allows nothing: no capabilities,
// not even bounding ones, no new privileges, and a filter that refuses
// namespaces and mounts. As root it runs as an ordinary user.
func confined(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), confinedFace+"=1")
	return cmd
}

// confine becomes the command; it returns only if it cannot.
func confine(args []string) error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if os.Geteuid() == 0 {
		for c := uintptr(0); unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) == nil; c++ {
		}
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("setgroups: %w", err)
		}
		if err := syscall.Setresgid(ordinaryID, ordinaryID, ordinaryID); err != nil {
			return fmt.Errorf("setresgid: %w", err)
		}
		if err := syscall.Setresuid(ordinaryID, ordinaryID, ordinaryID); err != nil {
			return fmt.Errorf("setresuid: %w", err)
		}
	}
	if err := refuseNamespaces(); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, confinedFace) })
	return fmt.Errorf("%s: %w", args[0], unix.Exec(args[0], args, env))
}

// refuseNamespaces installs the filter that containers commonly have.
func refuseNamespaces() error {
	const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET |
		unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP
	const number, firstArgument = 0, 16
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	answer := func(what uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what} }
	refused := answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	filter := []unix.SockFilter{load(number)}
	on := func(call uint32, then ...unix.SockFilter) {
		jump := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: uint8(len(then))}
		filter = append(append(filter, jump), then...)
	}
	for _, call := range []uint32{
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_BPF, unix.SYS_CHROOT,
	} {
		on(call, refused)
	}
	on(unix.SYS_CLONE3, answer(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
	on(unix.SYS_CLONE,
		load(firstArgument),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: namespaces, Jf: 1},
		refused)
	filter = append(filter, answer(unix.SECCOMP_RET_ALLOW))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// TestConfinedRefusesNamespaces: else the tests that use it would show nothing.
func TestConfinedRefusesNamespaces(t *testing.T) {
	for _, args := range [][]string{
		{"/usr/bin/unshare", "--user", "true"}, {"/usr/bin/unshare", "--mount", "true"}, {"/bin/mount", "-t", "tmpfs", "none", "/mnt"},
	} {
		cmd := confined(t, args...)
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() == 0 || cmd.ProcessState.ExitCode() == 125 {
			t.Errorf("%v: %v, %s", args, cmd.ProcessState, out)
		}
	}
	out, err := confined(t, "/bin/grep", "-E", "^(CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status").CombinedOutput()
	if want := "CapEff:\t0000000000000000\n"; err != nil || !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), "NoNewPrivs:\t1\nSeccomp:\t2\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if os.Geteuid() == 0 && !strings.Contains(string(out), "CapBnd:\t0000000000000000\n") {
		t.Errorf("%s", out)
	}
}
