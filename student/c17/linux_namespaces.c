/*
 * Yours: write a small container runtime here.
 *
 * Where you are. Truman Burbank has lived all his life in Seahaven. He believes
 * that he is the first of his kind (a PID namespace), that the sea is all there
 * is (a network namespace), that the horizon is far away (a mount namespace: it
 * is painted on a wall), and that he is who his papers say (a user namespace).
 * You are Christof. Build him his world, out of what Linux gives to everybody.
 *
 * How to work. Every function below answers "not implemented". Replace them one
 * after the other; what is not written yet costs you its own rows and no others.
 * You may delete those that you do not want to write yet. To try by yourself:
 *
 *     gcc -Wall -Wextra -Werror -std=c17 linux_namespaces.c test_main.c -o container_demo
 *     sudo ./container_demo
 *
 * and to be graded, as often as you like and without root:
 *
 *     make grade STUDENT=./student/c17
 *
 * What the kernel shows of your work is what counts. Nobody compares your text,
 * or how you wrote it.
 *
 * What is the same for every function:
 *   - 0 is success, -1 is failure with errno set. Whatever you call between the
 *     failure and your return may change errno: keep it.
 *   - NULL, an empty name, a negative number are EINVAL, and never a crash.
 *   - Check every call. Those who did not check clone(2) have waited for a child
 *     that never was.
 *   - Leave nothing behind, least of all when a step fails: no zombie, no
 *     descriptor, no mount, no interface, no file, no memory. The grader counts
 *     before and after, over dozens of calls.
 *   - Leave your caller where he was, in all his namespaces. A child can go
 *     where you do not want to.
 *
 * Read namespaces(7), pid_namespaces(7), network_namespaces(7),
 * mount_namespaces(7), user_namespaces(7), clone(2), unshare(2), setns(2),
 * capabilities(7). Running unshare, nsenter, `ip netns add` or docker instead of
 * doing the work earns nothing.
 */
#define _GNU_SOURCE
#include "linux_namespaces.h"

#include <errno.h>
#include <sched.h>

static int not_implemented(void)
{
	errno = ENOSYS;
	return -1;
}

/* ---- Namespaces in general ---------------------------------------------- */

/* The table to print. Which flag belongs to which name is in namespaces(7); and
 * which one came first explains an odd name. */
const NamespaceInfo namespace_types[NAMESPACE_COUNT] = {
	{"pid", CLONE_NEWPID, "/proc/self/ns/pid", "process ids"},
};

/* Lists the kinds of namespaces, and yours of each. Run `ls -l /proc/self/ns` in
 * a shell: what those links point to is what identifies a namespace. See
 * readlink(2), which does not end its text with a zero. */
int print_namespace_info(void) { return not_implemented(); }

/* ---- PID namespaces ----------------------------------------------------- */

/* Runs child_fn(arg) as PID 1 of a new PID namespace.
 *
 * clone(2) wants a stack for the child. Draw it: where does a stack of 1 MiB
 * begin, in which direction does it grow, and which end does clone want?
 *
 * Pitfalls:
 *   - One flag for each kind of namespace, and one that is no namespace at all
 *     and without which waitpid(2) finds no child.
 *   - Wait for your child. A waitpid(-1) takes the first that ends, and that may
 *     be somebody else's.
 *   - A wait status is not an exit status. What is the answer when the child was
 *     killed?
 *   - Who frees the stack, on every path? When may he? Does the child, in its
 *     own copy of memory, care? */
int create_pid_namespace(int (*child_fn)(void *), void *arg)
{
	(void)child_fn;
	(void)arg;
	return not_implemented();
}

/* Is the caller PID 1 of its PID namespace? */
bool is_container_init(void) { return false; }

/* Shows a reader one child with its two PIDs. What a child prints after a bare
 * clone is lost if it stays in a buffer: see dprintf(3), fflush(3). */
int demonstrate_pid_isolation(void) { return not_implemented(); }

/* ---- Network namespaces ------------------------------------------------- */

/* Makes a network namespace that has a name and outlives its maker. A namespace
 * ends with its last process, unless something else refers to it: a mount of its
 * file does. `strace ip netns add x` shows how.
 *
 * Pitfalls:
 *   - A name becomes part of a path. "../../etc/passwd" is not a name.
 *   - That a name is free must not be checked before, but by the very call that
 *     creates the file: see O_EXCL in open(2).
 *   - Your caller must still be in his own namespace afterwards.
 *   - A step that fails leaves no file. */
int create_network_namespace(const char *name)
{
	(void)name;
	return not_implemented();
}

/* Makes two interfaces, each of which receives what the other sends. This is a
 * message to the kernel: rtnetlink(7), RTM_NEWLINK, attributes in attributes,
 * whose names are in <linux/if_link.h> and <linux/veth.h>.
 *
 * Pitfalls: IFNAMSIZ counts the zero at the end. The kernel has its own ideas
 * about '%' in a name. Its answer is a message too, and may say no. */
int create_veth_pair(const char *a, const char *b)
{
	(void)a;
	(void)b;
	return not_implemented();
}

/* Moves an interface of ours. The kernel wants to know where by a descriptor, and
 * you have a name: see ip-link(8) under netns, and IFLA_NET_NS_FD in
 * <linux/if_link.h>. An interface that moves loses its addresses and goes down. */
int move_interface_to_netns(const char *iface, const char *netns)
{
	(void)iface;
	(void)netns;
	return not_implemented();
}

/* Gives an interface an IPv4 address: RTM_NEWADDR. Check the address and the
 * length of its prefix before you change anything. */
int configure_interface(const char *iface, const char *ip, int prefix_len)
{
	(void)iface;
	(void)ip;
	(void)prefix_len;
	return not_implemented();
}

/* Sets IFF_UP, and only that. See netdevice(7). */
int interface_up(const char *iface)
{
	(void)iface;
	return not_implemented();
}

/* All of the above: the secret bridge. If a step fails the pair goes; how many
 * ends do you have to delete? And who raises lo inside? */
int setup_container_network(NetNamespaceContext *ctx)
{
	(void)ctx;
	return not_implemented();
}

/* Runs argv in the namespace and answers as create_pid_namespace does. argv is a
 * vector, never a line for a shell. See setns(2): the exit door. */
int exec_in_netns(const char *netns, char *const argv[])
{
	(void)netns;
	(void)argv;
	return not_implemented();
}

int demonstrate_network_isolation(void) { return not_implemented(); }

/* ---- Mount namespaces --------------------------------------------------- */

/* Moves the caller (this time it is him) into a mount namespace of his own. A new
 * one starts as a copy of shared mounts, so one thing comes before the first
 * mount. A caller whose namespace was not finished should not be left in it. */
int setup_mount_namespace(MountNamespaceContext *ctx)
{
	(void)ctx;
	return not_implemented();
}

/* These four are one system call with different flags; see mount(2), "changing
 * the propagation type". The mounts below are to follow. Propagation belongs to a
 * mount, not to a folder: hand the kernel's answer on. */
int make_mount_private(const char *path)
{
	(void)path;
	return not_implemented();
}

int make_mount_shared(const char *path)
{
	(void)path;
	return not_implemented();
}

int make_mount_slave(const char *path)
{
	(void)path;
	return not_implemented();
}

int make_mount_unbindable(const char *path)
{
	(void)path;
	return not_implemented();
}

/* Makes new_root the root. The C library has no function for it: syscall(2). The
 * conditions are in pivot_root(2), most of which are an EINVAL that says nothing.
 *
 * Pitfalls:
 *   - new_root has to be a mount point. How does a folder become one?
 *   - After the call, all paths mean something else. Where is put_old now?
 *   - As long as your working directory is out there, so are you.
 *   - The old root is busy: see the flags of umount2(2). */
int pivot_root_setup(const char *new_root, const char *put_old)
{
	(void)new_root;
	(void)put_old;
	return not_implemented();
}

/* Which processes a proc shows is decided by who mounts it. */
int mount_proc(const char *target)
{
	(void)target;
	return not_implemented();
}

int mount_sysfs(const char *target)
{
	(void)target;
	return not_implemented();
}

/* A devtmpfs sounds right. There is only one in the whole system, and in it are
 * the host's disks. */
int mount_devfs(const char *target)
{
	(void)target;
	return not_implemented();
}

/* A device is a name for two numbers: `ls -l /dev/null` shows them. See mknod(2),
 * makedev(3). mknod heeds the umask; and in a user namespace it is refused, while
 * the host's device exists: how does one file show up in two places? */
int create_devices(const char *rootfs)
{
	(void)rootfs;
	return not_implemented();
}

int demonstrate_mount_propagation(void) { return not_implemented(); }

/* ---- User namespaces ---------------------------------------------------- */

/* Writes text to /proc/PID/uid_map: "inside outside count". The kernel takes it
 * in one write(2), once. What write answers counts. */
int write_uid_map(pid_t pid, const char *text)
{
	(void)pid;
	(void)text;
	return not_implemented();
}

/* As above, for groups. Why does an ordinary user get EPERM here and not above?
 * user_namespaces(7) tells a story about it. */
int write_gid_map(pid_t pid, const char *text)
{
	(void)pid;
	(void)text;
	return not_implemented();
}

int setup_uid_map(pid_t pid, int inside, int outside, int count)
{
	(void)pid;
	(void)inside;
	(void)outside;
	(void)count;
	return not_implemented();
}

int setup_gid_map(pid_t pid, int inside, int outside, int count)
{
	(void)pid;
	(void)inside;
	(void)outside;
	(void)count;
	return not_implemented();
}

int deny_setgroups(pid_t pid)
{
	(void)pid;
	return not_implemented();
}

/* Five sets have to shrink: capabilities(7). One of them needs a capability to be
 * made smaller, so in which order? */
int drop_capabilities(uint64_t keep_mask)
{
	(void)keep_mask;
	return not_implemented();
}

int demonstrate_user_namespace(void) { return not_implemented(); }

/* ---- Containers --------------------------------------------------------- */

/* Fills the unset fields: a hostname, the default flags, PID -1. */
int container_init(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* Starts the container and returns when its first process was let go.
 *
 * Why a pipe? The child runs at once. Before its maps are written it is nobody,
 * and before its network is there it has none. So it has to wait until you say
 * so.
 *
 * Pitfalls:
 *   - After clone both ends are open on both sides. Who has to close what, so
 *     that a child whose parent dies does not wait for ever?
 *   - The end of the pipe can mean "go" or "your parent is dead". How will the
 *     child tell?
 *   - The order of the three files of a user namespace.
 *   - When anything fails there is a child that waits: it has to go, and to be
 *     reaped. */
int container_create(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* Makes sure that the container runs. Twice is not two containers. */
int container_start(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* Waits for the container and keeps in status how it ended. The second wait must
 * come back too. */
int container_wait(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* Ends the container and all that is in it: kindly, then not. Send PID 1 of a
 * namespace a SIGTERM and see: nothing. There is one signal that it cannot
 * ignore. */
int container_stop(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* The child's side: wait, hostname, mounts, root, exec. A container whose root
 * could not be prepared must not run its command: it would run in the host's.
 * Your command must find none of your descriptors: see FD_CLOEXEC. */
int container_entry(void *arg)
{
	(void)arg;
	return 125;
}

int container_print_status(const ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* Gives everything back, in whatever state the container is; also twice. */
int container_cleanup(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}

/* ---- The bonus ---------------------------------------------------------- */

/* Lets the calls in allowed through and no others. A filter is a small program
 * for a small machine: seccomp(2) has an example. What is the first thing that it
 * should look at, before the number? And what must be promised before an ordinary
 * user may install it? */
int setup_seccomp_filter(const int *allowed, size_t count)
{
	(void)allowed;
	(void)count;
	return not_implemented();
}

/* The filter belongs inside: after the release, before the exec. */
int container_create_secure(ContainerConfig *config)
{
	(void)config;
	return not_implemented();
}
