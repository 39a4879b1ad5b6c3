package fingerprint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts are those of this process's namespace, which is the host's, and of PID
// 1 where that may be read.
func mounts(Place) (map[string]string, error) {
	facts := map[string]string{}
	for _, who := range []string{"self", "1"} {
		seen, err := Mounts(who)
		if err != nil && who == "self" {
			return nil, err
		}
		for id, rest := range seen {
			facts[who+" "+id] = rest
		}
	}
	return facts, nil
}

// services are folders below which the machine's own services mount: for whoever logs
// in, for containers, snaps, and discs that are put in. No test and no box has a
// reason to, and who got out of one has worthier places.
var services = []string{
	"/run/user/", "/run/credentials/", "/run/media/", "/media/", "/run/snapd/", "/snap/", "/run/docker/", "/run/containerd/",
	"/var/lib/docker/", "/var/lib/containerd/", "/var/lib/containers/", "/var/lib/kubelet/", "/proc/sys/fs/binfmt_misc",
}

// Mounts are the lines of a process's mountinfo (proc_pid_mountinfo(5)) by their ids,
// but for those of services.
func Mounts(process string) (map[string]string, error) {
	text, err := os.ReadFile("/proc/" + process + "/mountinfo")
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields := strings.Fields(rest)
		if len(fields) > 3 && !slices.ContainsFunc(services, func(s string) bool { return strings.HasPrefix(fields[3], s) }) {
			lines[id] = rest
		}
	}
	return lines, err
}

// volatile are sysctls that count or that the kernel sets by itself.
var volatile = []string{
	"/proc/sys/fs/aio-nr", "/proc/sys/fs/dentry-state", "/proc/sys/fs/file-nr", "/proc/sys/fs/inode-nr", "/proc/sys/fs/inode-state",
	"/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/pty/nr", "/proc/sys/kernel/random/entropy_avail", "/proc/sys/kernel/random/uuid",
	"/proc/sys/kernel/perf_event_max_sample_rate", "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/fs/quota", "/proc/sys/kernel/spl", "/proc/sys/net/ipv4/tcp_fastopen_key",
}

// sysctls are all that can be read below /proc/sys.
func sysctls(Place) (map[string]string, error) {
	facts := map[string]string{}
	err := filepath.WalkDir("/proc/sys", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == "/proc/sys":
			return err
		case err != nil, e.IsDir(), slices.ContainsFunc(volatile, func(v string) bool { return path == v || strings.HasPrefix(path, v+"/") }):
			return nil
		}
		if text, err := os.ReadFile(path); err == nil { // some cannot be read, or only now and then
			facts[strings.TrimPrefix(path, "/proc/sys/")] = string(text)
		}
		return nil
	})
	return facts, err
}

// names are what uname(2) says.
func names(Place) (map[string]string, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, err
	}
	return map[string]string{
		"hostname": unix.ByteSliceToString(uts.Nodename[:]), "domainname": unix.ByteSliceToString(uts.Domainname[:]),
		"release": unix.ByteSliceToString(uts.Release[:]),
	}, nil
}

// kernel is what could be done to the kernel itself.
func kernel(Place) (map[string]string, error) {
	facts := map[string]string{}
	for _, path := range []string{
		"/proc/swaps", "/proc/cmdline", "/proc/filesystems", "/sys/kernel/kexec_loaded", "/sys/kernel/kexec_crash_loaded", "/sys/kernel/uevent_helper",
		"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/proc/sys/fs/binfmt_misc/status",
	} {
		if text, err := os.ReadFile(path); err == nil {
			facts[path] = string(text)
		}
	}
	if text, err := os.ReadFile("/proc/modules"); err == nil {
		for line := range strings.Lines(string(text)) {
			facts["module "+strings.Fields(line)[0]] = "loaded"
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, l := range loops {
		text, _ := os.ReadFile(l)
		facts[l] = string(text)
	}
	return facts, errors.Join(err, devices(facts))
}

// devices are the nodes in /dev; terminals come and go.
func devices(facts map[string]string) error {
	return filepath.WalkDir("/dev", func(path string, e fs.DirEntry, err error) error {
		var st unix.Stat_t
		switch {
		case err != nil && path == "/dev":
			return err
		case path == "/dev/pts" || path == "/dev/shm" || path == "/dev/mqueue":
			return fs.SkipDir
		case err != nil || e.IsDir() || unix.Lstat(path, &st) != nil:
			return nil
		}
		facts[path] = fmt.Sprintf("%o %d:%d %d", st.Mode, unix.Major(st.Rdev), unix.Minor(st.Rdev), st.Uid)
		return nil
	})
}

// levels are amounts. Each tolerance is far above what a machine in use moves by
// within one battery, and far below what the battery's programs try to take.
func levels() (map[string]level, error) {
	all := map[string]level{}
	var real, raw unix.Timespec
	if err := errors.Join(unix.ClockGettime(unix.CLOCK_REALTIME, &real), unix.ClockGettime(unix.CLOCK_BOOTTIME, &raw)); err != nil {
		return nil, err
	}
	// ntpd slews by 0.5 ms a second; programs here set the clock by days.
	all["clock, ms"] = level{(real.Nano() - raw.Nano()) / 1e6, 2000}
	var disk unix.Statfs_t
	if err := unix.Statfs("/", &disk); err != nil {
		return nil, err
	}
	// Builds beside us write some hundred MiB; the programs try to write without end.
	all["disk, MiB"] = level{int64(disk.Bavail) * disk.Bsize >> 20, 2048}
	all["inodes"] = level{int64(disk.Ffree), 100_000}
	memory, err := meminfo()
	if err != nil {
		return nil, err
	}
	// Compilers beside us take some GiB and give them back; kernel memory does
	// not move so much, and what leaks in it stays.
	all["memory, MiB"] = level{memory["MemAvailable"] >> 10, max(2048, memory["MemTotal"]>>10/4)}
	all["shared memory, MiB"] = level{memory["Shmem"] >> 10, 512}
	all["kernel memory, MiB"] = level{memory["SUnreclaim"] >> 10, 256}
	return all, nil
}

// meminfo is /proc/meminfo in KiB.
func meminfo() (map[string]int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	facts := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		var name string
		var n int64
		if _, err := fmt.Sscan(line, &name, &n); err == nil {
			facts[strings.TrimSuffix(name, ":")] = n
		}
	}
	return facts, err
}
