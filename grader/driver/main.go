// Package driver is the shim that is compiled with each Go submission. It turns
// requests of the agent into calls of the contract, and what comes of them into
// claims.
//
// It runs in the submission's own process and under its power, so it knows
// nothing of what is expected, and nothing that it says is believed without a
// look at the kernel. It leaves the submission's surroundings alone: between two
// requests it holds no descriptor but its channel, no child but the targets and
// the bystander that the world asked for, and next to no memory.
//
// The executable has several faces. Executed by the agent it serves requests;
// executed again by [contract.EntryCommand] it is a container's child side;
// executed again by itself it is a process that one call may ruin (see face).
package driver

//go:generate go run syscalls_gen.go

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

// Main is the whole main function of a driver. The generated package main must
// also hold
//
//	func init() { runtime.LockOSThread() }
//
// which is the only way in Go to be sure that main runs on the main thread of
// the process: the kernel shows that thread's namespaces under /proc/PID, and a
// clone or an execve from another would be another story.
func Main(newRuntime func() contract.Runtime) {
	if isFace("exit") {
		return
	}
	rt, problem := build(newRuntime)
	if problem != "" {
		rt = broken{problem: problem}
	}
	contract.RunEntry(rt)
	if name, ok := faceName(); ok {
		os.Exit(runFace(name, rt)) //nolint:revive // Main is the main function of every driver
	}
	if err := serve(rt, problem); err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(2) //nolint:revive // as above
	}
}

// build calls New, which is the submission's and may do anything.
func build(newRuntime func() contract.Runtime) (rt contract.Runtime, problem string) {
	defer func() {
		if p := recover(); p != nil {
			problem = panicText(p)
		}
	}()
	if rt = newRuntime(); rt == nil {
		return nil, "New returned nil"
	}
	return rt, ""
}

// broken stands for a submission whose New did not give a Runtime.
type broken struct {
	contract.Unimplemented
	problem string
}

// ContainerEntry ends a container's child side with the reason.
func (b broken) ContainerEntry(*contract.ContainerConfig) error { return errors.New(b.problem) }

// warmUp lets the Go runtime make what it makes once and keeps: the poller's
// descriptors, and the child by which package os learns whether pidfds work.
// Otherwise they would show as the first call's leak, or meet its fault. The two
// threads of a first garbage collection are fewer than a leak is, and take longer
// to make than all the rest of the driver.
func warmUp() {
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
}

// channel takes the descriptor to the agent and keeps children from it.
func channel() (*os.File, error) {
	if _, err := unix.FcntlInt(scenario.DriverFD, unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("descriptor %d (this program is started by the grader only): %w", scenario.DriverFD, err)
	}
	return os.NewFile(scenario.DriverFD, "channel"), nil
}
