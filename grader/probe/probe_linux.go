// Package probe is our program in the container: the child or command that a
// submission is asked to run. It checks in with the agent, waits to be looked
// at, acts on request, and tells what came of it.
//
// It runs in the submission's hands, so it takes no part in any verdict beyond
// its acts; who it is, the agent learns from the kernel.
package probe

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// Exit statuses of a probe that could not do its part. They are told apart from
// those of scenarios, which stay below 125.
const (
	exitNoSocket = 201
	exitNoOrder  = 202
)

// Main is the probe's whole life; it returns its exit status.
func Main(argv []string) int {
	name := "probe"
	if len(argv) > 1 {
		name = argv[1]
	}
	conn, err := dial(scenario.ProbeSocket)
	if err != nil {
		return exitNoSocket
	}
	// The connection must not outlive the probe in a child of its own.
	defer conn.Close()
	enc := json.NewEncoder(conn)
	if enc.Encode(hello(name, argv, int(conn.Fd()))) != nil {
		return exitNoOrder
	}
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return exitNoOrder
		}
		var o scenario.Order
		if json.Unmarshal(line, &o) != nil {
			return exitNoOrder
		}
		done := scenario.Done{Acts: make([]scenario.ActResult, 0, len(o.Do))}
		for _, a := range o.Do {
			done.Acts = append(done.Acts, perform(a))
		}
		if len(o.Do) > 0 && enc.Encode(done) != nil {
			return exitNoOrder
		}
		if o.Exit != nil {
			return *o.Exit
		}
	}
}

// dial connects without package net: reads that block take no poller, and no
// thread beside this one.
func dial(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}

func hello(name string, argv []string, fd int) scenario.Hello {
	host, _ := os.Hostname()
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		host = unix.ByteSliceToString(uts.Nodename[:])
	}
	return scenario.Hello{Name: name, Argv: argv, PID: os.Getpid(), PPID: os.Getppid(), Hostname: host, FD: fd}
}
