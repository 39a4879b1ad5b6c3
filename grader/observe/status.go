package observe

import (
	"bytes"
	"strconv"
	"strings"
)

// status is what we use of /proc/PID/status; see proc_pid_status(5). Pids and
// ids are the reader's.
type status struct {
	name     string
	state    string
	ppid     int
	tracer   int
	ruid     int // real
	uid, gid int // effective
	nspid    []int
	threads  int
	switches int // how often it was put on and off a processor
	dataKiB  int
	memory   bool // it still has an address space: the first thing an exit takes
	caps     struct{ effective, permitted, inheritable, bounding, ambient uint64 }
	noNewPri bool
	seccomp  int // mode
	filters  int // -1 where the kernel does not tell
}

// parseStatus reads what it recognises and passes over the rest.
func parseStatus(data []byte) status {
	s := status{filters: -1}
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		key, value, ok := bytes.Cut(line, []byte{':'})
		if ok {
			s.set(string(key), strings.TrimSpace(string(value)))
		}
	}
	return s
}

func (s *status) set(key, value string) {
	switch key {
	case "Name":
		s.name = unescapeName(value)
	case "State":
		s.state, _, _ = strings.Cut(value, " ")
	case "PPid":
		s.ppid = number(value)
	case "TracerPid":
		s.tracer = number(value)
	case "Uid":
		s.ruid, s.uid = number(first(value)), second(value)
	case "Gid":
		s.gid = second(value)
	case "NSpid":
		s.nspid = numbers(value)
	case "Threads":
		s.threads = number(value)
	case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
		s.switches += number(value)
	case "VmData":
		s.dataKiB, s.memory = number(strings.TrimSuffix(value, " kB")), true
	case "NoNewPrivs":
		s.noNewPri = value == "1"
	case "Seccomp":
		s.seccomp = number(value)
	case "Seccomp_filters":
		s.filters = number(value)
	default:
		s.setCaps(key, value)
	}
}

func (s *status) setCaps(key, value string) {
	switch key {
	case "CapInh":
		s.caps.inheritable = hex(value)
	case "CapPrm":
		s.caps.permitted = hex(value)
	case "CapEff":
		s.caps.effective = hex(value)
	case "CapBnd":
		s.caps.bounding = hex(value)
	case "CapAmb":
		s.caps.ambient = hex(value)
	}
}

// filterCount is the number of seccomp filters; a kernel before 5.9 tells only
// whether there is one.
func (s *status) filterCount() int {
	if s.filters >= 0 {
		return s.filters
	}
	if s.seccomp == 2 {
		return 1
	}
	return 0
}

// dying tells of a process that is on its way out, and half gone.
func (s *status) dying() bool { return !s.memory && s.state != "Z" }

// headless tells of a process that lives on although its main thread has
// ended: to a glance it is a zombie.
func (s *status) headless() bool { return s.state == "Z" && s.threads > 1 }

// self is the process's own view of its pid, 0 if unknown.
func (s *status) self() int {
	if len(s.nspid) == 0 {
		return 0
	}
	return s.nspid[len(s.nspid)-1]
}

// number is 0 for what is no number: the kernel wrote it, so only a field that
// is missing or cut is none.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func numbers(text string) []int {
	var all []int
	for field := range strings.FieldsSeq(text) {
		all = append(all, number(field))
	}
	return all
}

func first(text string) string {
	head, _, _ := strings.Cut(text, "\t")
	return head
}

func second(text string) int {
	if all := numbers(text); len(all) > 1 {
		return all[1]
	}
	return 0
}

func hex(text string) uint64 {
	n, _ := strconv.ParseUint(text, 16, 64)
	return n
}

// unescapeName undoes what the kernel does to a newline and a backslash in a
// process's name.
func unescapeName(text string) string {
	return strings.NewReplacer(`\n`, "\n", `\\`, `\`).Replace(text)
}
