package observe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An actor is this test binary again, in namespaces of its own: it does on
// request what a submission does. It acts on its main thread, which is the one
// that /proc/PID shows.
const (
	actorName = "OBSERVE_ACTOR"
	actorSock = "OBSERVE_SOCK"
	asAgent   = "OBSERVE_AGENT"
)

func init() {
	if os.Getenv(actorName) != "" {
		runtime.LockOSThread() // only an init function is sure to be on the main thread
	}
}

func TestMain(m *testing.M) {
	unix.Umask(0o022) // modes are looked at
	switch {
	case os.Getenv(actorName) != "":
		os.Exit(act(os.Getenv(actorName), os.Getenv(actorSock)))
	case os.Getuid() != 0 && os.Getenv(asAgent) == "":
		os.Exit(rerunAsAgent())
	}
	os.Exit(m.Run())
}

// rerunAsAgent makes an ordinary user what the agent is then: root of a user
// namespace with one id in it.
func rerunAsAgent() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), asAgent+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: true},
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "as agent:", err)
		return 1
	}
	return 0
}

type request struct{ Args []string }

type answer struct{ Error, Text string }

type stage struct {
	children map[string]*exec.Cmd
	kept     []*os.File
}

func act(name, sock string) int {
	conn, err := net.Dial("unix", sock)
	if err != nil {
		fmt.Fprintln(os.Stderr, name, err)
		return 70
	}
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	s := &stage{children: map[string]*exec.Cmd{}}
	if out.Encode(answer{Text: name}) != nil {
		return 71
	}
	for {
		var r request
		if in.Decode(&r) != nil {
			return 0
		}
		if r.Args[0] == "exit" {
			syscall.Exit(number(r.Args[1])) // os.Exit dawdles a second under the race detector
		}
		text, err := s.perform(r.Args[0], r.Args[1:])
		a := answer{Text: text}
		if err != nil {
			a.Error = err.Error()
		}
		if out.Encode(a) != nil {
			return 72
		}
	}
}

func (s *stage) perform(do string, a []string) (string, error) {
	switch do {
	case "self":
		host, err := os.Hostname()
		return fmt.Sprintln(os.Getpid(), os.Getppid(), os.Geteuid(), os.Getegid(), host), err
	case "readlink":
		return os.Readlink(a[0])
	case "spawn":
		return s.spawn(a[0], number(a[1]), a[2])
	case "zombie": // wait until it is one
		return "", unix.Waitid(unix.P_PID, s.children[a[0]].Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	case "reap":
		err := s.children[a[0]].Wait()
		return "", ignoreExit(err)
	case "open":
		f, err := os.OpenFile(a[0], os.O_RDWR|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.EISDIR) {
			f, err = os.Open(a[0])
		}
		s.kept = append(s.kept, f)
		return strconv.Itoa(int(f.Fd())), err
	case "headless": // end the main thread only
		go func() { select {} }()
		go func() { _ = unix.Pause() }()
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
	case "setuid":
		return "", errors.Join(syscall.Setresgid(number(a[0]), number(a[0]), number(a[0])),
			syscall.Setresuid(number(a[0]), number(a[0]), number(a[0])))
	case "groups": // as many as there can be, of the longest numbers
		groups := slices.Repeat([]uint32{65_535}, 65_536)
		if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); e != 0 {
			return "", e
		}
		return "", nil
	case "dumpable":
		return "", unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(number(a[0])), 0, 0, 0)
	case "seccomp":
		return "", allowAll()
	case "nnp":
		return "", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	case "sethostname":
		return "", unix.Sethostname([]byte(a[0]))
	case "unshare":
		return "", unix.Unshare(number(a[0]))
	case "stray": // unshare on another thread, which then stays
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			done <- unix.Unshare(number(a[0]))
			select {}
		}()
		return "", <-done
	case "vfork": // one thread waits for a child that never executes anything
		debug.SetGCPercent(-1) // nobody can stop that thread
		runtime.GOMAXPROCS(2)
		go func() {
			pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
			for pid == 0 && errno == 0 {
				_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0) // forever
			}
		}()
		return "", nil
	case "idmap": // write a map, as "idmap uid_map PID TEXT"
		return "", os.WriteFile("/proc/"+a[1]+"/"+a[0], []byte(a[2]), 0)
	case "dropcap":
		return "", dropCap(number(a[0]))
	case "comm":
		return "", os.WriteFile("/proc/self/comm", []byte(a[0]), 0)
	}
	if text, known, err := performFiles(do, a); known {
		return text, err
	}
	return performNet(do, a)
}

func (s *stage) spawn(name string, flags int, ids string) (string, error) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$", name)
	cmd.Env = []string{actorName + "=" + name, actorSock + "=" + os.Getenv(actorSock)}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: uintptr(flags)}
	if n := numbers(ids); len(n) == 3 {
		line := []syscall.SysProcIDMap{{ContainerID: n[0], HostID: n[1], Size: n[2]}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = line, line
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(n[0]), Gid: uint32(n[0]), NoSetGroups: true}
	}
	s.children[name] = cmd
	if err := cmd.Start(); err != nil {
		return "", err
	}
	return strconv.Itoa(cmd.Process.Pid), nil
}

func ignoreExit(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// enterRoot gives the box a root that is pivoted, with a proc and two tmpfs of
// its own, all shared.
func enterRoot(root string) error {
	steps := []func() error{
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
		func() error { return unix.Mount("/", root, "", unix.MS_BIND|unix.MS_REC, "") },
		func() error { return unix.Mount("proc", root+"/proc", "proc", 0, "") },
		func() error { return unix.Mount("tmpfs", root+"/run", "tmpfs", 0, "") },
		func() error { return unix.Mount("tmpfs", root+"/mnt", "tmpfs", 0, "") },
		func() error { return os.Mkdir(root+"/run/netns", 0o755) },
		func() error { return pivot(root) },
		func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return unix.Chdir("/")
}

func allowAll() error {
	allow := []unix.SockFilter{{Code: unix.BPF_RET, K: 0x7fff0000}}
	prog := unix.SockFprog{Len: 1, Filter: &allow[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

func dropCap(c int) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	data[c/32].Effective &^= 1 << (c % 32)
	return errors.Join(unix.Capset(&head, &data[0]), unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0))
}

func performFiles(do string, a []string) (text string, known bool, err error) {
	switch do {
	case "root":
		err = enterRoot(a[0])
	case "mkdir":
		err = os.MkdirAll(a[0], 0o755)
	case "write":
		err = os.WriteFile(a[0], []byte(a[1]), 0o640)
	case "remove":
		err = os.Remove(a[0])
	case "symlink":
		err = os.Symlink(a[0], a[1])
	case "mkfifo":
		err = unix.Mkfifo(a[0], 0o600)
	case "mount": // source target type flags
		err = unix.Mount(a[0], a[1], a[2], uintptr(number(a[3])), "")
	case "stack": // target count
		for range number(a[1]) {
			err = errors.Join(err, unix.Mount("none", a[0], "tmpfs", 0, ""))
		}
	case "umount":
		err = unix.Unmount(a[0], unix.MNT_DETACH)
	case "chdir":
		err = os.Chdir(a[0])
	case "chroot":
		err = errors.Join(unix.Chroot(a[0]), unix.Chdir("/"))
	case "pivot":
		err = errors.Join(unix.Mount(a[0], a[0], "", unix.MS_BIND|unix.MS_REC, ""), pivot(a[0]))
	case "deep": // folders that no path reaches, and a mount there
		err = deep(a[0], number(a[1]))
	default:
		return "", false, nil
	}
	return "", true, err
}

func deep(dir string, levels int) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	for range levels {
		name := strings.Repeat("\n", 250)
		if err := unix.Mkdir(name, 0o755); err != nil {
			return err
		}
		if err := unix.Chdir(name); err != nil {
			return err
		}
	}
	return errors.Join(unix.Mount(".", ".", "", unix.MS_BIND, ""), unix.Chdir("/"))
}

func performNet(do string, a []string) (string, error) {
	if do == "pin" {
		return pinNetns(a[0])
	}
	if do == "veth" {
		return "", netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a[0]}, PeerName: a[1]})
	}
	link, err := netlink.LinkByName(a[0])
	if err != nil {
		return "", err
	}
	switch do {
	case "linkmove": // to the namespace of a process
		return "", netlink.LinkSetNsPid(link, number(a[1]))
	case "linkpin": // to one that is pinned
		f, err := os.Open("/run/netns/" + a[1])
		if err != nil {
			return "", err
		}
		defer f.Close()
		return "", netlink.LinkSetNsFd(link, int(f.Fd()))
	case "linkup":
		return "", netlink.LinkSetUp(link)
	case "addr":
		addr, err := netlink.ParseAddr(a[1])
		return "", errors.Join(err, netlink.AddrAdd(link, addr))
	case "default":
		return "", netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(a[1])})
	}
	return "", errors.New("no such command: " + do)
}

// pinNetns does what `ip netns add` does, but for the self-bind.
func pinNetns(name string) (string, error) {
	if err := os.WriteFile("/run/netns/"+name, nil, 0); err != nil {
		return "", err
	}
	type result struct {
		text string
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked
		var r result
		if r.err = unix.Unshare(unix.CLONE_NEWNET); r.err == nil {
			r.text, _ = os.Readlink("/proc/thread-self/ns/net")
			r.err = unix.Mount("/proc/thread-self/ns/net", "/run/netns/"+name, "", unix.MS_BIND, "")
		}
		done <- r
	}()
	r := <-done
	return r.text, r.err
}
