package fault

import (
	"fmt"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

const sysFork = unix.SYS_FORK

// legacyRoads are ways that only this architecture has. A real vfork cannot be
// made from Go, a refused one can.
func legacyRoads() map[string]func() error {
	r := map[string]func() error{
		"fork/fork":    func() error { return raw(unix.SYS_FORK) },
		"pipe/pipe":    func() error { return raw(unix.SYS_PIPE, ptr(new([2]int32))) },
		"pipe/eventfd": func() error { return raw(unix.SYS_EVENTFD, 0) },
		"mknod/mknod":  func() error { return raw(unix.SYS_MKNOD, cstr("/mnt/plain/sdb"), unix.S_IFCHR|0o600, 0x0801) },
	}
	for _, file := range []string{"uid_map", "gid_map", "setgroups"} {
		p := "/proc/self/" + file
		r["open_"+file+"/open"] = func() error { return raw(unix.SYS_OPEN, cstr(p), unix.O_WRONLY) }
		r["open_"+file+"/creat"] = func() error { return raw(unix.SYS_CREAT, cstr(p), 0) }
	}
	return r
}

// legacyTricks are calls by the two other ABIs of this architecture.
func legacyTricks() map[string]func() error {
	return map[string]func() error{
		"x32":  func() error { return raw(x32Bit | unix.SYS_GETPID) },
		"i386": i386,
	}
}

// i386 calls getpid by int 0x80 (mov eax, 20; int 0x80; ret). Where the machine
// has no such door, the instruction faults: nothing gets through there, either.
func i386() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = unix.ENOSYS
		}
	}()
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	copy(code, []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3})
	entry := &struct{ code *byte }{&code[0]}
	f := *(*func() int32)(unsafe.Pointer(&entry))
	if r := f(); r < 0 {
		return unix.Errno(-r)
	}
	return fmt.Errorf("answered")
}
