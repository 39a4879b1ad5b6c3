package fault

import "golang.org/x/sys/unix"

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
