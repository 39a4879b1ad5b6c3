package fingerprint_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"moulinette/tests/fingerprint"
)

const (
	changesVariable  = "FINGERPRINT_TEST_CHANGES"
	strangerVariable = "FINGERPRINT_TEST_STRANGER"
)

// TestMain plays a machine of its own when asked: what a test changes there is
// gone with it.
func TestMain(m *testing.M) {
	if os.Getenv(strangerVariable) != "" {
		os.Exit(stranger())
	}
	if os.Getenv(changesVariable) == "" {
		os.Exit(inOwnMachine(m))
	}
	os.Exit(m.Run())
}

// stranger is a service of the machine: it has a socket until its input ends.
func stranger() int {
	if _, err := net.Listen("unix", "@stranger"); err != nil {
		return 1
	}
	os.Stdout.WriteString("listens\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// inOwnMachine runs the tests in namespaces of their own.
func inOwnMachine(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), changesVariable+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Unshareflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	if cmd.Run() != nil {
		return 1
	}
	return 0
}

// changes are what a program that got out could do, each with the words by which
// the fingerprint tells of it, and the way back.
func changes(t *testing.T, scratch, etc, repository string, child *exec.Cmd) map[string]func() (string, func()) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func() (string, func()){
		"a mount": func() (string, func()) {
			must(unix.Mount("tmpfs", scratch, "tmpfs", 0, ""))
			return "mounts: self", func() { must(unix.Unmount(scratch, 0)) }
		},
		"a link": func() (string, func()) {
			l := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "evil0"}, PeerName: "evil1"}
			must(netlink.LinkAdd(l))
			return "network: link evil0 is new", func() { must(netlink.LinkDel(l)) }
		},
		"an address": func() (string, func()) {
			lo, err := netlink.LinkByName("lo")
			must(err)
			addr, err := netlink.ParseAddr("10.66.6.6/32")
			must(err)
			must(netlink.AddrAdd(lo, addr))
			return "network: address 10.66.6.6/32", func() { must(netlink.AddrDel(lo, addr)) }
		},
		"a route": func() (string, func()) {
			lo, err := netlink.LinkByName("lo")
			must(err)
			to, err := netlink.ParseIPNet("10.66.6.0/24")
			must(err)
			r := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: to}
			must(netlink.RouteAdd(r))
			return "10.66.6.0/24", func() { must(netlink.RouteDel(r)) }
		},
		"a named namespace": func() (string, func()) {
			must(os.WriteFile("/run/netns/evil", nil, 0o600))
			return "network: /run/netns/evil is new", func() { must(os.Remove("/run/netns/evil")) }
		},
		"a file of the repository": func() (string, func()) {
			must(os.WriteFile(filepath.Join(repository, "kept"), []byte("forged"), 0o600))
			return "repository: kept was", func() { must(os.WriteFile(filepath.Join(repository, "kept"), []byte("kept"), 0o600)) }
		},
		"the hostname": func() (string, func()) {
			was, err := os.Hostname()
			must(err)
			must(unix.Sethostname([]byte("evil")))
			return "names: hostname was", func() { must(unix.Sethostname([]byte(was))) }
		},
		"a sysctl": func() (string, func()) {
			must(os.WriteFile("/proc/sys/net/ipv4/ip_default_ttl", []byte("42"), 0))
			return "sysctls: net/ipv4/ip_default_ttl was", func() { must(os.WriteFile("/proc/sys/net/ipv4/ip_default_ttl", []byte("64"), 0)) }
		},
		"a segment": func() (string, func()) {
			id, _, errno := unix.Syscall(unix.SYS_SHMGET, 0x6576, 4096, 0o1600)
			if errno != 0 {
				t.Fatal(errno)
			}
			return "ipc: shm", func() { unix.Syscall(unix.SYS_SHMCTL, id, unix.IPC_RMID, 0) }
		},
		"an abstract socket": func() (string, func()) {
			l, err := net.Listen("unix", "@evil")
			must(err)
			return "ipc: socket @evil is new", func() { l.Close() }
		},
		"a daemon": func() (string, func()) {
			cmd := exec.Command("sleep", "1000")
			must(cmd.Start())
			return "processes: descendant", func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
		},
		"a process that is stopped": func() (string, func()) {
			must(child.Process.Signal(syscall.SIGSTOP))
			_, err := unix.Wait4(child.Process.Pid, nil, unix.WUNTRACED, nil) // it may still be on its way
			must(err)
			return "processes: living", func() { must(child.Process.Signal(syscall.SIGCONT)) }
		},
		"a file of the scratch": func() (string, func()) {
			name := filepath.Join(scratch, "record")
			must(os.WriteFile(name, []byte("forged"), 0o600))
			return "scratch: " + name + " is new", func() { must(os.Remove(name)) }
		},
		"a system file": func() (string, func()) {
			must(os.WriteFile(filepath.Join(etc, "passwd"), []byte("evil"), 0o600))
			return "files: /etc was", nil
		},
	}
}

// What is done to a machine is found, each deed by itself, and its undoing too.
func TestEveryChangeIsFound(t *testing.T) {
	if os.Getenv(changesVariable) == "" {
		t.Skip("needs root, for a machine of its own")
	}
	etc := t.TempDir()
	if err := unix.Mount(etc, "/etc", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/etc", unix.MNT_DETACH) })
	child := exec.Command("cat")
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	for _, args := range [][]string{{"mount", "-n", "-t", "tmpfs", "run", "/run"}, {"mkdir", "/run/netns", "/run/user"}, {"ip", "link", "set", "lo", "up"}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v, %s", args, err, out)
		}
	}
	scratch, repository := t.TempDir(), keep(t)
	p, err := fingerprint.Take(fingerprint.Place{Repository: repository, Scratch: []string{scratch}, Living: []int{child.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel() // one look is enough: nothing here needs time
	for name, change := range changes(t, scratch, etc, repository, child) {
		if name != "a system file" { // it has no way back
			found(impatient, t, p, name, change)
		}
	}
	leftAlone(impatient, t, p)
	found(impatient, t, p, "a system file", changes(t, scratch, etc, repository, child)["a system file"])
}

// leftAlone has a service of the machine, which is nobody's descendant here, open a
// socket, and one mount for somebody who logs in.
func leftAlone(ctx context.Context, t *testing.T, p *fingerprint.Print) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `exec 3<&0; "$0" <&3 &`, self)
	cmd.Env = append(os.Environ(), strangerVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	_ = out.SetReadDeadline(time.Now().Add(time.Minute))
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", said, err)
	}
	if state, err := cmd.Process.Wait(); err != nil || !state.Success() { // its parent: cmd.Wait would close its input
		t.Fatal(state, err)
	}
	const session = "/run/user/4321"
	if err := errors.Join(os.MkdirAll(session, 0o700), unix.Mount("tmpfs", session, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(session, 0) }()
	if differences, err := p.Differs(ctx); err != nil || len(differences) > 0 {
		t.Errorf("strangers were at work: found %q, %v", differences, err)
	}
}

// keep makes a repository of one file.
func keep(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kept"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "kept"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v, %s", args, err, out)
		}
	}
	return dir
}

func found(ctx context.Context, t *testing.T, p *fingerprint.Print, name string, change func() (string, func())) {
	t.Helper()
	want, undo := change()
	differences, err := p.Differs(ctx)
	if err != nil || !strings.Contains(strings.Join(differences, "\n"), want) {
		t.Errorf("%s: found %q, %v; want %q", name, differences, err, want)
	}
	if undo == nil {
		return
	}
	undo()
	if differences, err = p.Differs(t.Context()); err != nil || len(differences) > 0 {
		t.Errorf("%s was undone: found %q, %v", name, differences, err)
	}
}

// A folder that no git knows, as one that was downloaded, is looked at as well.
func TestFolderWithoutGit(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	for _, name := range []string{"no checkout", "no git"} {
		if name == "no git" {
			t.Setenv("PATH", "/nowhere")
		}
		dir := t.TempDir()
		kept := filepath.Join(dir, "below", "kept")
		if err := errors.Join(os.Mkdir(filepath.Dir(kept), 0o755), os.WriteFile(kept, []byte("kept"), 0o600)); err != nil {
			t.Fatal(err)
		}
		p, err := fingerprint.Take(fingerprint.Place{Repository: dir})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		found(impatient, t, p, name, func() (string, func()) {
			if err := os.WriteFile(kept, []byte("forged"), 0o600); err != nil {
				t.Fatal(err)
			}
			return "repository: below/kept was", nil
		})
	}
}
