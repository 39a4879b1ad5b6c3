package box

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A box of real root has every namespace but a user one. What keeps its
// submission from the agent is then that it shares no process, mount or network
// with it, that it lacks the capabilities that reach past namespaces, the calls
// that package fault denies, and that the kernel is locked down. Its probe is
// not out of reach: see SECURITY.md.

// realRootKeeps are the capabilities of real root in a box: what containers and
// networks are made with. Not among them are those that open the kernel's
// memory, devices, modules, clock, or any file by its handle, nor the one that
// traces processes with more of them: init has all.
func realRootKeeps() []uintptr {
	return []uintptr{
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID,
		unix.CAP_SETPCAP, unix.CAP_SETFCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_NET_ADMIN, unix.CAP_SYS_CHROOT,
		unix.CAP_SYS_ADMIN, unix.CAP_MKNOD,
	}
}

// realRootLacks are the others.
func realRootLacks() []uintptr {
	return slices.DeleteFunc(AllCapabilities(), func(c uintptr) bool { return slices.Contains(realRootKeeps(), c) })
}

// lockedDown tells whether the kernel keeps its memory even from root
// (kernel_lockdown(7)): else whoever is root can have the agent say anything.
func lockedDown() bool {
	state, err := os.ReadFile("/sys/kernel/security/lockdown")
	return err == nil && strings.Contains(string(state), "[confidentiality]")
}

// hasProgram tells whether the system folders, which every box shows, have it.
func hasProgram(name string) bool {
	return slices.ContainsFunc([]string{"/bin", "/usr/bin", "/sbin", "/usr/sbin"}, func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}
