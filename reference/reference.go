// Package reference is the model answer: every method of the contract, the
// bonus included. Read it after you have tried.
//
// One file holds one noun. The story runs like this:
//
//	pid.go           Truman believes that he is PID 1
//	network.go       Seahaven has a network of its own, netns.go is where it is kept
//	propagation.go   what is painted on the horizon stays on the horizon
//	filesystem.go    /proc, /sys and /dev; device.go and bind.go fill them
//	pivot.go         the horizon is a wall, and the door in it closes behind you
//	user.go          the identity he was given; capability.go what it may do
//	container.go     Christof: creates, waits, stops, cleans up
//	entry.go         the first seconds of Truman's life
//	seccomp.go       the words he must never hear
//
// Three habits run through all of it. A namespace belongs to a thread, and Go
// moves goroutines between threads: whatever must visit another namespace does
// so on a thread of its own (see [onOwnThread]). What was half done when a step
// failed is undone before the error is returned. And an error says where it
// happened and unwraps to the errno.
package reference

import "moulinette/grader/contract"

// New returns the model runtime. Its value implements [contract.Seccomp] too.
func New() contract.Runtime { return namespaces{} }

// namespaces implements the contract. It has no state: a container's is in its
// configuration, everything else's is in the kernel.
type namespaces struct{}

var _ contract.Seccomp = namespaces{}
