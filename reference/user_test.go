package reference

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// citizen starts a process in a new user namespace. What it answers when it is
// let go are the ids that it has then.
func citizen(t *testing.T) (pid int, letGo func() string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", "read line; echo $(id -u) $(id -g)")
	cmd.Stdout = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd.Process.Pid, func() string {
		_, err := io.WriteString(stdin, "go\n")
		must(t, err)
		must(t, cmd.Wait())
		return strings.TrimSpace(out.String())
	}
}

func TestMaps(t *testing.T) {
	leavesNothing(t)
	rt := New()
	pid, letGo := citizen(t)
	must(t, rt.DenySetgroups(pid))
	must(t, rt.WriteUIDMap(pid, "1000 0 1"))
	must(t, rt.WriteGIDMap(pid, "100 0 1\n"))
	wantErrno(t, rt.WriteUIDMap(pid, "0 0 1"), unix.EPERM) // once is enough
	if got, want := letGo(), "1000 100"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	pid, letGo = citizen(t)
	must(t, rt.DenySetgroups(pid))
	must(t, rt.SetupUIDMap(pid, 0, 0, idRange()))
	must(t, rt.SetupGIDMap(pid, 0, 0, 1))
	if got, want := letGo(), "0 0"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestMapErrors(t *testing.T) {
	leavesNothing(t)
	rt := New()
	pid, _ := citizen(t)
	for _, setup := range []func(pid, inside, outside, count int) error{rt.SetupUIDMap, rt.SetupGIDMap} {
		for _, bad := range [][3]int{{-1, 0, 1}, {0, -1, 1}, {0, 0, 0}, {0, 0, -1}} {
			wantErrno(t, setup(pid, bad[0], bad[1], bad[2]), unix.EINVAL)
		}
		wantErrno(t, setup(0, 0, 0, 1), unix.EINVAL)
		wantErrno(t, setup(pid, 0, 1<<20, 1), unix.EPERM)
	}
	for _, write := range []func(int, string) error{rt.WriteUIDMap, rt.WriteGIDMap} {
		wantErrno(t, write(pid, ""), unix.EINVAL)
		wantErrno(t, write(pid, "nonsense"), unix.EINVAL)
		wantErrno(t, write(-1, "0 0 1"), unix.EINVAL)
		wantErrno(t, write(1<<22-1, "0 0 1"), unix.ENOENT)
	}
	wantErrno(t, rt.DenySetgroups(0), unix.EINVAL)
	must(t, rt.WriteGIDMap(pid, "0 0 1"))
	// Too late, unless this whole box may not: then it is no change.
	if err := rt.DenySetgroups(pid); err != nil {
		wantErrno(t, err, unix.EPERM)
	}
}

func TestDropCapabilities(t *testing.T) {
	const keep = 1<<unix.CAP_KILL | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_PERFMON
	for _, keep := range []uint64{keep, 0} {
		err := onOwnThread(func() error {
			// Something in every set first.
			err := changeCapabilities(func(low, high *unix.CapUserData) {
				low.Inheritable, high.Inheritable = low.Permitted, high.Permitted
			})
			must(t, err)
			must(t, unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_KILL, 0, 0))
			must(t, unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_CHOWN, 0, 0))
			must(t, New().DropCapabilities(keep))
			for name, want := range map[string]uint64{
				"CapInh": keep, "CapPrm": keep, "CapEff": keep, "CapBnd": keep, "CapAmb": keep & (1 << unix.CAP_KILL),
			} {
				got, err := field(name)
				if want := fmt.Sprintf("%016x", want); got != want || err != nil {
					t.Errorf("%s: got %s, %v; want %s", name, got, err, want)
				}
			}
			if keep != 0 {
				// CAP_SETPCAP is gone: no more can be dropped.
				wantErrno(t, New().DropCapabilities(0), unix.EPERM)
			}
			return New().DropCapabilities(keep)
		})
		if err != nil {
			t.Errorf("once more: %v", err)
		}
	}
	if got, err := field("CapEff"); err != nil || got == fmt.Sprintf("%016x", keep) {
		t.Errorf("another thread: got %s, %v", got, err)
	}
}
