package fault

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tricks are what tests make the actor do beside the roads.
func tricks() map[string]func() error {
	return map[string]func() error{
		"pause":            func() error { pause(); return nil },
		"held, and others": heldAndOthers,
		"clone under signals": func() error {
			return underSignals(func() error { return clone(0) })
		},
		"open under signals": func() error {
			return underSignals(func() error { return roads()["open_uid_map/openat"]() })
		},
		"pipes under signals": func() error {
			return underSignals(manyPipes)
		},
		"threads":         threads,
		"five clones":     fiveClones,
		"garbage":         garbage,
		"page end":        pageEnd,
		"flood":           func() error { return flood(floodCalls) },
		"short flood":     func() error { return flood(floodCalls / 20) },
		"small flood":     func() error { return flood(3) },
		"crowd":           crowd,
		"changing path":   changingPath,
		"denied":          tryDenied,
		"personal":        tryPersonal,
		"families":        tryFamilies,
		"reboot":          func() error { return raw(unix.SYS_REBOOT, 1, 2, 3) },
		"bench":           func() error { return flood(benchCalls) },
		"getppid bench":   func() error { return repeat(benchCalls, unix.SYS_GETPPID) },
		"wild exec":       wildExec,
		"plain opens":     plainOpens,
		"mount plain":     func() error { return unix.Mount("", "/mnt/plain", "", unix.MS_PRIVATE, "") },
		"mount elsewhere": func() error { return unix.Mount("", "/mnt", "", unix.MS_PRIVATE, "") },
		"mount relative":  func() error { os.Chdir("/mnt/root"); return unix.Mount("", "../plain/.", "", unix.MS_PRIVATE, "") },
		"own exec":        func() error { return goExec(0) },
	}
}

// heldAndOthers makes a call that is held, and others at the same time.
func heldAndOthers() error {
	done := make(chan error)
	go func() { done <- roads()["open_uid_map/openat"]() }()
	pause()
	if err := flood(100); err != nil {
		return err
	}
	fmt.Println("others are done")
	return <-done
}

// underSignals runs f on a thread that gets a signal each 2 ms.
func underSignals(f func() error) error {
	runtime.LockOSThread()
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGALRM)
	event := [16]int32{2: int32(unix.SIGALRM), 3: 4, 4: int32(unix.Gettid())} // struct sigevent, SIGEV_THREAD_ID
	var timer int32
	if err := raw(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, ptr(&event), ptr(&timer)); err != nil {
		return err
	}
	every := [4]int64{1: 2_000_000, 3: 2_000_000}
	if err := raw(unix.SYS_TIMER_SETTIME, uintptr(timer), 0, ptr(&every), 0); err != nil {
		return err
	}
	<-c
	return errors.Join(f(), raw(unix.SYS_TIMER_DELETE, uintptr(timer)))
}

// manyPipes makes calls that must all fail.
func manyPipes() error {
	for i := range manyCalls {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); !errors.Is(err, unix.EMFILE) {
			return fmt.Errorf("pipe %d of %d: %w", i+1, manyCalls, err)
		}
	}
	return nil
}

const manyCalls = 4000

// crowd has many threads make notified calls at the same time.
func crowd() error {
	done := make(chan error)
	for range 16 {
		go func() {
			runtime.LockOSThread()
			done <- flood(500)
		}()
	}
	var errs []error
	for range 16 {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

// fiveClones runs one line five times, on one thread.
func fiveClones() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 5 {
		if err := clone(0); err != nil {
			return err
		}
	}
	return nil
}

// threads makes many threads and says how many.
func threads() error {
	stop, done := make(chan bool), make(chan bool)
	for range 20 {
		go func() {
			runtime.LockOSThread()
			done <- true
			<-stop
		}()
	}
	for range 20 {
		<-done
	}
	close(stop)
	return nil
}

// garbage makes every notified call with pointers that lead nowhere.
func garbage() error {
	spared := "clone fork vfork setuid setreuid setresuid"
	for _, r := range rules() {
		if strings.Contains(spared, r.name) {
			continue
		}
		for _, bad := range []uintptr{1, 0x7fff_ffff_f000, 1 << 63, ^uintptr(0)} {
			a := [6]uintptr{bad, bad, bad, bad, bad, bad}
			if len(r.when.equal) > 0 {
				a[0] = uintptr(r.when.equal[0])
			}
			unix.RawSyscall6(r.nr, a[0], a[1], a[2], a[3], a[4], a[5])
		}
	}
	return nil
}

// pageEnd hands over a string that ends with its page, and one that does not.
func pageEnd() error {
	page := os.Getpagesize()
	mem, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	if err := unix.Mprotect(mem[page:], unix.PROT_NONE); err != nil {
		return err
	}
	path := "/mnt/nowhere"
	at := page - len(path) - 1
	copy(mem[at:], path)
	if err := raw(unix.SYS_UMOUNT2, uintptr(unsafe.Pointer(&mem[at])), 0); !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("ended: %w", err)
	}
	mem[page-1] = 'x'
	if err := raw(unix.SYS_UMOUNT2, uintptr(unsafe.Pointer(&mem[at])), 0); !errors.Is(err, unix.EFAULT) {
		return fmt.Errorf("open-ended: %w", err)
	}
	return nil
}

func flood(n int) error {
	path := cstr("/mnt/nowhere")
	for range n {
		if err := raw(unix.SYS_UMOUNT2, path, 0); !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

func repeat(n int, nr uintptr) error {
	for range n {
		unix.RawSyscall(nr, 0, 0, 0)
	}
	return nil
}

// changingPath opens a file while another thread changes its name.
func changingPath() error {
	name := []byte("/proc/self/uid_map\x00")
	var stop atomic.Bool
	done := make(chan bool)
	go func() {
		for i := byte(0); !stop.Load(); i++ {
			name[11+i%8] ^= 0x80
		}
		close(done)
	}()
	for range 5000 {
		fd, _, e := unix.RawSyscall6(unix.SYS_OPENAT, atCwd, uintptr(unsafe.Pointer(&name[0])), unix.O_WRONLY, 0, 0, 0)
		if e == 0 {
			unix.Close(int(fd))
		}
	}
	stop.Store(true)
	<-done
	return nil
}

func tryDenied() error {
	for nr, want := range denied() {
		if err := raw(nr, 0, 0, 0); !errors.Is(err, want) {
			return fmt.Errorf("call %d: %w, want errno %d", nr, err, int(want))
		}
	}
	return nil
}

// tryPersonal makes calls about others, and the same about itself.
func tryPersonal() error {
	limit := &unix.Rlimit{}
	for nr, arg := range personal() {
		args := [3]uintptr{}
		args[arg] = 1
		if err := raw(nr, args[0], args[1], args[2]); !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("call %d about init: %w", nr, err)
		}
	}
	for nr, whose := range crowds() {
		if err := raw(nr, uintptr(whose), 0, 0); !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("call %d about everybody of its user, and so init: %w", nr, err)
		}
	}
	return errors.Join(unix.Prlimit(0, unix.RLIMIT_CORE, nil, limit), unix.Prlimit(0, unix.RLIMIT_CORE, limit, nil), unix.Setpriority(unix.PRIO_PROCESS, 0, 19))
}

// tryFamilies opens a socket of each family that there might be.
func tryFamilies() error {
	for family := range uintptr(64) {
		var err error
		for _, kind := range []uintptr{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
			if err = raw(unix.SYS_SOCKET, family, kind, 0); err == nil {
				break
			}
		}
		known := family == unix.AF_NETLINK || slices.Contains(families, uint32(family))
		if known != (err == nil) || !known && !errors.Is(err, unix.EAFNOSUPPORT) {
			return fmt.Errorf("family %d: %w", family, err)
		}
	}
	return nil
}

// wildExec asks for a program with a name and arguments that no terminal likes.
func wildExec() error {
	argv := [40]uintptr{}
	for i := range 39 {
		argv[i] = cstr(strings.Repeat("\x1b[31m\xff\n", 100))
	}
	return raw(unix.SYS_EXECVE, cstr("/nowhere/\x1b]0;\xfe\nprobe"), ptr(&argv), 0)
}

// plainOpens reads and writes files that nobody asks about.
func plainOpens() error {
	if err := os.WriteFile("/mnt/plain/uid_map", []byte("0 0 1"), 0o644); err != nil {
		return err
	}
	_, err := os.ReadFile("/proc/self/uid_map")
	return err
}
