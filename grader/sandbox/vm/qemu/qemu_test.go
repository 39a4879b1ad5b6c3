package qemu

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A machine reaches nothing but what it is handed: no network, no disk, no name in
// the file system, no process, no other user.
func TestMachineIsGivenNothing(t *testing.T) {
	for name, c := range map[string]Config{
		"to boot": {MemoryMiB: 64, Kernel: os.Stdin, Initrd: os.Stdin, Memory: os.Stdin, Ports: []Port{{"agent", os.Stdin}}, User: 4711},
		"to load": {MemoryMiB: 64, Ports: []Port{{"agent", os.Stdin}}, User: 4711},
	} {
		args, _ := c.args()
		for _, want := range []string{"-nodefaults", "-no-user-config", "-sandbox"} {
			if !slices.Contains(args, want) {
				t.Errorf("%s: no %s in %q", name, want, args)
			}
		}
		allowed := args[slices.Index(args, "-sandbox")+1]
		for _, denied := range []string{"elevateprivileges=deny", "spawn=deny", "resourcecontrol=deny"} {
			if !strings.HasPrefix(allowed, "on,") || !strings.Contains(allowed, denied) {
				t.Errorf("%s: the sandbox is %q; want %s", name, allowed, denied)
			}
		}
		for _, arg := range args {
			for _, never := range []string{"netdev", "-nic", "-net", "drive", "blockdev", "-hd", "virtfs", "fsdev", "path=/", "host=", "usb-"} {
				if strings.Contains(strings.ReplaceAll(arg, "mem-path=/proc/self/fd/", ""), never) {
					t.Errorf("%s: %q among %q", name, arg, args)
				}
			}
		}
		if cred := c.credential(); cred.Uid != 4711 || cred.Gid != 4711 || len(cred.Groups) > 0 {
			t.Errorf("%s: it runs as %+v", name, cred)
		}
	}
}

// What a state depends on is in the line, and who runs it is not.
func TestLine(t *testing.T) {
	c := Config{Binary: "/bin/qemu", MemoryMiB: 64, User: 1, Ports: []Port{{Name: "agent"}}}
	line := c.Line()
	for _, want := range []string{"/bin/qemu ", "-machine q35,", "size=64M", "name=agent,nr=1"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	if c.User = 2; c.Line() != line {
		t.Errorf("another user: %s", c.Line())
	}
	if c.KVM = true; c.Line() == line {
		t.Error("KVM makes no difference")
	}
}
