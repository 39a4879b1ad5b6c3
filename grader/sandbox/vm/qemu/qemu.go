// Package qemu runs one QEMU process at a time: a machine with memory, a console
// and a few ports, with the least that QEMU can be given, and its monitor (QMP).
// It knows nothing of guests; whatever comes out of one is hostile input, and so
// is what QEMU says after a guest has run in it.
package qemu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Config says what a machine is made of.
type Config struct {
	Binary string
	KVM    bool // use the processor's own virtualisation; else it is emulated

	MemoryMiB int
	// Memory is the file that holds the guest's memory, of exactly that size.
	// With Share the guest writes to it, else to a private copy of it. Without
	// a file the memory is nobody else's.
	Memory *os.File
	Share  bool

	// Kernel, Initrd and Cmdline are booted; without them the machine waits
	// for [Machine.Load].
	Kernel, Initrd *os.File
	Cmdline        string

	Ports []Port
	// User is the user and group id that QEMU runs as; 0: the caller's.
	User int
	// Writes is how many bytes QEMU may write to a file: what [Machine.Save]
	// needs. Its memory file does not count.
	Writes int64
}

// Port is a virtio port of the guest, and the other end of it.
type Port struct {
	Name string
	File *os.File // a stream socket
}

// Descriptors of the process: the first are always there.
const (
	fdMonitor = 3 + iota
	fdConsole
	fdFirst // of what the configuration brings
)

// What QEMU may have for itself: its code, the translated code of the guest, its
// threads' stacks. One scenario fills some 35 MiB with translated code; where a machine
// serves many, what does not fit is translated again and again.
const (
	translated  = 192 // MiB
	emulatorKiB = 1 << 20
)

// emulated is the processor that is emulated: all that there is, but for what costs more
// than it gains where each access to memory is looked up in software. With ERMS a page is
// cleared a byte at a time, SMAP opens and shuts user memory around each access,
// LA57 puts a level on each walk of the page tables, PKU a check.
const emulated = "max,erms=off,smap=off,la57=off,pku=off"

// patience bounds QEMU's own start, every answer of its monitor, and a migration.
const patience = 20 * time.Second

// Line is the whole command, for what depends on it: a state is of a machine with the same.
func (c Config) Line() string {
	args, _ := c.args()
	return strings.Join(append([]string{c.Binary}, args...), " ")
}

// args is the command line. The least is given: no network, no disk, no
// display, no device that is not used, and no file by its path: descriptors are
// inherited.
func (c Config) args() (args []string, files []*os.File) {
	inherit := func(f *os.File) string {
		files = append(files, f)
		return "/proc/self/fd/" + strconv.Itoa(fdFirst+len(files)-1)
	}
	args = []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", "q35,memory-backend=ram,sata=off,smbus=off,usb=off,vmport=off,graphics=off,dump-guest-core=off",
		"-m", strconv.Itoa(c.MemoryMiB), "-smp", "1",
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", fdMonitor), "-mon", "chardev=monitor,mode=control",
		"-chardev", fmt.Sprintf("socket,id=console,fd=%d", fdConsole), "-serial", "chardev:console",
		"-device", fmt.Sprintf("virtio-serial-pci,max_ports=%d", len(c.Ports)+1),
	}
	if c.KVM {
		args = append(args, "-accel", "kvm", "-cpu", "host")
	} else {
		args = append(args, "-accel", "tcg,tb-size="+strconv.Itoa(translated), "-cpu", emulated)
	}
	args = append(args, "-object", c.memory(inherit))
	for i, p := range c.Ports {
		inherit(p.File)
		args = append(
			args, "-chardev", fmt.Sprintf("socket,id=port%d,fd=%d", i, fdFirst+len(files)-1),
			"-device", fmt.Sprintf("virtserialport,chardev=port%d,name=%s,nr=%d", i, p.Name, i+1),
		)
	}
	if c.Kernel == nil {
		return append(args, "-incoming", "defer"), files
	}
	return append(args, "-kernel", inherit(c.Kernel), "-initrd", inherit(c.Initrd), "-append", c.Cmdline), files
}

func (c Config) memory(inherit func(*os.File) string) string {
	size := fmt.Sprintf("id=ram,size=%dM", c.MemoryMiB)
	if c.Memory == nil {
		return "memory-backend-ram," + size
	}
	share := "off"
	if c.Share {
		share = "on"
	}
	return "memory-backend-file," + size + ",mem-path=" + inherit(c.Memory) + ",share=" + share
}
