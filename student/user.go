package student

import (
	"io"

	"moulinette/grader/contract"
)

// WriteUIDMap writes a user map, one file of /proc/PID.
//
// Everything about the file is in user_namespaces(7): what a line says, who may
// write it, and how often.
//
// Pitfalls: it takes one write(2), with all of it. And opening a file must not
// create or truncate it: which flags does your favourite function use?
func (namespaces) WriteUIDMap(pid int, text string) error {
	return contract.ErrNotImplemented
}

// WriteGIDMap writes a group map.
//
// Pitfall: somebody without privileges has to give something up first, and gets
// EPERM otherwise. As root you will never notice, so test as yourself.
func (namespaces) WriteGIDMap(pid int, text string) error {
	return contract.ErrNotImplemented
}

// SetupUIDMap maps count users, from inside on, to those from outside on.
//
// Pitfall: which of the three numbers comes first in the file? Getting it wrong
// works as long as you map 0 to 0.
func (namespaces) SetupUIDMap(pid, inside, outside, count int) error {
	return contract.ErrNotImplemented
}

// SetupGIDMap does the same for groups.
func (namespaces) SetupGIDMap(pid, inside, outside, count int) error {
	return contract.ErrNotImplemented
}

// DenySetgroups forbids setgroups(2) in the namespace, one more file of
// /proc/PID.
//
// Why is that the price? A file may be readable by everybody but one group.
// Whoever could leave that group at will would read it. See user_namespaces(7).
//
// Pitfall: there is a moment after which it is too late.
func (namespaces) DenySetgroups(pid int) error {
	return contract.ErrNotImplemented
}

// DropCapabilities leaves the calling thread at most the capabilities of keep.
//
// There are five sets, and capabilities(7) has a formula for what they become
// at the next execve(2). Look at it as root would: which set would give all the
// others back? See capget(2), prctl(2) under PR_CAPBSET_DROP.
//
// Pitfalls: one of the drops needs a capability that another would take away.
// There are more than thirty-two capabilities, and the structure has
// thirty-two bits. How many your kernel knows, it tells you itself.
func (namespaces) DropCapabilities(keep uint64) error {
	return contract.ErrNotImplemented
}

// DemonstrateUserNamespace shows a reader somebody who is root in there and
// nobody special out here.
func (namespaces) DemonstrateUserNamespace(w io.Writer) error {
	return contract.ErrNotImplemented
}
