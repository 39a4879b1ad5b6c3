package fault

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raw makes a system call by number and waits for the child it may have made.
func raw(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	r, _, e := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e != 0 {
		return e
	}
	if nr == unix.SYS_CLONE || nr == unix.SYS_CLONE3 || nr == sysFork {
		if r == 0 {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		_, err := unix.Wait4(int(r), nil, 0, nil)
		return err
	}
	return nil
}

func cstr(s string) uintptr {
	b, _ := unix.BytePtrFromString(s)
	return ptr(b)
}

func ptr[T any](p *T) uintptr {
	kept.Store(p, true)
	return uintptr(unsafe.Pointer(p))
}

var kept sync.Map // what only a number points to

func clone(flags uintptr) error { return raw(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD)) }

func clone3(flags uint64) error {
	args := &[11]uint64{0: flags, 4: uint64(unix.SIGCHLD)}
	return raw(unix.SYS_CLONE3, ptr(args), unsafe.Sizeof(*args))
}

func goExec(flags uintptr) error {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	return cmd.Run()
}

const atCwd = ^uintptr(99) // AT_FDCWD

// netlink etc: see roads.
func fdOf(fd int, err error) (uintptr, error) { return uintptr(fd), err }

func with(open func() (int, error), f func(fd uintptr) error) error {
	fd, err := fdOf(open())
	if err != nil {
		return err
	}
	defer unix.Close(int(fd))
	return f(fd)
}

func folder(p string) func() (int, error) {
	return func() (int, error) { return unix.Open(p, unix.O_PATH|unix.O_CLOEXEC, 0) }
}

// roads are all the ways to an effect, each named EFFECT/WAY.
func roads() map[string]func() error {
	r := map[string]func() error{}
	for effect, flag := range map[string]uintptr{
		"new_pid": unix.CLONE_NEWPID, "new_net": unix.CLONE_NEWNET, "new_mnt": unix.CLONE_NEWNS,
		"new_user": unix.CLONE_NEWUSER, "new_uts": unix.CLONE_NEWUTS, "new_ipc": unix.CLONE_NEWIPC,
	} {
		r[effect+"/clone"] = func() error { return clone(flag) }
		r[effect+"/clone3"] = func() error { return clone3(uint64(flag)) }
		r[effect+"/unshare"] = func() error { return raw(unix.SYS_UNSHARE, flag) }
		r[effect+"/go"] = func() error { return goExec(flag) }
	}
	maps.Copy(r, map[string]func() error{
		"fork/clone":  func() error { return clone(0) },
		"fork/clone3": func() error { return clone3(0) },
		"fork/go":     func() error { return goExec(0) },

		"pipe/pipe2":      func() error { return raw(unix.SYS_PIPE2, ptr(new([2]int32)), 0) },
		"pipe/socketpair": func() error { return raw(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, ptr(new([2]int32))) },
		"pipe/eventfd2":   func() error { return raw(unix.SYS_EVENTFD2, 0, 0) },

		"mount/mount":      func() error { return raw(unix.SYS_MOUNT, cstr("t"), cstr("/mnt/plain"), cstr("tmpfs"), 0, 0) },
		"mount/fsmount":    func() error { return raw(unix.SYS_FSMOUNT, 999, 0, 0) },
		"mount/move_mount": func() error { return raw(unix.SYS_MOVE_MOUNT, 999, cstr(""), atCwd, cstr("/mnt/plain"), 4) },
		"mount/open_tree":  func() error { return raw(unix.SYS_OPEN_TREE, atCwd, cstr("/mnt/plain"), 1) },
		"mount/mount_setattr": func() error {
			return raw(unix.SYS_MOUNT_SETATTR, atCwd, cstr("/mnt"), 0, ptr(&[4]uint64{unix.MOUNT_ATTR_NOATIME}), 32)
		},
		"mount_proc/mount":  func() error { return raw(unix.SYS_MOUNT, cstr("proc"), cstr("/mnt/plain"), cstr("proc"), 0, 0) },
		"mount_proc/fsopen": func() error { return raw(unix.SYS_FSOPEN, cstr("proc"), 0) },
		"mount_bind/mount": func() error {
			return raw(unix.SYS_MOUNT, cstr("/mnt"), cstr("/mnt/plain"), 0, unix.MS_BIND|unix.MS_REC, 0)
		},
		"mount_bind/open_tree": func() error {
			return raw(unix.SYS_OPEN_TREE, atCwd, cstr("/mnt"), unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE)
		},
		"propagation/mount": func() error { return raw(unix.SYS_MOUNT, 0, cstr("/mnt"), 0, unix.MS_SHARED, 0) },
		"mount_bind/magic": func() error {
			return raw(unix.SYS_MOUNT, cstr("/mnt"), cstr("/mnt/plain"), 0, unix.MS_MGC_VAL|unix.MS_BIND, 0)
		},
		"propagation/mount_setattr": func() error {
			return raw(unix.SYS_MOUNT_SETATTR, atCwd, cstr("/mnt"), 0, ptr(&[4]uint64{2: unix.MS_PRIVATE}), 32)
		},
		"umount/umount2":          func() error { return raw(unix.SYS_UMOUNT2, cstr("/mnt/nowhere"), unix.MNT_DETACH) },
		"pivot_root/pivot_root":   func() error { return raw(unix.SYS_PIVOT_ROOT, cstr("/mnt/root"), cstr("/mnt/root/old")) },
		"sethostname/sethostname": func() error { return raw(unix.SYS_SETHOSTNAME, cstr("seahaven"), 8) },
		"setns/setns": func() error {
			return with(func() (int, error) { return unix.Open("/proc/self/ns/uts", unix.O_RDONLY, 0) },
				func(fd uintptr) error { return raw(unix.SYS_SETNS, fd, unix.CLONE_NEWUTS) })
		},

		"execve/execve": func() error { return raw(unix.SYS_EXECVE, cstr("/mnt/root/moulinette/probe"), ptr(&[1]uintptr{}), 0) },
		"execve/relative": func() error {
			os.Chdir("/mnt")
			return raw(unix.SYS_EXECVE, cstr("x/../moulinette/probe"), ptr(&[1]uintptr{}), 0)
		},
		"execve/execveat": func() error {
			return with(folder("/mnt"), func(fd uintptr) error {
				return raw(unix.SYS_EXECVEAT, fd, cstr("moulinette/probe"), ptr(&[1]uintptr{}), 0, 0)
			})
		},

		"seccomp/seccomp": func() error { return raw(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0) },
		"seccomp/prctl":   func() error { return raw(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0) },
		"capset/capset": func() error {
			return raw(unix.SYS_CAPSET, ptr(&unix.CapUserHeader{Version: 0x20080522}), ptr(&[2]unix.CapUserData{}))
		},
		"capset/prctl":    func() error { return raw(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN) },
		"setuid/setuid":   func() error { return raw(unix.SYS_SETUID, 0) },
		"setuid/setreuid": func() error { return raw(unix.SYS_SETREUID, 0, 0) },
		"setuid/setresuid": func() error {
			return raw(unix.SYS_SETRESUID, ^uintptr(0), 0, 0)
		},
		"mknod/mknodat": func() error {
			return raw(unix.SYS_MKNODAT, atCwd, cstr("/mnt/plain/sda"), unix.S_IFBLK|0o600, uintptr(unix.Mkdev(8, 0)))
		},
		"netlink/socket": func() error { return raw(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) },
	})
	for _, file := range []string{"uid_map", "gid_map", "setgroups"} {
		for name, f := range openRoads(file) {
			r["open_"+file+"/"+name] = f
		}
	}
	maps.Copy(r, legacyRoads())
	return r
}

// openRoads are the ways to open a file of a proc for writing.
func openRoads(file string) map[string]func() error {
	p := "/proc/self/" + file
	return map[string]func() error{
		"openat": func() error { return raw(unix.SYS_OPENAT, atCwd, cstr(p), unix.O_WRONLY) },
		"rdwr":   func() error { return raw(unix.SYS_OPENAT, atCwd, cstr(p), unix.O_RDWR) },
		"openat2": func() error {
			return raw(unix.SYS_OPENAT2, atCwd, cstr(p), ptr(&unix.OpenHow{Flags: unix.O_WRONLY}), 24)
		},
		"dirfd": func() error {
			return with(folder("/proc/1"), func(fd uintptr) error { return raw(unix.SYS_OPENAT, fd, cstr(file), unix.O_WRONLY) })
		},
		"cwd":  func() error { os.Chdir("/proc/self"); return raw(unix.SYS_OPENAT, atCwd, cstr(file), unix.O_WRONLY) },
		"go":   func() error { f, err := os.OpenFile(p, os.O_WRONLY, 0); f.Close(); return err },
		"task": func() error { return raw(unix.SYS_OPENAT, atCwd, cstr("/proc/thread-self/"+file), unix.O_WRONLY) },
		"again": func() error {
			return with(func() (int, error) { return unix.Open(p, unix.O_PATH|unix.O_CLOEXEC, 0) }, func(fd uintptr) error {
				return raw(unix.SYS_OPENAT, atCwd, cstr(fmt.Sprintf("/proc/self/fd/%d", fd)), unix.O_WRONLY)
			})
		},
	}
}
