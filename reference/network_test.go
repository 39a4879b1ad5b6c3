package reference

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// pinned makes a network namespace that ends with the test.
func pinned(t *testing.T, name string) {
	t.Helper()
	must(t, New().CreateNetworkNamespace(name))
	t.Cleanup(func() { must(t, unpinNetns(name)) })
}

// pair makes a veth pair that ends with the test, wherever b is by then.
func pair(t *testing.T, a, b string) {
	t.Helper()
	must(t, New().CreateVethPair(a, b))
	t.Cleanup(func() { must(t, removeInterface(a)) })
}

func TestCreateNetworkNamespace(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	pinned(t, "seahaven")
	home, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	out := stdout(t, func() {
		status, err := New().ExecInNetns("seahaven", []string{"readlink", "/proc/self/ns/net"})
		if status != 0 || err != nil {
			t.Errorf("exec: got %d, %v", status, err)
		}
	})
	if !strings.HasPrefix(out, "net:[") || out == home {
		t.Errorf("got %q inside, %q outside", out, home)
	}
	mounts := strings.Join(lines(t, "/proc/self/mountinfo"), "\n")
	wantErrno(t, New().CreateNetworkNamespace("seahaven"), unix.EEXIST)
	if again := strings.Join(lines(t, "/proc/self/mountinfo"), "\n"); again != mounts {
		t.Errorf("a second call has mounted something:\n%s", again)
	}
}

// The name appears in the mounts of the calling thread, wherever it is.
func TestCreateNetworkNamespaceAfterMount(t *testing.T) {
	leavesNothing(t)
	own(t, func() error {
		if err := New().CreateNetworkNamespace("hidden"); err != nil {
			return err
		}
		err := inPinned("hidden", func() error { return nil })
		return errors.Join(err, unpinNetns("hidden"))
	})
}

// A name made here is one of ip-netns(8), and the reverse.
func TestNetworkNamespaceOfIP(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		t.Log("no ip command here")
		return
	}
	pinned(t, "ours")
	if out, err := exec.Command("ip", "netns", "list").Output(); err != nil || !strings.Contains(string(out), "ours") {
		t.Errorf("ip netns list: got %q, %v", out, err)
	}
	out, err := exec.Command("ip", "netns", "add", "theirs").CombinedOutput()
	if err != nil {
		t.Fatalf("ip netns add: %s", out)
	}
	defer exec.Command("ip", "netns", "delete", "theirs").Run()
	if status, err := New().ExecInNetns("theirs", []string{"true"}); status != 0 || err != nil {
		t.Errorf("exec in theirs: got %d, %v", status, err)
	}
}

func TestNetworkNamespaceNames(t *testing.T) {
	leavesNothing(t)
	rt := New()
	for _, name := range []string{"", ".", "..", "a/b", "/", "../x", "nul\x00", strings.Repeat("n", 256)} {
		wantErrno(t, rt.CreateNetworkNamespace(name), unix.EINVAL)
		wantErrno(t, rt.MoveInterfaceToNetns("lo", name), unix.EINVAL)
		_, err := rt.ExecInNetns(name, []string{"true"})
		wantErrno(t, err, unix.EINVAL)
	}
	longest := strings.Repeat("n", 255)
	pinned(t, longest)
}

func TestCreateNetworkNamespaceRefused(t *testing.T) {
	pinned(t, "warm-up") // the folder is made once
	leavesNothing(t)
	limit(t, "max_net_namespaces")
	wantErrno(t, New().CreateNetworkNamespace("seahaven"), unix.ENOSPC)
	if _, err := os.Lstat(filepath.Join(contract.NetnsDir, "seahaven")); err == nil {
		t.Error("the file is still there")
	}
}

func TestInterfaceNames(t *testing.T) {
	leavesNothing(t)
	rt := New()
	for _, name := range []string{"", ".", "..", "a/b", "a b", "a\tb", "a:b", "veth%d", "sixteen-letters-", "é\u00a0"} {
		wantErrno(t, rt.CreateVethPair(name, "fine0"), unix.EINVAL)
		wantErrno(t, rt.CreateVethPair("fine0", name), unix.EINVAL)
		if name == "é\u00a0" {
			continue // to look for it is allowed
		}
		wantErrno(t, rt.InterfaceUp(name), unix.EINVAL)
		wantErrno(t, rt.ConfigureInterface(name, "10.0.0.1", 24), unix.EINVAL)
	}
	pair(t, "fifteen-letters", "b")
}

func TestCreateVethPair(t *testing.T) {
	leavesNothing(t)
	rt := New()
	pair(t, "veth0", "veth1")
	wantErrno(t, rt.CreateVethPair("veth0", "veth2"), unix.EEXIST)
	wantErrno(t, rt.CreateVethPair("veth2", "veth1"), unix.EEXIST)
	wantErrno(t, rt.CreateVethPair("same", "same"), unix.EEXIST)
	must(t, rt.ConfigureInterface("veth0", "10.1.2.3", 30))
	must(t, rt.InterfaceUp("veth0"))
	iface, err := net.InterfaceByName("veth0")
	must(t, err)
	addrs, err := iface.Addrs()
	must(t, err)
	if iface.Flags&net.FlagUp == 0 || addrs[0].String() != "10.1.2.3/30" {
		t.Errorf("got %v, %v; want it up with 10.1.2.3/30", iface.Flags, addrs)
	}
}

func TestConfigureInterfaceErrors(t *testing.T) {
	leavesNothing(t)
	rt := New()
	pair(t, "veth0", "veth1")
	for _, test := range []struct {
		ip     string
		prefix int
	}{
		{"", 24},
		{"10.0.0", 24},
		{"10.0.0.256", 24},
		{"10.0.0.1/24", 24},
		{"::1", 24},
		{"::ffff:10.0.0.1", 24},
		{"10.0.0.1", -1},
		{"10.0.0.1", 33},
		{"localhost", 24},
	} {
		wantErrno(t, rt.ConfigureInterface("veth0", test.ip, test.prefix), unix.EINVAL)
	}
	wantErrno(t, rt.ConfigureInterface("none0", "10.0.0.1", 24), unix.ENODEV)
	wantErrno(t, rt.InterfaceUp("none0"), unix.ENODEV)
	must(t, rt.ConfigureInterface("veth0", "10.0.0.1", 32))
	must(t, rt.ConfigureInterface("veth1", "10.0.0.2", 0))
}

func TestMoveInterfaceToNetns(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	rt := New()
	pinned(t, "seahaven")
	pair(t, "veth0", "veth1")
	wantErrno(t, rt.MoveInterfaceToNetns("veth1", "nowhere"), unix.ENOENT)
	wantErrno(t, rt.MoveInterfaceToNetns("none0", "seahaven"), unix.ENODEV)
	must(t, rt.MoveInterfaceToNetns("veth1", "seahaven"))
	wantErrno(t, rt.InterfaceUp("veth1"), unix.ENODEV)
	must(t, inPinned("seahaven", func() error { return rt.InterfaceUp("veth1") }))
}

func island() *contract.NetNamespaceContext {
	return &contract.NetNamespaceContext{
		Name: "seahaven", VethHost: "studio0", VethContainer: "island0", IPHost: "10.10.8.1", IPContainer: "10.10.8.2",
	}
}

func TestSetupContainerNetwork(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	pinned(t, "seahaven")
	ctx := island()
	must(t, New().SetupContainerNetwork(ctx))
	t.Cleanup(func() { must(t, removeInterface("studio0")) })
	var listener net.Listener
	must(t, inPinned("seahaven", func() (err error) {
		listener, err = net.Listen("tcp4", ctx.IPContainer+":0")
		return err
	}))
	defer listener.Close()
	caller, err := net.Dial("tcp4", listener.Addr().String())
	must(t, err)
	must(t, say(io.Discard, caller, listener))
	must(t, inPinned("seahaven", func() error { // lo is up
		loop, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer loop.Close()
		conn, err := net.Dial("tcp4", loop.Addr().String())
		if err != nil {
			return err
		}
		return conn.Close()
	}))
}

func TestSetupContainerNetworkErrors(t *testing.T) {
	rt := New()
	pinned(t, "seahaven")
	must(t, inPinned("seahaven", func() error { return rt.CreateVethPair("island0", "island1") }))
	leavesNothing(t)
	wantErrno(t, rt.SetupContainerNetwork(nil), unix.EINVAL)
	for name, test := range map[string]struct {
		spoil func(*contract.NetNamespaceContext)
		errno unix.Errno
	}{
		"no namespace":        {func(c *contract.NetNamespaceContext) { c.Name = "nowhere" }, unix.ENOENT},
		"bad namespace":       {func(c *contract.NetNamespaceContext) { c.Name = "../x" }, unix.EINVAL},
		"bad host end":        {func(c *contract.NetNamespaceContext) { c.VethHost = "" }, unix.EINVAL},
		"bad container end":   {func(c *contract.NetNamespaceContext) { c.VethContainer = "a b" }, unix.EINVAL},
		"bad host address":    {func(c *contract.NetNamespaceContext) { c.IPHost = "10.10.8.1/24" }, unix.EINVAL},
		"bad inside address":  {func(c *contract.NetNamespaceContext) { c.IPContainer = "" }, unix.EINVAL},
		"name taken here":     {func(c *contract.NetNamespaceContext) { c.VethHost = "lo" }, unix.EEXIST},
		"name taken there":    {func(*contract.NetNamespaceContext) {}, unix.EEXIST},
		"both ends the same":  {func(c *contract.NetNamespaceContext) { c.VethContainer = c.VethHost }, unix.EEXIST},
		"impossible address":  {func(c *contract.NetNamespaceContext) { c.IPHost, c.VethContainer = "0.0.0.0", "other0" }, 0},
		"impossible address2": {func(c *contract.NetNamespaceContext) { c.IPContainer, c.VethContainer = "255.255.255.255", "other0" }, 0},
	} {
		ctx := island()
		test.spoil(ctx)
		err := rt.SetupContainerNetwork(ctx)
		t.Logf("%s: %v", name, err)
		if test.errno == 0 { // the kernel's own business
			must(t, removeInterface("studio0"))
			continue
		}
		wantErrno(t, err, test.errno)
	}
}

func TestExecInNetns(t *testing.T) {
	leavesNothing(t)
	staysHome(t)
	rt := New()
	pinned(t, "seahaven")
	for name, test := range map[string]struct {
		argv   []string
		status int
		errno  unix.Errno
	}{
		"status":          {shell("exit 33"), 33, 0},
		"arguments":       {[]string{"/bin/sh", "-c", `test "$1" = 'a b;c'`, "sh", "a b;c"}, 0, 0},
		"nil":             {nil, -1, unix.EINVAL},
		"empty":           {[]string{""}, -1, unix.EINVAL},
		"no such program": {[]string{"/nonexistent"}, -1, unix.ENOENT},
	} {
		status, err := rt.ExecInNetns("seahaven", test.argv)
		wantErrno(t, err, test.errno)
		if status != test.status {
			t.Errorf("%s: got status %d; want %d", name, status, test.status)
		}
	}
	if status, err := rt.ExecInNetns("seahaven", shell("kill -9 $$")); status != -1 || err == nil {
		t.Errorf("killed: got %d, %v; want -1 and an error", status, err)
	}
	if status, err := rt.ExecInNetns("nowhere", shell("")); status != -1 {
		wantErrno(t, err, unix.ENOENT)
	}
}
