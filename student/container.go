package student

import (
	"io"

	"moulinette/grader/contract"
)

// ContainerInit fills the unset fields of a configuration with what the contract
// says. What is set stays.
func (namespaces) ContainerInit(cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}

// ContainerCreate starts the container and returns when its first process was
// let go.
//
// contract.EntryCommand prepares the child side: your own program, executed
// again, which calls your ContainerEntry. What it does not do is the point of
// the exercise: the flags, the pipe, the maps, the release.
//
// Why a pipe? The child runs at once. Before its maps are written it is nobody,
// and before its network is there it has none. So it has to wait until you say
// so. See pipe(2), ExtraFiles in os/exec.
//
// Pitfalls:
//   - Each end of the pipe is open on both sides until somebody closes it. Who
//     has to close what, and when, so that a child whose parent dies does not
//     wait for ever?
//   - The end of the pipe can mean "go" or "your parent is dead". How will the
//     child tell?
//   - In a new user namespace, execve(2) takes the capabilities of a process
//     whose user is not mapped yet. The comment of EntryCommand names the way
//     out.
//   - The order of the three files of a user namespace.
//   - When anything fails there is a child that waits: it has to go, and to be
//     reaped.
//   - Nobody may be waited for but your own child.
func (namespaces) ContainerCreate(cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}

// ContainerStart makes sure that the container runs.
//
// Pitfall: twice is not two containers.
func (namespaces) ContainerStart(cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}

// ContainerWait waits for the container, keeps how it ended, and returns its
// exit status.
//
// See wait(2): a wait status tells an exit from a signal, and has to be taken
// apart.
//
// Pitfall: the second wait for the same container must come back, with an error.
func (namespaces) ContainerWait(cfg *contract.ContainerConfig) (int, error) {
	return -1, contract.ErrNotImplemented
}

// ContainerStop ends the container and all that is in it: kindly, then not.
//
// PID 1 of a namespace is special. Send it a SIGTERM and see: nothing. There is
// one signal that it cannot ignore when it comes from outside, see
// pid_namespaces(7). What happens to the others when PID 1 ends is there too.
//
// Pitfalls: without a PID namespace nobody does that for you: kill(2) takes
// negative numbers. How long do you wait before you lose your patience, and what
// wakes you up? And do not kill a PID that you have reaped: it may be
// somebody else's by now.
func (namespaces) ContainerStop(cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}

// ContainerEntry is the child side: the first thing that runs in the container,
// and the last of your code that does.
//
// The contract lists the steps. If all goes well it never returns, for
// execve(2) replaces it.
//
// Pitfalls:
//   - Nothing happens before the release.
//   - A container whose root could not be prepared must not run its command:
//     it would run in the host's.
//   - sethostname(2) in a container without a UTS namespace renames the host.
//   - In a user namespace, proc can be mounted as long as there is another one
//     to be seen. When is the last moment?
//   - Your pivot may fail where your tests were fine: on a real machine, / is
//     shared.
//   - The command must not find any of your descriptors. See
//     close_range(2), or FD_CLOEXEC in fcntl(2).
func (namespaces) ContainerEntry(cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}

// ContainerPrintStatus writes a few lines about the container for a reader.
func (namespaces) ContainerPrintStatus(w io.Writer, cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}

// ContainerCleanup gives everything back, in whatever state the container is.
//
// Pitfall: it may be called twice, and after a creation that failed.
func (namespaces) ContainerCleanup(cfg *contract.ContainerConfig) error {
	return contract.ErrNotImplemented
}
