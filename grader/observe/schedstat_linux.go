package observe

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Sched is what the scheduler has noted of a thread: how long it ran, and how long
// it had waited for a processor whenever it came to run
// (/proc/PID/task/TID/schedstat, in nanoseconds; Linux with CONFIG_SCHED_INFO).
type Sched struct {
	Ran, Waited time.Duration
	Ready       bool // it runs, or waits for a processor (state R in /proc/PID/task/TID/stat)
}

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
	_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")) // a name may hold anything
	return Sched{time.Duration(ran), time.Duration(waited), bytes.HasPrefix(state, []byte("R"))}, err == nil
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
