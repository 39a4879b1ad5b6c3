// Package fault makes chosen system calls of a box fail or wait, and writes
// down which calls were made.
//
// A seccomp filter hands some system calls of the driver and of everything it
// starts to a supervisor that lives outside the box. The supervisor matches
// them by effect, on every road to it: a new PID namespace is the same whether
// it comes by clone's flags, by clone3's struct or by unshare. It lets the call
// go on, fails it with an errno, or holds it. Where the grader is real root it
// also makes, in the caller's stead, the two calls that a right solution makes
// and that the kernel refuses for no reason but our user namespace.
//
// The filter, a [Program], goes in by a helper inside the box and just before
// the execve of the driver; the listener travels to the supervisor, which is
// started with [Supervise]. The helper must close its own copy before that
// execve: whoever holds a copy keeps waiting calls alive, so a driver holding
// one would hang, not fail, if the supervisor died.
//
// What only an argument register says (flags of clone, of open, numbers) is
// certain. What lies in the caller's memory (paths, argv, structs) can be
// changed by another of its threads after it was read: such text explains, it
// proves nothing. A granted call is made with the supervisor's own copy of its
// arguments and does not have that gap.
//
// The package knows scenarios and evidence. It does not know what a step is,
// nor what is expected of anybody.
package fault
