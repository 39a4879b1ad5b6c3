package observe

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Sched is what the scheduler has noted of a thread: how long it ran, and how long
// it had waited for a processor whenever it came to run
// (/proc/PID/task/TID/schedstat, in nanoseconds; Linux with CONFIG_SCHED_INFO).
type Sched struct {
	Ran, Waited time.Duration
	Ready       bool // it runs, or waits for a processor (state R in /proc/PID/task/TID/stat)
	Held        bool // what it waits for, the kernel owes it: state D, or it is dying and not dead yet
	Nice        int  // its place in the queue, and
	Policy      int  // which queue (sched(7))
	Blocked     bool // state D
	asleep      bool // state S or D
	dir         string
}

// Fields of /proc/PID/stat, counted from the one after the name.
const (
	flags   = 6
	nice    = 16
	policy  = 38
	exiting = 4 // PF_EXITING, one of the flags
)

// Queued tells whether a thread that is said to sleep waits for a processor all the same,
// its own or another's: by the place where it sleeps (/proc/PID/task/TID/wchan; Linux 5.16
// with CONFIG_KALLSYMS). It is asked soon after the thread was looked at, and where places
// are not told, nobody is.
//
// Who has none ("0") stands in the scheduler's queue, or runs: wait(2) buries the dead in
// state S, and whoever loses its processor between saying that it sleeps and doing so waits
// in that state, too. Who is in state D waits for somebody else to come to an end in the
// kernel, as for RCU's grace period or the lock of all network devices.
func (s Sched) Queued() bool {
	if !s.asleep {
		return false
	}
	place, err := os.ReadFile(filepath.Join(s.dir, "wchan"))
	if err != nil {
		return false
	}
	if string(place) != "0" {
		placesTold.Store(true)
		return s.Blocked && !slices.ContainsFunc(ofItsOwn, func(name string) bool { return strings.Contains(string(place), name) })
	}
	_, err = os.Readlink(filepath.Join(s.dir, "cwd")) // "0" is also for who may not know; so is this, ptrace(2)
	return err == nil && placesTold.Load()
}

// ofItsOwn are places where a program waits in state D as long as another of its own likes:
// a parent in vfork(2), a page that userfaultfd(2) is to fill, a frozen group (cgroups(7)).
var ofItsOwn = []string{"kernel_clone", "vfork", "userfault", "freeze", "refrigerator"}

// placesTold is set once this kernel has told where somebody sleeps.
var placesTold atomic.Bool

// maxThreads are looked at of one process.
const maxThreads = 256

// Scheds tells it of each thread of a process, "self" or a pid of the agent's
// namespace, by thread id. What has ended, or has no such notes, is left out.
func Scheds(pid string) map[int]Sched {
	dir := filepath.Join("/proc", pid, "task")
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxThreads) // of what has ended there are none
	threads := make(map[int]Sched, len(names))
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, ok := schedOf(filepath.Join(dir, name)); ok {
			threads[tid] = s
		}
	}
	return threads
}

func schedOf(dir string) (Sched, bool) {
	notes, err := os.ReadFile(filepath.Join(dir, "schedstat"))
	fields := bytes.Fields(notes)
	if err != nil || len(fields) < 2 {
		return Sched{}, false
	}
	ran, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	waited, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	after := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // a name may hold anything
	if err != nil || len(after) <= policy {
		return Sched{}, false
	}
	state := string(after[0])
	bits, _ := strconv.ParseUint(string(after[flags]), 10, 64)
	place, _ := strconv.Atoi(string(after[nice]))
	queue, _ := strconv.Atoi(string(after[policy]))
	return Sched{
		Ran: time.Duration(ran), Waited: time.Duration(waited),
		Ready:   state == "R",
		Held:    state == "D" || state == "S" && bits&exiting != 0,
		Nice:    place,
		Blocked: state == "D",
		Policy:  queue,
		asleep:  state == "S" || state == "D", dir: dir,
	}, true
}

// GroupNice is the place in the queue of a process's session among others
// (/proc/PID/autogroup, sched(7)); 0 where sessions have none.
func GroupNice(pid string) int {
	text, _ := os.ReadFile(filepath.Join("/proc", pid, "autogroup"))
	_, place, _ := bytes.Cut(text, []byte(" nice "))
	n, _ := strconv.Atoi(string(bytes.TrimSpace(place)))
	return n
}

// MemoryStall is how long, since the host's start, everything on it that had
// something to do waited for memory (/proc/pressure/memory, "full"; Linux 4.20
// with CONFIG_PSI). Without such notes it is 0.
func MemoryStall() time.Duration {
	text, _ := os.ReadFile("/proc/pressure/memory") // 0 where it cannot be read
	_, full, _ := bytes.Cut(text, []byte("full "))
	_, total, _ := bytes.Cut(full, []byte("total="))
	micros, _ := strconv.ParseInt(string(bytes.TrimSpace(total)), 10, 64)
	return time.Duration(micros) * time.Microsecond
}

// Idle is how long the processors had nothing to do since the host's start, all
// together (/proc/uptime, second field). Without such a note it is 0.
func Idle() time.Duration {
	text, _ := os.ReadFile("/proc/uptime") // 0 where it cannot be read
	_, idle, _ := bytes.Cut(bytes.TrimSpace(text), []byte(" "))
	seconds, _ := strconv.ParseFloat(string(idle), 64)
	return time.Duration(seconds * float64(time.Second))
}
