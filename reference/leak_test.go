package reference

import (
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// calls is how often each thing is done; less than a megabyte each is lost in
// what the Go runtime takes for itself.
const (
	calls   = 64
	warmUp  = 16
	maxGrow = 32 << 10 // KiB
)

func TestNothingLeaks(t *testing.T) {
	rootfs, binds := newRootfs(t)
	rt := New()
	for name, call := range map[string]func() error{
		"pid namespace": func() error {
			_, err := rt.CreatePIDNamespace(exec.Command("/bin/true"))
			return err
		},
		"pid namespace refused": func() error {
			_, _ = rt.CreatePIDNamespace(exec.Command("/nonexistent"))
			return nil
		},
		"network namespace": func() error {
			if err := rt.CreateNetworkNamespace("leak"); err != nil {
				return err
			}
			return unpinNetns("leak")
		},
		"container": func() error {
			return lifeOf(&contract.ContainerConfig{Cmd: []string{"/bin/true"}})
		},
		"container with all": func() error {
			return lifeOf(&contract.ContainerConfig{
				Cmd:        []string{"/bin/true"},
				Hostname:   "leak",
				CloneFlags: contract.DefaultCloneFlags | unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
				Rootfs:     rootfs,
				Mnt:        &contract.MountNamespaceContext{BindMounts: binds},
				Net:        island(),
			})
		},
		"container refused": func() error {
			_ = rt.ContainerCreate(withUser(&contract.UserNamespaceContext{HostUID: 1 << 20}))
			return nil
		},
		"container stopped": func() error {
			cfg := config("trap 'exit 0' TERM; sleep 1000 & wait")
			cfg.CloneFlags = unix.CLONE_NEWUTS
			if err := rt.ContainerCreate(cfg); err != nil {
				return err
			}
			return rt.ContainerCleanup(cfg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			repeat(t, warmUp, call)
			before, memory := look(t), vmData(t)
			repeat(t, calls, call)
			compare(t, before, look(t))
			grown := vmData(t) - memory
			t.Logf("VmData: %+d KiB", grown)
			if grown > maxGrow {
				t.Errorf("VmData: got %+d KiB; want at most %d", grown, maxGrow)
			}
		})
	}
}

func repeat(t *testing.T, times int, call func() error) {
	t.Helper()
	for range times {
		must(t, call())
	}
}

func lifeOf(cfg *contract.ContainerConfig) error {
	rt := New()
	if err := rt.ContainerCreate(cfg); err != nil {
		return err
	}
	if _, err := rt.ContainerWait(cfg); err != nil {
		return err
	}
	return rt.ContainerCleanup(cfg)
}

func TestDemonstrations(t *testing.T) {
	must(t, New().CreateNetworkNamespace("warm-up"))
	must(t, unpinNetns("warm-up"))
	leavesNothing(t)
	staysHome(t)
	rt := New()
	for name, demo := range map[string]struct {
		show func(*strings.Builder) error
		want string
	}{
		"info":  {func(w *strings.Builder) error { return rt.PrintNamespaceInfo(w) }, "pid:["},
		"pid":   {func(w *strings.Builder) error { return rt.DemonstratePIDIsolation(w) }, "Truman is PID 1, and his parent is PID 0"},
		"net":   {func(w *strings.Builder) error { return rt.DemonstrateNetworkIsolation(w) }, "hears from 10.10.8.1"},
		"mount": {func(w *strings.Builder) error { return rt.DemonstrateMountPropagation(w) }, "slave    host's mounts reach the island: true   island's mounts reach the host: false"},
		"user":  {func(w *strings.Builder) error { return rt.DemonstrateUserNamespace(w) }, "I am user 0;"},
	} {
		var text strings.Builder
		if err := demo.show(&text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s:\n%s", name, &text)
		if !strings.Contains(text.String(), demo.want) {
			t.Errorf("%s: want %q in it", name, demo.want)
		}
	}
}
