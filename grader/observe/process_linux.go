package observe

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

const (
	maxFDs      = 1024
	maxArgs     = 256
	maxArgBytes = 16 << 10
)

func namespaces(p *proc) evidence.NS {
	return evidence.NS{
		PID:            p.ns("pid"),
		PIDForChildren: p.ns("pid_for_children"),
		Mnt:            p.ns("mnt"),
		Net:            p.ns("net"),
		UTS:            p.ns("uts"),
		IPC:            p.ns("ipc"),
		User:           p.ns("user"),
		Cgroup:         p.ns("cgroup"),
	}
}

// arguments splits a cmdline.
func arguments(data []byte) []string {
	text := strings.TrimSuffix(string(data), "\x00")
	if text == "" {
		return nil
	}
	all := strings.Split(text, "\x00")
	return all[:min(len(all), maxArgs)]
}

// descriptors lists the open files of a process, by number.
func descriptors(p *proc) []evidence.FD {
	numbers := numericNames(p.list("fd", maxFDs))
	fds := make([]evidence.FD, 0, len(numbers))
	for _, n := range numbers {
		name := "fd/" + strconv.Itoa(n)
		if target := p.link(name); target != "" {
			fds = append(fds, evidence.FD{N: n, Target: target, Type: p.fdType(name, target)})
		}
	}
	return fds
}

// fdType tells by the link's text where that is enough. Only what has a path
// is asked for, and never opened.
func (p *proc) fdType(name, target string) string {
	switch {
	case strings.HasPrefix(target, "pipe:["):
		return "pipe"
	case strings.HasPrefix(target, "socket:["):
		return "socket"
	case !strings.HasPrefix(target, "/"):
		return "anon"
	}
	var st unix.Statx_t
	if unix.Statx(p.dir, name, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st) != nil {
		return "anon"
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "dir"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "device"
	}
	return "anon"
}

// between is the text between two marks, empty if they are not there.
func between(text, open, end string) string {
	_, rest, _ := strings.Cut(text, open)
	inner, _, _ := strings.Cut(rest, end)
	return inner
}
