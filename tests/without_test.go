package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asWithout is the name under which the test binary takes something of the world
// away from itself and becomes the grader.
const asWithout = "moulinette-without"

// loss is what a grader has to do without.
type loss struct {
	Mounts []mount            `json:"mounts"` // made over what is there, in a mount namespace of its own
	Gone   []string           `json:"gone"`   // mounts that are taken away
	Locked []string           `json:"locked"` // mounts that become read-only
	Limits map[int]uint64     `json:"limits"` // resources
	Calls  map[int]unix.Errno `json:"calls"`  // system calls that fail
	Flags  map[int]uint64     `json:"flags"`  // of such a call, in its first argument: it fails only with one of them
	Group  string             `json:"group"`  // a cgroup to be in
	Is     map[int]uint64     `json:"is"`     // the same, for its whole first argument
}

type mount struct{ Kind, Target, Data string }

// without is the child's side: it returns only if something went wrong.
func without(args []string) error {
	runtime.LockOSThread()
	var l loss
	if err := json.Unmarshal([]byte(args[0]), &l); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if l.Group != "" {
		if err := os.WriteFile(filepath.Join(l.Group, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
	}
	for _, m := range l.Mounts {
		if err := unix.Mount("loss", m.Target, m.Kind, 0, m.Data); err != nil {
			return fmt.Errorf("%s: %w", m.Target, err)
		}
	}
	for _, target := range l.Gone {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	for _, target := range l.Locked {
		if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	for resource, most := range l.Limits {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	if len(l.Calls) > 0 {
		if err := l.filter(); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// filter makes calls fail, for this thread and all that comes of it.
func (l loss) filter() error {
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: yes, Jf: no}
	}
	const word, result = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_RET | unix.BPF_K
	program := []unix.SockFilter{stmt(word, 0)}
	for nr, errno := range l.Calls {
		body := []unix.SockFilter{}
		if flags, ok := l.Flags[nr]; ok {
			body = append(body, stmt(word, 16), jump(unix.BPF_JSET, uint32(flags), 1, 0), stmt(result, unix.SECCOMP_RET_ALLOW))
		}
		if value, ok := l.Is[nr]; ok {
			body = append(body, stmt(word, 16), jump(unix.BPF_JEQ, uint32(value), 1, 0), stmt(result, unix.SECCOMP_RET_ALLOW))
		}
		body = append(body, stmt(result, unix.SECCOMP_RET_ERRNO|uint32(errno)))
		program = append(append(program, jump(unix.BPF_JEQ, uint32(nr), 0, uint8(len(body)))), body...)
	}
	program = append(program, stmt(result, unix.SECCOMP_RET_ALLOW))
	prog := &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return errno
	}
	return nil
}

// pidsGroup makes a cgroup with few processes; "" where that cannot be. In version 2
// whoever has graded before has given the controller to groups below the top.
func pidsGroup(t *testing.T, most int) string {
	t.Helper()
	tree := "/sys/fs/cgroup/pids"
	if _, err := os.Stat(tree); err != nil {
		tree = "/sys/fs/cgroup"
	}
	dir := filepath.Join(tree, fmt.Sprintf("moulinette-without-%d", os.Getpid())) // fingerprints beside us leave it out
	if os.Mkdir(dir, 0o755) != nil {
		return ""
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(5 * time.Second); os.Remove(dir) != nil && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
	})
	if os.WriteFile(filepath.Join(dir, "pids.max"), fmt.Append(nil, most), 0) != nil {
		return ""
	}
	return dir
}

// TestWithout grades the reference in worlds that lack something. The verdict is
// right, or it is the harness's or the host's fault, and said why: never the
// submission's.
func TestWithout(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to take things away")
	}
	warm, tmp := t.TempDir(), t.TempDir()
	grade := func(t *testing.T, l loss, cache string, row ...string) (sheet, int, string) {
		t.Helper()
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe")
		args := []string{filepath.Join(bin, "moulinette"), "grade", "../reference", "--isolation", "ns", "--format", "json", "--lang", "en"}
		cmd.Args = append([]string{asWithout, string(text)}, append(args, row...)...)
		cmd.Env = append(cachedIn(t, cache), "TMPDIR="+tmp)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		var s sheet
		if stdout.Len() > 0 {
			if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
				t.Errorf("%v\n%s", err, stdout.String())
			}
		}
		return s, cmd.ProcessState.ExitCode(), stderr.String()
	}
	if _, code, said := grade(t, loss{}, warm, "--only", "pid_isolation", "--only", "veth_pair"); code != 0 {
		t.Fatalf("with everything: exit code %d\n%s", code, said)
	}
	group := pidsGroup(t, 14)
	cold := filepath.Join(t.TempDir(), "cold")
	if err := os.Mkdir(cold, 0o700); err != nil {
		t.Fatal(err)
	}
	disk := func(size string) loss { return loss{Mounts: []mount{{"tmpfs", cold, "mode=0700,size=" + size}}} }
	refuse := func(errno unix.Errno, calls ...int) loss {
		l := loss{Calls: map[int]unix.Errno{}}
		for _, nr := range calls {
			l.Calls[nr] = errno
		}
		return l
	}
	noUserNS := refuse(unix.EPERM, unix.SYS_CLONE, unix.SYS_UNSHARE)
	noUserNS.Flags = map[int]uint64{unix.SYS_CLONE: unix.CLONE_NEWUSER, unix.SYS_UNSHARE: unix.CLONE_NEWUSER}
	noUserNS.Calls[unix.SYS_CLONE3] = unix.ENOSYS
	memory, err := filepath.Glob("/sys/fs/cgroup/memory")
	if err != nil || memory == nil {
		memory = []string{"/sys/fs/cgroup"} // version 2
	}
	noNetlink := refuse(unix.EPERM, unix.SYS_SOCKET)
	noNetlink.Is = map[int]uint64{unix.SYS_SOCKET: unix.AF_NETLINK}
	const inGroup = "hardly any processes"
	for _, test := range []struct {
		name  string
		loss  loss
		cache string
		cause string // of exit code 3, a pattern; empty: the verdict has to be right
	}{
		{"a disk that is full at once", disk("8k"), cold, "no space left"},
		{"a disk that is full in the middle of a build", disk("900k"), cold, "no space left"},
		{"a disk with little room", disk("5m"), cold, "no space left"},
		{"no room for temporary files", loss{Mounts: []mount{{"tmpfs", tmp, "size=4k"}}}, warm, ""},
		{"no cgroups", loss{Mounts: []mount{{"tmpfs", "/sys/fs/cgroup", ""}}}, warm, ""},
		{"a cgroup tree that cannot be written", loss{Mounts: []mount{{"tmpfs", "/sys/fs/cgroup", "size=4k,nr_inodes=1"}}}, warm, ""},
		{"no memory controller", loss{Gone: memory}, warm, ""},
		{"a memory controller that cannot be written", loss{Locked: memory}, warm, ""},
		{"a memory controller out of sight", loss{Mounts: []mount{{"tmpfs", memory[0], ""}}}, warm, "cgroup"},
		{"hardly any descriptors", loss{Limits: map[int]uint64{unix.RLIMIT_NOFILE: 12}}, warm, "too many open files"},
		{"few descriptors", loss{Limits: map[int]uint64{unix.RLIMIT_NOFILE: 24}}, warm, "too many open files"},
		{"descriptors for a box, and not for a look into it", loss{Limits: map[int]uint64{unix.RLIMIT_NOFILE: 30}}, warm, "too many open files"},
		{"descriptors for half a look", loss{Limits: map[int]uint64{unix.RLIMIT_NOFILE: 36}}, warm, "too many open files"},
		{inGroup, loss{Group: group}, warm, "resource temporarily unavailable|errno=11"},
		{"files of no size", loss{Limits: map[int]uint64{unix.RLIMIT_FSIZE: 4096}}, cold, `ulimit -f \d+`},
		{"little memory", loss{Limits: map[int]uint64{unix.RLIMIT_DATA: 256 << 20}}, warm, "memory"},
		{"no /proc", loss{Mounts: []mount{{"tmpfs", "/proc", ""}}}, warm, "proc"},
		{"a /proc of processes only", loss{Mounts: []mount{{"proc", "/proc", "subset=pid"}}}, warm, ""},
		{"a /proc that hides", loss{Mounts: []mount{{"proc", "/proc", "hidepid=invisible"}}}, warm, ""},
		{"no seccomp notification", refuse(unix.EINVAL, unix.SYS_SECCOMP), warm, "seccomp notification"},
		{"no netlink", noNetlink, warm, "etlink"},
		{"no user namespaces", noUserNS, warm, "not permitted"},
		{"no pidfd", refuse(unix.ENOSYS, unix.SYS_PIDFD_OPEN), warm, "pidfd_open"},
		{"no inotify left", refuse(unix.EMFILE, unix.SYS_INOTIFY_INIT1), warm, ""},
		{"no memfd_create", refuse(unix.ENOSYS, unix.SYS_MEMFD_CREATE), warm, ""},
		{"no openat2", refuse(unix.ENOSYS, unix.SYS_OPENAT2), warm, "openat2"},
		{"an openat2 that the filter does not know", refuse(unix.EPERM, unix.SYS_OPENAT2), warm, "openat2"},
		{"no process_vm_readv", refuse(unix.EPERM, unix.SYS_PROCESS_VM_READV), warm, ""},
		{"a /proc without sysctls", loss{Mounts: []mount{{"tmpfs", "/proc/sys", "mode=0"}}}, warm, ""},
		{"no mount_setattr", refuse(unix.ENOSYS, unix.SYS_MOUNT_SETATTR), warm, "read-only"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == inGroup && group == "" {
				t.Skip("no group that bounds processes can be made here")
			}
			s, code, said := grade(t, test.loss, test.cache, "--only", "pid_isolation", "--only", "veth_pair")
			cause := strings.Join(s.Faults, "\n") + said
			for _, r := range s.Rows {
				switch r.Verdict {
				case "fail":
					t.Errorf("row %s failed: %s", r.ID, r.Reason)
				case "not_judged":
					cause += "\n" + r.Reason
				}
			}
			t.Logf("exit code %d, score %d, unjudged %d: %.300s", code, s.Score, s.Unjudged, cause)
			switch right := code == 0 && s.Passed != nil && *s.Passed; {
			case right:
			case code != 3:
				t.Errorf("exit code %d; want a right verdict, or 3 and why: %s", code, cause)
			case test.cause == "":
				t.Errorf("exit code 3, for %q; want a right verdict", cause)
			case !regexp.MustCompile(test.cause).MatchString(cause):
				t.Errorf("got %q; want %q as the cause", cause, test.cause)
			}
		})
	}
}
