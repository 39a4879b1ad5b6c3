package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// need is what a grading takes of something that ulimit(1) bounds. Submissions inherit
// the bound: where it is too low, its effects would be held against them.
type need struct {
	resource int
	least    uint64
	option   string // of ulimit
	unit     uint64 // in which ulimit counts
	name     spec.Text
}

// needs come of what a scenario may take, half of its memory, and of what boxes that are
// open side by side were seen to take. A program in Go waits for ever where no signal can
// be queued.
func needs() []need {
	l := scenario.Limits{}.WithDefaults()
	return []need{
		{unix.RLIMIT_NPROC, uint64(300 + 40*runtime.GOMAXPROCS(0)), "-u", 1, spec.Text{FR: "processus et fils d'exécution", EN: "processes and threads"}},
		{unix.RLIMIT_SIGPENDING, 1 << 10, "-i", 1, spec.Text{FR: "signaux en attente", EN: "pending signals"}},
		{unix.RLIMIT_FSIZE, uint64(l.DiskMiB) << 20, "-f", 1 << 10, spec.Text{FR: "Kio par fichier", EN: "KiB in a file"}},
		{unix.RLIMIT_DATA, uint64(l.MemoryMiB) << 19, "-d", 1 << 10, spec.Text{FR: "Kio de données", EN: "KiB of data"}},
		{unix.RLIMIT_AS, 4 << 30, "-v", 1 << 10, spec.Text{FR: "Kio d'adresses", EN: "KiB of addresses"}},
		{unix.RLIMIT_STACK, 8 << 20, "-s", 1 << 10, spec.Text{FR: "Kio de pile", EN: "KiB of stack"}},
	}
}

// raiseLimits takes what may be had without asking, as Go does for descriptors: soft
// limits are a shell's habits. The stack's lays out memory, and boxes set it.
func raiseLimits() {
	for _, n := range needs() {
		var limit unix.Rlimit
		if n.resource != unix.RLIMIT_STACK && unix.Getrlimit(n.resource, &limit) == nil {
			_ = unix.Setrlimit(n.resource, &unix.Rlimit{Cur: limit.Max, Max: limit.Max})
		}
	}
}

// tooLow tells the limits that leave a grading too little, and their cure; zero: none does.
func tooLow() (told, cure spec.Text) {
	var fr, en, raise []string
	for _, n := range needs() {
		var limit unix.Rlimit
		if unix.Getrlimit(n.resource, &limit) != nil || limit.Max == math.MaxUint64 {
			continue
		}
		if n.resource == unix.RLIMIT_NPROC && os.Geteuid() != 0 {
			n.least += threads(os.Getuid()) // it counts all that the user runs
		}
		if limit.Max < n.least {
			fr = append(fr, fmt.Sprintf("%d %s au plus, il en faut %d", limit.Max/n.unit, n.name.FR, n.least/n.unit))
			en = append(en, fmt.Sprintf("%d %s at most, %d are needed", limit.Max/n.unit, n.name.EN, n.least/n.unit))
			raise = append(raise, fmt.Sprintf("ulimit %s %d", n.option, n.least/n.unit))
		}
	}
	if raise == nil {
		return told, cure
	}
	with := strings.Join(raise, " && ")
	return spec.Text{FR: strings.Join(fr, " ; "), EN: strings.Join(en, "; ")}, spec.Text{
		FR: "en root, " + with + " avant de lancer la moulinette, ou limites plus hautes dans /etc/security/limits.conf",
		EN: "as root, " + with + " before the moulinette is started, or higher limits in /etc/security/limits.conf",
	}
}

// threads counts what a user runs.
func threads(user int) (n uint64) {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, task := range tasks {
		info, err := os.Stat(task)
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == user {
			n++
		}
	}
	return n
}

// ulimits is what the doctor says of them.
func ulimits() symptom {
	s := symptom{name: spec.Text{FR: "ulimit", EN: "ulimit"}, level: good, saw: "ok"}
	if told, cure := tooLow(); !told.IsZero() {
		s.level, s.saw, s.cure = fatal, "-", cure
		s.follows = spec.Text{FR: "aucune correction n'est possible ici : " + told.FR, EN: "nothing can be graded here: " + told.EN}
	}
	return s
}
