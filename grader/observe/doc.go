// Package observe reads what the kernel shows of a box into evidence: /proc,
// mountinfo, netlink and nsfs, always from outside.
//
// It runs in the agent, beside the box and never in it, and takes nothing on
// trust: a process may die while it is read, be recycled under its pid, be
// chrooted, or leave traps in the paths we look at. What cannot be read is left
// empty; what is read is bounded.
//
// The package owns the reading only. It must not know scenarios, faults or what
// would be right: it holds no opinion.
package observe
