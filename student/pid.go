package student

import (
	"io"
	"os/exec"

	"moulinette/grader/contract"
)

// CreatePIDNamespace runs child as PID 1 of a new PID namespace, waits for it,
// and returns its exit status.
//
// The command is prepared, but for one field that says in which namespaces it
// starts. Which flag? There are seven, their names all begin with CLONE_NEW and
// look alike; the wrong one compiles, runs, and isolates something else. See
// clone(2), pid_namespaces(7), syscall.SysProcAttr.
//
// Pitfalls:
//   - The field may hold something already. The caller wants to keep that.
//   - If the child could not be started there is nobody to wait for.
//   - Wait for this child. wait(2) takes whoever ends first, and another part
//     of the program would then wait for ever for a child that you took.
//   - A child that nobody waits for stays a zombie.
//   - What you return is its exit status: neither its PID, nor a raw wait
//     status. And a child that was killed by a signal has none at all.
func (namespaces) CreatePIDNamespace(child *exec.Cmd) (int, error) {
	return -1, contract.ErrNotImplemented
}

// IsContainerInit tells whether the caller is the first process of its
// namespace.
//
// What makes the first one the first one? See getpid(2).
func (namespaces) IsContainerInit() bool {
	return false
}

// DemonstratePIDIsolation shows a reader that one child has two PIDs.
//
// Inside, it asks the kernel itself; outside, its parent knows another number.
// Its parent's PID, seen from inside, may surprise you. See getppid(2).
func (namespaces) DemonstratePIDIsolation(w io.Writer) error {
	return contract.ErrNotImplemented
}
