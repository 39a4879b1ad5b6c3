/*
 * The model answer in C17: every function of the header, the bonus included.
 * Read it after you have tried.
 *
 * The story runs like this: Truman believes that he is PID 1; Seahaven has a
 * network of its own; what is painted on the horizon stays on the horizon; the
 * horizon is a wall, and the door in it closes behind you; the identity he was
 * given is a line in a file; Christof creates, waits, stops and cleans up; and
 * there are words that Truman must never hear.
 *
 * Two habits run through all of it. What was half done when a step failed is
 * undone, with errno kept. And whatever has to visit another namespace is done
 * by a child (see errand): there is no way back that could fail, and the caller
 * never moves.
 */
#define _GNU_SOURCE
#include "linux_namespaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALL_NAMESPACES                                                                                       \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define DEFAULT_NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

/* Exit statuses of a container whose command did not run, as shells use them. */
enum { SETUP_FAILED = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

/* How a pseudo-filesystem is mounted: nobody becomes root by it, finds a device
 * in it, or runs anything from it. */
#define NO_SURPRISES (MS_NOSUID | MS_NODEV | MS_NOEXEC)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Errors and files --------------------------------------------------- */

static int fail(int error)
{
	errno = error;
	return -1;
}

static void close_quietly(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
}

/* Joins two parts of a path. */
static int join(char *out, const char *a, const char *b)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", a, b);
	return n < 0 || n >= PATH_MAX ? fail(ENAMETOOLONG) : 0;
}

/* Makes sure that path is a folder, its parents too, and says whether it was
 * missing. */
static int make_folder(const char *path, bool *made)
{
	char part[PATH_MAX];
	struct stat st;
	*made = false;
	if (path == NULL || path[0] == '\0')
		return fail(EINVAL);
	if (strlen(path) >= sizeof part)
		return fail(ENAMETOOLONG);
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : fail(ENOTDIR);
	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	*made = true;
	return 0;
}

/* Removes what a failed step has made, and keeps the reason of the failure. */
static void unmake(const char *path, bool made)
{
	int saved = errno;
	if (made)
		rmdir(path);
	errno = saved;
}

/* Writes text in a single write(2): the kernel takes a map as a whole. */
static int write_file(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t written = write(fd, text, length);
	close_quietly(fd);
	if (written < 0)
		return -1;
	return (size_t)written == length ? 0 : fail(EIO);
}

/* ---- Processes ---------------------------------------------------------- */

/* Runs fn(arg) in a child. The stack is handed over by its top, since it grows
 * downwards. Without CLONE_VM the child has a copy of all memory, the stack
 * included: ours can go at once, whatever became of the call. */
static pid_t spawn(int (*fn)(void *), int flags, void *arg)
{
	char *stack = mmap(NULL, CONTAINER_STACK_SIZE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -1;
	pid_t pid = clone(fn, stack + CONTAINER_STACK_SIZE, flags | SIGCHLD, arg);
	int saved = errno;
	munmap(stack, CONTAINER_STACK_SIZE);
	errno = saved;
	return pid;
}

/* Waits for this very child: a waitpid(-1) would take the first that ends,
 * whoever waits for it. */
static int await(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

/* Runs fn(arg) in a child that answers 0 or an errno. */
static int errand(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = spawn(fn, 0, arg);
	if (pid < 0 || await(pid, &status) < 0)
		return -1;
	if (!WIFEXITED(status))
		return fail(ECANCELED);
	return WEXITSTATUS(status) == 0 ? 0 : fail(WEXITSTATUS(status));
}

/* What an errand answers after a call. */
static int outcome(int result) { return result < 0 ? errno : 0; }

/* ---- Namespaces in general ---------------------------------------------- */

const NamespaceInfo namespace_types[NAMESPACE_COUNT] = {
	{"mnt", CLONE_NEWNS, "/proc/self/ns/mnt", "mount points"},
	{"uts", CLONE_NEWUTS, "/proc/self/ns/uts", "hostname and NIS domain name"},
	{"ipc", CLONE_NEWIPC, "/proc/self/ns/ipc", "System V IPC and POSIX message queues"},
	{"pid", CLONE_NEWPID, "/proc/self/ns/pid", "process ids"},
	{"net", CLONE_NEWNET, "/proc/self/ns/net", "network devices, addresses, routes, ports"},
	{"user", CLONE_NEWUSER, "/proc/self/ns/user", "user and group ids, capabilities"},
	{"cgroup", CLONE_NEWCGROUP, "/proc/self/ns/cgroup", "root of the cgroup tree"},
};

/* The link's target, like pid:[4026531836], is the namespace's identity: two
 * processes share a namespace if and only if it is the same. */
int print_namespace_info(void)
{
	char identity[64];
	printf("%-7s %-10s %-20s %s\n", "NAME", "FLAG", "IDENTITY", "ISOLATES");
	for (size_t i = 0; i < COUNT(namespace_types); i++) {
		const NamespaceInfo *kind = &namespace_types[i];
		ssize_t n = readlink(kind->proc_path, identity, sizeof identity - 1);
		if (n < 0)
			return -1;
		identity[n] = '\0';
		printf("%-7s 0x%08x %-20s %s\n", kind->name, (unsigned)kind->flag, identity, kind->description);
	}
	return 0;
}

/* ---- PID namespaces ----------------------------------------------------- */

int create_pid_namespace(int (*child_fn)(void *), void *arg)
{
	int status;
	if (child_fn == NULL)
		return fail(EINVAL);
	pid_t pid = spawn(child_fn, CLONE_NEWPID, arg);
	if (pid < 0 || await(pid, &status) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : fail(ECANCELED);
}

bool is_container_init(void) { return getpid() == 1; }

static int tell_pids(void *arg)
{
	(void)arg;
	dprintf(STDOUT_FILENO, "In Seahaven Truman is PID %d, and his parent is PID %d: there is nobody outside.\n",
	        (int)getpid(), (int)getppid());
	return 42;
}

int demonstrate_pid_isolation(void)
{
	printf("Good morning! Out here Christof is PID %d.\n", (int)getpid());
	fflush(stdout);
	int status = create_pid_namespace(tell_pids, NULL);
	if (status < 0)
		return -1;
	printf("He left with status %d.\n", status);
	return status == 42 ? 0 : fail(EPROTO);
}

/* ---- Mounts and their propagation --------------------------------------- */

/* Makes source appear at target too, with all that is mounted below. Without
 * MS_REC the kernel refuses to copy a tree that a user namespace may not look
 * behind. */
static int bind_mount(const char *source, const char *target)
{
	return mount(source, target, NULL, MS_BIND | MS_REC, NULL);
}

/* The kernel answers EINVAL where nothing is mounted: propagation belongs to a
 * mount, not to a folder. */
static int propagate(const char *path, unsigned long flag)
{
	if (path == NULL)
		return fail(EINVAL);
	return mount(NULL, path, NULL, flag | MS_REC, NULL);
}

int make_mount_private(const char *path) { return propagate(path, MS_PRIVATE); }
int make_mount_shared(const char *path) { return propagate(path, MS_SHARED); }
int make_mount_slave(const char *path) { return propagate(path, MS_SLAVE); }
int make_mount_unbindable(const char *path) { return propagate(path, MS_UNBINDABLE); }

/* Comes before the first mount in a new mount namespace, whose mounts are still
 * peers of those they were copied from: nothing that is mounted here must appear
 * out there. */
static int isolate_mounts(MountPropagation wanted)
{
	return wanted == SLAVE ? make_mount_slave("/") : make_mount_private("/");
}

/* Comes after the last mount. Shared then means shared with the namespaces that
 * will be copied from this one; and unbindable could not have come sooner. */
static int settle_mounts(MountPropagation wanted)
{
	switch (wanted) {
	case SHARED:
		return make_mount_shared("/");
	case UNBINDABLE:
		return make_mount_unbindable("/");
	default:
		return 0;
	}
}

/* ---- Bind mounts -------------------------------------------------------- */

/* Cuts "source:target" in two. The target is absolute. */
static int parse_bind(const char *text, char *source, char *target)
{
	const char *colon = text == NULL ? NULL : strchr(text, ':');
	if (colon == NULL || colon == text || colon[1] != '/' || strchr(colon + 1, ':') != NULL)
		return fail(EINVAL);
	if (strlen(text) >= PATH_MAX)
		return fail(ENAMETOOLONG);
	memcpy(source, text, (size_t)(colon - text));
	source[colon - text] = '\0';
	strcpy(target, colon + 1);
	return 0;
}

/* Opens path below root, whatever links say: one that leads out is refused. */
static int open_below(int root, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Makes path, whose folder exists, below root: a folder, or an empty file. */
static int make_below(int root, char *path, bool folder)
{
	char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	if (slash != NULL)
		*slash = '\0';
	int parent = open_below(root, slash == NULL ? "." : path);
	if (slash != NULL)
		*slash = '/';
	if (parent < 0)
		return -1;
	int result = folder ? mkdirat(parent, name, 0755)
	                    : openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	close_quietly(parent);
	if (!folder && result >= 0)
		close_quietly(result);
	return result < 0 ? -1 : 0;
}

/* Opens path below root, and makes what is missing of it: folders, and at its
 * end what the source is. */
static int open_target(int root, const char *path, bool folder)
{
	char part[PATH_MAX];
	path += strspn(path, "/");
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	for (size_t i = 1; i <= length; i++) {
		if (i < length && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		int fd = open_below(root, part);
		if (fd < 0 && errno == ENOENT && make_below(root, part, folder || i < length) == 0)
			fd = open_below(root, part);
		if (fd < 0 || i == length)
			return fd;
		close(fd);
	}
	return open_below(root, ".");
}

/* Binds source to target inside rootfs. The target's descriptor stands for its
 * path: nobody can put a link there between the look and the mount. */
static int bind_inside(const char *source, const char *rootfs, const char *target)
{
	char path[64];
	struct stat st;
	if (stat(source, &st) < 0)
		return -1;
	int root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	int fd = open_target(root, target, S_ISDIR(st.st_mode));
	close_quietly(root);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int result = bind_mount(source, path);
	close_quietly(fd);
	return result;
}

/* Checks the bind mounts, or makes them, inside rootfs if there is one. */
static int walk_binds(const char *const *binds, const char *rootfs, bool make)
{
	char source[PATH_MAX], target[PATH_MAX];
	for (; binds != NULL && *binds != NULL; binds++) {
		if (parse_bind(*binds, source, target) < 0)
			return -1;
		if (make && (rootfs != NULL ? bind_inside(source, rootfs, target) : bind_mount(source, target)) < 0)
			return -1;
	}
	return 0;
}

/* Refuses a bad context before anything has been mounted. */
static int check_mounts(const MountNamespaceContext *ctx)
{
	if (ctx == NULL || (int)ctx->propagation < PRIVATE || ctx->propagation > UNBINDABLE)
		return fail(EINVAL);
	return walk_binds(ctx->bind_mounts, NULL, false);
}

/* An empty text says as little as none. */
static const char *unless_empty(const char *text) { return text == NULL || text[0] == '\0' ? NULL : text; }

static int arrange_mounts(const MountNamespaceContext *ctx)
{
	if (isolate_mounts(ctx->propagation) < 0)
		return -1;
	if (walk_binds(ctx->bind_mounts, unless_empty(ctx->rootfs), true) < 0)
		return -1;
	return settle_mounts(ctx->propagation);
}

/* Goes back to a mount namespace. setns(2) leaves us at its root, so the working
 * directory has to be restored by hand. */
static void go_home(int ns, int cwd)
{
	int saved = errno;
	if (setns(ns, CLONE_NEWNS) == 0 && fchdir(cwd) < 0)
		saved = errno;
	errno = saved;
}

/* This one is to move the caller, so no child can do it. */
int setup_mount_namespace(MountNamespaceContext *ctx)
{
	if (check_mounts(ctx) < 0)
		return -1;
	int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return -1;
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result = cwd < 0 ? -1 : unshare(CLONE_NEWNS);
	if (result == 0) {
		result = arrange_mounts(ctx);
		if (result < 0)
			go_home(ns, cwd);
	}
	if (cwd >= 0)
		close_quietly(cwd);
	close_quietly(ns);
	return result;
}

/* ---- Filesystems -------------------------------------------------------- */

static int mount_filesystem(const char *kind, const char *target, unsigned long flags, const char *data)
{
	bool made;
	if (make_folder(target, &made) < 0)
		return -1;
	if (mount(kind, target, kind, flags, data) == 0)
		return 0;
	unmake(target, made);
	return -1;
}

int mount_proc(const char *target) { return mount_filesystem("proc", target, NO_SURPRISES, NULL); }
int mount_sysfs(const char *target) { return mount_filesystem("sysfs", target, NO_SURPRISES, NULL); }

/* A devtmpfs would not do: there is one in the whole system, and it shows the
 * host's devices. */
int mount_devfs(const char *target) { return mount_filesystem("tmpfs", target, MS_NOSUID, "mode=0755"); }

/* ---- Devices ------------------------------------------------------------ */

static const struct device {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

/* The links to each process's own descriptors 0, 1 and 2. */
static const char *const streams[] = {"stdin", "stdout", "stderr"};

/* Tells whether path is this device, and not just something of its name. */
static bool is_device(const char *path, const struct device *d)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(d->major, d->minor);
}

/* Shows the host's device at path. */
static int bind_device(const char *path, const struct device *d, bool *made)
{
	char source[64];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	close(fd);
	*made = true;
	snprintf(source, sizeof source, "/dev/%s", d->name);
	return bind_mount(source, path);
}

/* A user namespace makes no device. But the host has this one, and to show it
 * here as well takes no more than a file to cover. */
static int make_device(const char *path, const struct device *d, bool *made)
{
	*made = mknod(path, S_IFCHR | 0666, makedev(d->major, d->minor)) == 0;
	if (*made)
		return chmod(path, 0666); /* mknod(2) heeds the umask */
	int error = errno;
	if (is_device(path, d))
		return 0;
	return error == EPERM ? bind_device(path, d, made) : fail(error);
}

/* Makes the link of a stream, unless the very same is there already. */
static int make_stream(const char *path, size_t fd, bool *made)
{
	char target[32], existing[32];
	snprintf(target, sizeof target, "/proc/self/fd/%zu", fd);
	*made = symlink(target, path) == 0;
	if (*made || errno != EEXIST)
		return *made ? 0 : -1;
	ssize_t n = readlink(path, existing, sizeof existing);
	return n == (ssize_t)strlen(target) && memcmp(existing, target, (size_t)n) == 0 ? 0 : fail(EEXIST);
}

/* Takes away what was made: the mount, where there is one, then the node. */
static void remove_made(const char *folder, const bool *made)
{
	int saved = errno;
	char path[PATH_MAX];
	for (size_t i = 0; i < COUNT(devices) + COUNT(streams); i++) {
		const char *name = i < COUNT(devices) ? devices[i].name : streams[i - COUNT(devices)];
		if (!made[i] || join(path, folder, name) < 0)
			continue;
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		unlink(path);
	}
	errno = saved;
}

static int fill_dev(const char *folder, bool *made)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < COUNT(devices); i++)
		if (join(path, folder, devices[i].name) < 0 || make_device(path, &devices[i], &made[i]) < 0)
			return -1;
	for (size_t i = 0; i < COUNT(streams); i++)
		if (join(path, folder, streams[i]) < 0 || make_stream(path, i, &made[COUNT(devices) + i]) < 0)
			return -1;
	return 0;
}

int create_devices(const char *rootfs)
{
	char folder[PATH_MAX];
	bool folder_made, made[COUNT(devices) + COUNT(streams)] = {false};
	if (unless_empty(rootfs) == NULL)
		return fail(EINVAL);
	if (join(folder, rootfs, "dev") < 0 || make_folder(folder, &folder_made) < 0)
		return -1;
	if (fill_dev(folder, made) == 0)
		return 0;
	remove_made(folder, made);
	unmake(folder, folder_made);
	return -1;
}

/* ---- The way through the wall ------------------------------------------- */

/* Leaves a path without empty and "." components. ".." is refused: what it means
 * depends on links. */
static int tidy(const char *path, char *out)
{
	size_t used = 0;
	bool absolute = path[0] == '/';
	if (strlen(path) >= PATH_MAX)
		return fail(ENAMETOOLONG);
	while (*path != '\0') {
		size_t length = strcspn(path, "/");
		if (length == 2 && memcmp(path, "..", 2) == 0)
			return fail(EINVAL);
		if (length > 0 && !(length == 1 && path[0] == '.')) {
			if (used > 0 || absolute)
				out[used++] = '/';
			memcpy(out + used, path, length);
			used += length;
		}
		path += length;
		path += *path == '/';
	}
	out[used] = '\0';
	return 0;
}

/* Says where put_old lies as seen from new_root: it is given in full, or as seen
 * from there already. */
static int path_below(const char *new_root, const char *put_old, char *inner)
{
	char root[PATH_MAX], old[PATH_MAX];
	if (unless_empty(new_root) == NULL || unless_empty(put_old) == NULL)
		return fail(EINVAL);
	if (tidy(put_old, old) < 0)
		return -1;
	const char *rest = old[0] == '/' ? NULL : old;
	if (tidy(new_root, root) == 0 && root[0] != '\0' && strncmp(old, root, strlen(root)) == 0 &&
	    (old[strlen(root)] == '/' || old[strlen(root)] == '\0'))
		rest = old + strlen(root) + (old[strlen(root)] == '/');
	if (rest == NULL || rest[0] == '\0')
		return fail(EINVAL);
	memmove(inner, rest, strlen(rest) + 1);
	return 0;
}

/* Turns new_root into "/", and puts the old root on put_old, a folder of it. As
 * long as it fails, nothing has happened. */
static int pivot(const char *new_root, const char *put_old)
{
	bool made;
	if (bind_mount(new_root, new_root) < 0) /* pivot_root(2) exchanges mounts */
		return -1;
	if (make_folder(put_old, &made) == 0) {
		if (syscall(SYS_pivot_root, new_root, put_old) == 0)
			return 0;
		unmake(put_old, made);
	}
	int saved = errno;
	umount2(new_root, MNT_DETACH);
	return fail(saved);
}

/* Closes the door: the working directory is the last way back to the old root,
 * and a lazy unmount takes it off with everything below. */
static int drop_old_root(const char *old_root)
{
	if (chdir("/") < 0 || umount2(old_root, MNT_DETACH) < 0)
		return -1;
	return rmdir(old_root);
}

int pivot_root_setup(const char *new_root, const char *put_old)
{
	char root[PATH_MAX], inner[PATH_MAX], old[PATH_MAX];
	if (path_below(new_root, put_old, inner) < 0)
		return -1;
	/* After the bind mount "." would still be the folder below it. */
	if (realpath(new_root, root) == NULL)
		return -1;
	if (strcmp(root, "/") == 0)
		return fail(EINVAL);
	if (join(old, root, inner) < 0 || pivot(root, old) < 0)
		return -1;
	return join(old, "", inner) < 0 ? -1 : drop_old_root(old);
}

/* ---- User namespaces ---------------------------------------------------- */

static int write_map(pid_t pid, const char *name, const char *text)
{
	char path[64];
	if (pid < 1 || text == NULL || text[strspn(text, " \t\n")] == '\0')
		return fail(EINVAL);
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return write_file(path, text);
}

static int setup_map(pid_t pid, const char *name, int inside, int outside, int count)
{
	char text[64];
	if (inside < 0 || outside < 0 || count < 1)
		return fail(EINVAL);
	snprintf(text, sizeof text, "%d %d %d", inside, outside, count);
	return write_map(pid, name, text);
}

int write_uid_map(pid_t pid, const char *text) { return write_map(pid, "uid_map", text); }
int write_gid_map(pid_t pid, const char *text) { return write_map(pid, "gid_map", text); }

int setup_uid_map(pid_t pid, int inside, int outside, int count)
{
	return setup_map(pid, "uid_map", inside, outside, count);
}

int setup_gid_map(pid_t pid, int inside, int outside, int count)
{
	return setup_map(pid, "gid_map", inside, outside, count);
}

/* A file that the group "guests" may not read would open to a guest who could
 * just leave that group: this is why an unprivileged gid_map has this price. */
int deny_setgroups(pid_t pid) { return write_map(pid, "setgroups", "deny"); }

/* Leaves at most keep in the bounding set, from which the next execve(2) of user
 * 0 would fill the others. Nothing is asked of the kernel for a capability that
 * is gone, so an unprivileged caller may drop what it has not got. */
static int restrict_bounding(uint64_t keep)
{
	for (int c = 0; c < 64; c++) {
		int present = prctl(PR_CAPBSET_READ, c, 0, 0, 0);
		if (present < 0)
			break; /* the kernel knows no more */
		if (present && !(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -1;
	}
	return 0;
}

/* The bounding set goes first, while CAP_SETPCAP is there to do it. The kernel
 * takes from the ambient set what leaves another, so capset(2) empties four. */
int drop_capabilities(uint64_t keep_mask)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];
	if (restrict_bounding(keep_mask) < 0 || syscall(SYS_capget, &head, halves) < 0)
		return -1;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t keep = (uint32_t)(keep_mask >> (32 * i));
		halves[i].effective &= keep;
		halves[i].permitted &= keep;
		halves[i].inheritable &= keep;
	}
	return (int)syscall(SYS_capset, &head, halves);
}

/* ---- Netlink ------------------------------------------------------------ */

/* A message to the kernel's network stack; see rtnetlink(7). */
struct message {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	} body;
	char attributes[256];
};

static void message_init(struct message *m, int type, int flags, size_t body)
{
	memset(m, 0, sizeof *m);
	m->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	m->head.nlmsg_type = (uint16_t)type;
	m->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

/* Appends an attribute. Those that are used here all fit: names are checked, the
 * rest has a fixed size. */
static struct rtattr *message_add(struct message *m, int type, const void *data, size_t length)
{
	struct rtattr *a = (struct rtattr *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));
	a->rta_type = (uint16_t)type;
	a->rta_len = (uint16_t)RTA_LENGTH(length);
	if (length > 0)
		memcpy(RTA_DATA(a), data, length);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
	return a;
}

/* Ends an attribute that holds all those appended after it. */
static void message_close(struct message *m, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((char *)m + m->head.nlmsg_len - (char *)nest);
}

/* Receives the kernel's answer to the one message that was sent: an errno. */
static int netlink_answer(int fd)
{
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} answer;
	ssize_t n;
	do
		n = recv(fd, &answer, sizeof answer, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if ((size_t)n < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || answer.head.nlmsg_type != NLMSG_ERROR)
		return fail(EPROTO);
	int error = -((struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
	return error == 0 ? 0 : fail(error);
}

/* Sends the message and waits until it is done. A socket belongs to the network
 * namespace that it is opened in. */
static int message_send(struct message *m)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -1;
	int result = -1;
	if (sendto(fd, m, m->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0)
		result = netlink_answer(fd);
	close_quietly(fd);
	return result;
}

/* ---- Interfaces --------------------------------------------------------- */

/* Refuses what the kernel does not take for a name, and '%', of which it would
 * make a number: veth%d becomes veth0. */
static int check_interface(const char *name)
{
	if (unless_empty(name) == NULL || strlen(name) >= IFNAMSIZ || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0 || strpbrk(name, "/:% \t\n\v\f\r") != NULL)
		return fail(EINVAL);
	return 0;
}

/* The number of an interface of the caller's namespace, or -1. */
static int find_interface(const char *name)
{
	if (check_interface(name) < 0)
		return -1;
	unsigned index = if_nametoindex(name);
	return index == 0 ? -1 : (int)index;
}

int create_veth_pair(const char *a, const char *b)
{
	struct message m;
	struct ifinfomsg peer_link = {.ifi_family = AF_UNSPEC};
	if (check_interface(a) < 0 || check_interface(b) < 0)
		return -1;
	message_init(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof m.body.link);
	message_add(&m, IFLA_IFNAME, a, strlen(a) + 1);
	struct rtattr *info = message_add(&m, IFLA_LINKINFO, NULL, 0);
	message_add(&m, IFLA_INFO_KIND, "veth", sizeof "veth");
	struct rtattr *data = message_add(&m, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *peer = message_add(&m, VETH_INFO_PEER, &peer_link, sizeof peer_link);
	message_add(&m, IFLA_IFNAME, b, strlen(b) + 1);
	message_close(&m, peer);
	message_close(&m, data);
	message_close(&m, info);
	return message_send(&m);
}

/* Deleting one end of a pair deletes both, wherever the other is. */
static int remove_interface(int index)
{
	struct message m;
	message_init(&m, RTM_DELLINK, 0, sizeof m.body.link);
	m.body.link.ifi_index = index;
	return message_send(&m) == 0 || errno == ENODEV ? 0 : -1;
}

static int move_interface(const char *iface, int ns)
{
	struct message m;
	int index = find_interface(iface);
	if (index < 0)
		return -1;
	message_init(&m, RTM_NEWLINK, 0, sizeof m.body.link);
	m.body.link.ifi_index = index;
	message_add(&m, IFLA_NET_NS_FD, &ns, sizeof ns);
	return message_send(&m);
}

int configure_interface(const char *iface, const char *ip, int prefix_len)
{
	struct message m;
	struct in_addr address;
	if (ip == NULL || inet_pton(AF_INET, ip, &address) != 1 || prefix_len < 0 || prefix_len > 32)
		return fail(EINVAL);
	int index = find_interface(iface);
	if (index < 0)
		return -1;
	message_init(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof m.body.address);
	m.body.address.ifa_family = AF_INET;
	m.body.address.ifa_prefixlen = (uint8_t)prefix_len;
	m.body.address.ifa_index = (uint32_t)index;
	message_add(&m, IFA_LOCAL, &address, sizeof address);
	message_add(&m, IFA_ADDRESS, &address, sizeof address);
	return message_send(&m);
}

int interface_up(const char *iface)
{
	struct message m;
	int index = find_interface(iface);
	if (index < 0)
		return -1;
	message_init(&m, RTM_NEWLINK, 0, sizeof m.body.link);
	m.body.link.ifi_index = index;
	m.body.link.ifi_flags = m.body.link.ifi_change = IFF_UP;
	return message_send(&m);
}

/* ---- Network namespaces ------------------------------------------------- */

/* Says where name is pinned, if it is one component of a path. */
static int netns_path(const char *name, char *path)
{
	if (unless_empty(name) == NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strchr(name, '/') != NULL || strlen(name) > NAME_MAX)
		return fail(EINVAL);
	return join(path, NETNS_DIR, name);
}

static int open_netns(const char *name)
{
	char path[PATH_MAX];
	return netns_path(name, path) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

/* Creates the file that name stands for and has pin mount a namespace on it.
 * O_EXCL refuses a name that exists, were it only since a moment ago. */
static int pin_netns(const char *name, int (*pin)(const char *path, void *arg), void *arg)
{
	char path[PATH_MAX];
	bool made;
	if (netns_path(name, path) < 0 || make_folder(NETNS_DIR, &made) < 0)
		return -1;
	int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return -1;
	close(fd);
	if (pin(path, arg) == 0)
		return 0;
	int saved = errno;
	unlink(path);
	return fail(saved);
}

/* Gives up a name. The namespace lives on while a process is in it. */
static int unpin_netns(const char *name)
{
	char path[PATH_MAX];
	if (netns_path(name, path) < 0)
		return -1;
	if (umount2(path, MNT_DETACH) < 0)
		return errno == ENOENT ? 0 : -1; /* somebody's `ip netns del` */
	return unlink(path);
}

/* The errand that moves to a new network namespace and pins it. The mount shows
 * outside, for the mount namespace is still the caller's. */
static int pin_new(void *path)
{
	if (unshare(CLONE_NEWNET) < 0)
		return errno;
	return outcome(bind_mount("/proc/self/ns/net", path));
}

static int pin_by_errand(const char *path, void *arg)
{
	(void)arg;
	return errand(pin_new, (void *)path);
}

int create_network_namespace(const char *name) { return pin_netns(name, pin_by_errand, NULL); }

int move_interface_to_netns(const char *iface, const char *netns)
{
	int ns = open_netns(netns);
	if (ns < 0)
		return -1;
	int result = move_interface(iface, ns);
	close_quietly(ns);
	return result;
}

#define CONTAINER_PREFIX 24

/* Gives iface its address and raises it. */
static int plug(const char *iface, const char *ip)
{
	return configure_interface(iface, ip, CONTAINER_PREFIX) < 0 ? -1 : interface_up(iface);
}

/* Refuses a bad context before anything has been made. */
static int check_network(const NetNamespaceContext *ctx)
{
	struct in_addr address;
	if (ctx == NULL || ctx->ip_host == NULL || ctx->ip_container == NULL ||
	    inet_pton(AF_INET, ctx->ip_host, &address) != 1 || inet_pton(AF_INET, ctx->ip_container, &address) != 1)
		return fail(EINVAL);
	return check_interface(ctx->veth_host) < 0 ? -1 : check_interface(ctx->veth_container);
}

struct inside {
	const NetNamespaceContext *ctx;
	int ns;
};

/* The errand that goes inside and does there what remains. */
static int plug_inside(void *arg)
{
	struct inside *in = arg;
	if (setns(in->ns, CLONE_NEWNET) < 0 || plug(in->ctx->veth_container, in->ctx->ip_container) < 0)
		return errno;
	return outcome(interface_up("lo"));
}

/* Lays the cable between the caller's namespace and ns, and says which number
 * the near end has. */
static int connect_netns(const NetNamespaceContext *ctx, int ns)
{
	struct inside in = {ctx, ns};
	if (create_veth_pair(ctx->veth_host, ctx->veth_container) < 0)
		return -1;
	int index = find_interface(ctx->veth_host);
	if (index < 0)
		return -1;
	if (move_interface(ctx->veth_container, ns) == 0 && plug(ctx->veth_host, ctx->ip_host) == 0 &&
	    errand(plug_inside, &in) == 0)
		return index;
	int saved = errno;
	remove_interface(index);
	return fail(saved);
}

int setup_container_network(NetNamespaceContext *ctx)
{
	if (check_network(ctx) < 0)
		return -1;
	int ns = open_netns(ctx->name);
	if (ns < 0)
		return -1;
	int index = connect_netns(ctx, ns);
	close_quietly(ns);
	return index < 0 ? -1 : 0;
}

struct command {
	char *const *argv;
	int ns;
	int report; /* write end of a pipe that execve(2) closes */
};

/* Goes inside and executes. Why it could not is told over the pipe, for an exit
 * status would look like the command's. */
static int exec_inside(void *arg)
{
	struct command *c = arg;
	if (setns(c->ns, CLONE_NEWNET) == 0)
		execvp(c->argv[0], c->argv);
	int error = errno;
	return write(c->report, &error, sizeof error) == sizeof error ? NOT_FOUND : SETUP_FAILED;
}

/* Starts the command and waits for it. */
static int run_command(struct command *c)
{
	int pipe_ends[2], error = 0, status;
	if (pipe2(pipe_ends, O_CLOEXEC) < 0)
		return -1;
	c->report = pipe_ends[1];
	pid_t pid = spawn(exec_inside, 0, c);
	close_quietly(pipe_ends[1]);
	ssize_t reported = 0;
	while (pid > 0 && (reported = read(pipe_ends[0], &error, sizeof error)) < 0 && errno == EINTR)
		continue;
	close_quietly(pipe_ends[0]);
	if (pid < 0 || await(pid, &status) < 0)
		return -1;
	if (reported == sizeof error)
		return fail(error);
	return WIFEXITED(status) ? WEXITSTATUS(status) : fail(ECANCELED);
}

int exec_in_netns(const char *netns, char *const argv[])
{
	if (argv == NULL || unless_empty(argv[0]) == NULL)
		return fail(EINVAL);
	struct command c = {.argv = argv, .ns = open_netns(netns)};
	if (c.ns < 0)
		return -1;
	int status = run_command(&c);
	close_quietly(c.ns);
	return status;
}

/* ---- The bonus: seccomp ------------------------------------------------- */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "say which AUDIT_ARCH_ this machine has"
#endif

/* The system calls of the x32 ABI: a second set of numbers that the same machine
 * takes under the same architecture. */
#define X32_BIT 0x40000000

#define LOAD(field) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, value)
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)
#define SKIP_IF(how, value, yes, no) (struct sock_filter) BPF_JUMP(BPF_JMP | (how) | BPF_K, value, yes, no)

#define FILTER_HEAD 6

/* Assembles the filter. It reads: of another architecture, refuse; of the x32
 * ABI, refuse; one of these numbers, allow; refuse. The first test is what gives
 * the numbers their meaning. */
static int assemble(const int *allowed, size_t count, struct sock_filter *program)
{
	struct sock_filter head[FILTER_HEAD] = {
		LOAD(arch), SKIP_IF(BPF_JEQ, NATIVE_ARCH, 1, 0), REFUSE,
		LOAD(nr), SKIP_IF(BPF_JGE, X32_BIT, 0, 1), REFUSE,
	};
	memcpy(program, head, sizeof head);
	program += FILTER_HEAD;
	for (size_t i = 0; i < count; i++) {
		if (allowed[i] < 0 || allowed[i] >= X32_BIT)
			return fail(EINVAL);
		*program++ = SKIP_IF(BPF_JEQ, (uint32_t)allowed[i], 0, 1);
		*program++ = RETURN(SECCOMP_RET_ALLOW);
	}
	*program = REFUSE;
	return 0;
}

/* First the promise that no execve(2) will gain privileges. Without it an
 * ordinary user may not filter: a setuid program could be led astray. The kernel
 * logs what the filter refuses (see actions_logged in seccomp(2)). */
static int install(struct sock_filter *program, size_t length)
{
	struct sock_fprog header = {.len = (unsigned short)length, .filter = program};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &header);
}

int setup_seccomp_filter(const int *allowed, size_t count)
{
	if (allowed == NULL || count == 0 || count > (BPF_MAXINSNS - FILTER_HEAD - 1) / 2)
		return fail(EINVAL);
	size_t length = FILTER_HEAD + 2 * count + 1;
	struct sock_filter *program = calloc(length, sizeof *program);
	if (program == NULL)
		return -1;
	int result = assemble(allowed, count, program);
	if (result == 0)
		result = install(program, length);
	/* From here on even the memory's return may be refused, and that is fine. */
	int saved = errno;
	free(program);
	errno = saved;
	return result;
}

/* Calls that change the machine, its mounts and namespaces, look into other
 * processes, or knock at doors of the kernel that an ordinary program does not
 * know. The rings carry out calls that no filter sees; and namespaces that clone(2)
 * makes, by a flag, stay possible: a list of numbers does not look at arguments. */
static const int dangerous[] = {
	SYS_reboot, SYS_kexec_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_swapon, SYS_swapoff,
	SYS_acct, SYS_quotactl, SYS_syslog, SYS_vhangup, SYS_nfsservctl, SYS_settimeofday, SYS_clock_settime,
	SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
	SYS_fsmount, SYS_fspick, SYS_open_by_handle_at, SYS_setns, SYS_unshare,
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kcmp,
	SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
	SYS_add_key, SYS_request_key, SYS_keyctl,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_mount_setattr
	SYS_mount_setattr,
#endif
#ifdef SYS_quotactl_fd
	SYS_quotactl_fd,
#endif
#ifdef __x86_64__
	SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_create_module, SYS_get_kernel_syms, SYS_query_module, SYS_uselib,
	SYS__sysctl,
#endif
};

/* The newest call that this program has heard of (set_mempolicy_home_node). What
 * Linux has learnt since stays refused. */
#define LAST_CALL 450

static bool is_dangerous(int number)
{
	for (size_t i = 0; i < COUNT(dangerous); i++)
		if (dangerous[i] == number)
			return true;
	return false;
}

/* Leaves the calls that an ordinary program needs. */
static int confine(void)
{
	int ordinary[LAST_CALL + 1];
	size_t count = 0;
	for (int number = 0; number <= LAST_CALL; number++)
		if (!is_dangerous(number))
			ordinary[count++] = number;
	return setup_seccomp_filter(ordinary, count);
}

/* ---- What a configuration says ------------------------------------------ */

static int flags_of(const ContainerConfig *c) { return c->clone_flags == 0 ? DEFAULT_NAMESPACES : c->clone_flags; }

/* Tells whether the container gets a namespace of its own. */
static bool isolates(const ContainerConfig *c, int flag) { return (flags_of(c) & flag) != 0; }

static MountNamespaceContext mounts_of(const ContainerConfig *c)
{
	MountNamespaceContext nothing = {.propagation = PRIVATE};
	return c->mnt == NULL ? nothing : *c->mnt;
}

/* The container's root filesystem, wherever the configuration names it. */
static const char *rootfs_of(const ContainerConfig *c)
{
	const char *own = unless_empty(c->rootfs);
	return own != NULL ? own : unless_empty(mounts_of(c).rootfs);
}

/* Who the container's user is. Without a word about it, root inside is the
 * caller. */
static UserNamespaceContext identity_of(const ContainerConfig *c)
{
	UserNamespaceContext id = {.host_uid = geteuid(), .host_gid = getegid(), .map_root = true};
	if (c->user != NULL)
		id = *c->user;
	if (id.map_root)
		id.container_uid = id.container_gid = 0;
	return id;
}

/* Refuses what cannot be mounted, or must not be: without a mount namespace of
 * its own, a container would pivot the host. */
static int check_files(const ContainerConfig *c)
{
	struct stat st;
	MountNamespaceContext mounts = mounts_of(c);
	const char *root = rootfs_of(c);
	bool binds = mounts.bind_mounts != NULL && mounts.bind_mounts[0] != NULL;
	if (check_mounts(&mounts) < 0)
		return -1;
	if (!isolates(c, CLONE_NEWNS) && (root != NULL || binds))
		return fail(EINVAL);
	if (root == NULL)
		return 0;
	if (stat(root, &st) < 0)
		return -1;
	return S_ISDIR(st.st_mode) ? 0 : fail(ENOTDIR);
}

/* Refuses a bad configuration before anything has been started. Flags beside
 * those of namespaces (CLONE_VM) would be the end of us all. */
static int check_config(const ContainerConfig *c)
{
	if (c == NULL || c->cmd == NULL || unless_empty(c->cmd[0]) == NULL || (c->clone_flags & ~ALL_NAMESPACES) != 0)
		return fail(EINVAL);
	if (c->hostname != NULL && strlen(c->hostname) > HOST_NAME_MAX)
		return fail(EINVAL);
	if (c->net != NULL && isolates(c, CLONE_NEWNET) && check_network(c->net) < 0)
		return -1;
	return check_files(c);
}

/* ---- The first seconds of Truman's life --------------------------------- */

/* The byte that lets the child go. The end of the pipe alone does not: it comes
 * too when the creator dies halfway through the maps. */
#define RELEASED 'R'

/* Waits until the creator is done. The child has a copy of both ends, and would
 * wait for itself if it kept the one for writing. */
static int await_release(ContainerConfig *c)
{
	char byte = 0;
	ssize_t n;
	close(c->sync_pipe[1]);
	do
		n = read(c->sync_pipe[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	close_quietly(c->sync_pipe[0]);
	if (n < 0)
		return -1;
	return n == 1 && byte == RELEASED ? 0 : fail(EPIPE);
}

/* Takes on the identity that the maps give. The group first: a mere user could
 * not change it any more. */
static int become_mapped(ContainerConfig *c)
{
	if (!isolates(c, CLONE_NEWUSER))
		return 0;
	UserNamespaceContext id = identity_of(c);
	if (setresgid(id.container_gid, id.container_gid, id.container_gid) < 0)
		return -1;
	return setresuid(id.container_uid, id.container_uid, id.container_uid);
}

static int set_hostname(ContainerConfig *c)
{
	if (unless_empty(c->hostname) == NULL || !isolates(c, CLONE_NEWUTS))
		return 0;
	return sethostname(c->hostname, strlen(c->hostname));
}

/* Gives the container the proc of its PID namespace. The host's serves where
 * that is the same one, and a user namespace could mount no other. It happens
 * before the pivot: the kernel lets a user namespace mount proc only while it
 * sees one. */
static int enter_proc(ContainerConfig *c, const char *root)
{
	char proc[PATH_MAX];
	bool made;
	if (join(proc, root == NULL ? "" : root, "proc") < 0)
		return -1;
	if (isolates(c, CLONE_NEWPID))
		return mount_proc(proc);
	if (root == NULL)
		return 0;
	return make_folder(proc, &made) < 0 ? -1 : bind_mount("/proc", proc);
}

/* Fills /dev and goes where there is no way back. The old root is put on a
 * folder in the new /dev for the moment, where even a read-only rootfs can be
 * written to. */
static int enter_rootfs(const char *root)
{
	char dev[PATH_MAX], old[PATH_MAX];
	if (join(dev, root, "dev") < 0 || mount_devfs(dev) < 0 || create_devices(root) < 0)
		return -1;
	return join(old, dev, ".old") < 0 ? -1 : pivot_root_setup(root, old);
}

/* Arranges what the container sees of the world. */
static int enter_mounts(ContainerConfig *c)
{
	char absolute[PATH_MAX];
	const char *root = rootfs_of(c);
	MountNamespaceContext mounts = mounts_of(c);
	if (!isolates(c, CLONE_NEWNS))
		return 0;
	if (root != NULL && (root = realpath(root, absolute)) == NULL)
		return -1;
	if (isolate_mounts(mounts.propagation) < 0 || walk_binds(mounts.bind_mounts, root, true) < 0)
		return -1;
	if (enter_proc(c, root) < 0 || (root != NULL && enter_rootfs(root) < 0))
		return -1;
	return settle_mounts(mounts.propagation);
}

/* Whatever is open here but 0, 1 and 2 ends with this program. */
static int keep_descriptors(ContainerConfig *c)
{
	struct rlimit limit;
	(void)c;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3U, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) == 0)
		return 0;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	for (int fd = 3; fd < (int)limit.rlim_cur && fd < 65536; fd++) /* before Linux 5.11 */
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* The life of the container's first process up to its command. The filter comes
 * last, for it forbids most of what came before. */
static int enter(ContainerConfig *c, bool secure)
{
	static const struct {
		const char *name;
		int (*take)(ContainerConfig *);
	} steps[] = {
		{"not released by the creator", await_release}, {"identity", become_mapped}, {"hostname", set_hostname},
		{"mounts", enter_mounts}, {"descriptors", keep_descriptors},
	};
	setsid(); /* one number for all of it, see signal_all */
	for (size_t i = 0; i < COUNT(steps); i++) {
		if (steps[i].take(c) == 0)
			continue;
		dprintf(STDERR_FILENO, "container entry: %s: %s\n", steps[i].name, strerror(errno));
		return SETUP_FAILED;
	}
	if (secure && confine() < 0)
		return SETUP_FAILED;
	execvp(c->cmd[0], c->cmd);
	int status = errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
	dprintf(STDERR_FILENO, "container entry: exec %s: %s\n", c->cmd[0], strerror(errno));
	return status;
}

int container_entry(void *arg)
{
	return check_config(arg) < 0 ? SETUP_FAILED : enter(arg, false);
}

static int secure_entry(void *arg) { return enter(arg, true); }

/* ---- Christof ----------------------------------------------------------- */

/* How long a container that was asked to end may take, and how often we look. */
#define STOP_GRACE_MS 500
#define STOP_LOOK_MS 5

static void close_sync_pipe(ContainerConfig *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->sync_pipe[i] >= 0)
			close_quietly(c->sync_pipe[i]);
		c->sync_pipe[i] = -1;
	}
}

/* Reaches the whole session of the container; or its first process, if that has
 * not had the time to begin one. It is not reaped yet, so nobody else can have
 * been given the number. */
static void signal_all(const ContainerConfig *c, int sig)
{
	if (kill(-c->pid, sig) < 0)
		kill(c->pid, sig);
}

/* Waits until the first process has ended, and leaves it a zombie, so that its
 * PID stays its own for now. Answers 1 if it has, 0 if it has not in the time. */
static int await_end(pid_t pid, int ms)
{
	siginfo_t info = {.si_pid = 0};
	struct timespec nap = {.tv_nsec = STOP_LOOK_MS * 1000000L};
	int options = WEXITED | WNOWAIT | (ms < 0 ? 0 : WNOHANG);
	for (;; ms -= STOP_LOOK_MS) {
		if (waitid(P_PID, (id_t)pid, &info, options) < 0 && errno != EINTR)
			return -1;
		if (info.si_pid == pid)
			return 1;
		if (options & WNOHANG) {
			if (ms <= 0)
				return 0;
			nanosleep(&nap, NULL);
		}
	}
}

/* Waits for the first process, ends what it left running, and reaps it. Where
 * there is a PID namespace the kernel has done the second part. Elsewhere the
 * session stands in for one; a process that began its own gets away. */
static int collect(ContainerConfig *c)
{
	int ended = await_end(c->pid, -1);
	c->running = false; /* there is nothing to wait for twice */
	if (ended < 0)
		return -1; /* somebody's waitpid(-1) was faster */
	signal_all(c, SIGKILL);
	return await(c->pid, &c->status);
}

/* Ends and reaps the container, if one runs: politely first. PID 1 of a
 * namespace gets no signal from outside that it has no handler for, SIGKILL
 * excepted. */
static int stop(ContainerConfig *c)
{
	if (!c->running)
		return 0;
	signal_all(c, SIGTERM);
	if (await_end(c->pid, STOP_GRACE_MS) == 0)
		signal_all(c, SIGKILL);
	return collect(c);
}

/* Undoes what was set up outside. The pair goes by its number: when the
 * container ends, it goes with it, and the name may be another's by now. */
static int disconnect(ContainerConfig *c)
{
	int result = 0;
	if (c->veth_index != 0 && remove_interface(c->veth_index) < 0)
		result = -1;
	if (c->pinned && unpin_netns(c->net->name) < 0)
		result = -1;
	c->veth_index = 0;
	c->pinned = false;
	return result;
}

/* Says who the user of the child's namespace is outside, in the order that the
 * kernel wants from an unprivileged creator. */
static int write_maps(pid_t pid, const UserNamespaceContext *id)
{
	if (deny_setgroups(pid) < 0 || setup_uid_map(pid, (int)id->container_uid, (int)id->host_uid, 1) < 0)
		return -1;
	return setup_gid_map(pid, (int)id->container_gid, (int)id->host_gid, 1);
}

static int pin_child(const char *path, void *ns_path) { return bind_mount(ns_path, path); }

/* Pins the container's network namespace, if it shall have a name, and connects
 * it. */
static int connect_container(ContainerConfig *c)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)c->pid);
	if (unless_empty(c->net->name) != NULL) {
		if (pin_netns(c->net->name, pin_child, path) < 0)
			return -1;
		c->pinned = true;
	}
	int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return -1;
	int index = connect_netns(c->net, ns);
	close_quietly(ns);
	c->veth_index = index < 0 ? 0 : index;
	return index < 0 ? -1 : 0;
}

/* Starts the child side in its new namespaces, where it waits. */
static int start_child(ContainerConfig *c, int (*entry)(void *))
{
	if (pipe2(c->sync_pipe, O_CLOEXEC) < 0)
		return -1;
	c->pid = spawn(entry, flags_of(c), c);
	if (c->pid < 0) {
		close_sync_pipe(c);
		return -1;
	}
	c->status = 0;
	c->created = c->running = true;
	return 0;
}

/* Does from outside what the waiting child cannot do, and releases it. Our copy
 * of the read end stays until then: without a reader, the write would kill us. */
static int prepare(ContainerConfig *c)
{
	UserNamespaceContext id = identity_of(c);
	char byte = RELEASED;
	if (isolates(c, CLONE_NEWUSER) && write_maps(c->pid, &id) < 0)
		return -1;
	if (c->net != NULL && isolates(c, CLONE_NEWNET) && connect_container(c) < 0)
		return -1;
	if (write(c->sync_pipe[1], &byte, 1) != 1)
		return -1;
	close_sync_pipe(c);
	return 0;
}

/* Ends a child that was never released, and undoes the rest. */
static void abandon(ContainerConfig *c)
{
	int saved = errno;
	close_sync_pipe(c);
	signal_all(c, SIGKILL);
	collect(c);
	disconnect(c);
	c->created = false;
	c->pid = -1;
	c->status = 0;
	errno = saved;
}

static int create(ContainerConfig *c, int (*entry)(void *))
{
	if (check_config(c) < 0)
		return -1;
	if (c->running)
		return fail(EBUSY);
	/* What an earlier life of this configuration left behind goes first. */
	if (container_cleanup(c) < 0 || start_child(c, entry) < 0)
		return -1;
	if (prepare(c) == 0)
		return 0;
	abandon(c);
	return -1;
}

int container_init(ContainerConfig *config)
{
	if (config == NULL)
		return fail(EINVAL);
	if (unless_empty(config->hostname) == NULL)
		config->hostname = "container";
	if (config->pid == 0)
		config->pid = -1;
	config->clone_flags = flags_of(config);
	return 0;
}

int container_create(ContainerConfig *config) { return create(config, container_entry); }

int container_create_secure(ContainerConfig *config) { return create(config, secure_entry); }

int container_start(ContainerConfig *config)
{
	if (config == NULL)
		return fail(EINVAL);
	return config->running ? 0 : container_create(config);
}

int container_wait(ContainerConfig *config)
{
	if (config == NULL)
		return fail(EINVAL);
	if (!config->running)
		return fail(ECHILD);
	if (collect(config) < 0)
		return -1;
	return WIFEXITED(config->status) ? WEXITSTATUS(config->status) : 128 + WTERMSIG(config->status);
}

int container_stop(ContainerConfig *config)
{
	if (config == NULL)
		return fail(EINVAL);
	return config->created ? stop(config) : fail(ESRCH);
}

/* Gives everything back. What cannot be given back does not keep the rest from
 * it. */
int container_cleanup(ContainerConfig *config)
{
	if (config == NULL)
		return fail(EINVAL);
	if (config->created)
		close_sync_pipe(config);
	int stopped = stop(config);
	int disconnected = disconnect(config);
	config->pid = -1;
	return stopped < 0 || disconnected < 0 ? -1 : 0;
}

int container_print_status(const ContainerConfig *config)
{
	if (config == NULL)
		return fail(EINVAL);
	printf("container \"%s\"\n", config->hostname == NULL ? "" : config->hostname);
	for (int i = 0; config->cmd != NULL && config->cmd[i] != NULL; i++)
		printf("%s%s", i == 0 ? "  command  " : " ", config->cmd[i]);
	printf("\n  rootfs   %s\n", rootfs_of(config) == NULL ? "its caller's" : rootfs_of(config));
	if (config->running)
		printf("  state    on the air, as PID %d\n", (int)config->pid);
	else if (!config->created)
		printf("  state    not created\n");
	else if (WIFSIGNALED(config->status))
		printf("  state    ended by signal %d\n", WTERMSIG(config->status));
	else
		printf("  state    ended with status %d\n", WEXITSTATUS(config->status));
	return fflush(stdout) == 0 ? 0 : -1;
}

/* ---- For a reader: two networks ----------------------------------------- */

#define ISLAND_END "island0"
#define ISLAND_ADDRESS "10.10.8.2"
#define STUDIO_END "studio0"
#define STUDIO_ADDRESS "10.10.8.1"

struct stage {
	char island[32], studio[32];
};

static int enter_netns(const char *name)
{
	int ns = open_netns(name);
	int result = ns < 0 ? -1 : setns(ns, CLONE_NEWNET);
	if (ns >= 0)
		close_quietly(ns);
	return result;
}

/* Has a word go over the pair. A socket belongs to the namespace that it was
 * made in, so one process can hold both ends. */
static int converse(const struct stage *s)
{
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(ISLAND_ADDRESS)};
	socklen_t length = sizeof place;
	char word[32] = "";
	if (enter_netns(s->island) < 0)
		return -1;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&place, sizeof place) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&place, &length) < 0 || enter_netns(s->studio) < 0)
		return -1;
	int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (caller < 0 || connect(caller, (struct sockaddr *)&place, sizeof place) < 0 ||
	    write(caller, "Good morning!", 13) != 13)
		return -1;
	int called = accept(listener, NULL, NULL);
	if (called < 0 || read(called, word, sizeof word - 1) < 0)
		return -1;
	dprintf(STDOUT_FILENO, "%s hears from %s: %s\n", ISLAND_ADDRESS, STUDIO_ADDRESS, word);
	return 0;
}

/* The errand of the network demonstration. The pair is made inside the studio,
 * where its names meet nobody else's; what it opens ends with it. */
static int play_network(void *arg)
{
	struct stage *s = arg;
	if (enter_netns(s->studio) < 0 || create_veth_pair(STUDIO_END, ISLAND_END) < 0 ||
	    move_interface_to_netns(ISLAND_END, s->island) < 0 || plug(STUDIO_END, STUDIO_ADDRESS) < 0)
		return errno;
	if (enter_netns(s->island) < 0 || plug(ISLAND_END, ISLAND_ADDRESS) < 0)
		return errno;
	dprintf(STDOUT_FILENO, "A veth pair: %s has %s here, %s has %s there.\n", STUDIO_END, STUDIO_ADDRESS,
	        ISLAND_END, ISLAND_ADDRESS);
	return outcome(converse(s));
}

int demonstrate_network_isolation(void)
{
	struct stage s;
	snprintf(s.island, sizeof s.island, "seahaven-%d", (int)getpid());
	snprintf(s.studio, sizeof s.studio, "studio-%d", (int)getpid());
	if (create_network_namespace(s.island) < 0)
		return -1;
	int result = create_network_namespace(s.studio);
	if (result == 0) {
		printf("Two network namespaces: %s, %s. No boat goes from one to the other.\n", s.island, s.studio);
		fflush(stdout);
		result = errand(play_network, &s);
		int saved = errno;
		unpin_netns(s.studio);
		errno = saved;
	}
	int saved = errno;
	unpin_netns(s.island);
	errno = saved;
	return result;
}

/* ---- For a reader: the horizon ------------------------------------------ */

/* Mounts something on name in one view, and tells whether the other sees it. */
static int seen(const char *from, const char *to, const char *name)
{
	char mounted[PATH_MAX], light[PATH_MAX], there[PATH_MAX];
	if (join(mounted, from, name) < 0 || mount_filesystem("tmpfs", mounted, NO_SURPRISES, NULL) < 0)
		return -1;
	if (join(light, mounted, "light") < 0 || mkdir(light, 0700) < 0)
		return -1;
	if (join(mounted, to, name) < 0 || join(there, mounted, "light") < 0)
		return -1;
	return access(there, F_OK) == 0;
}

/* Makes a shared mount, a peer of it, sets the peer's propagation, and looks. */
static int paint_horizon(const char *stage, const char *kind, int (*set)(const char *))
{
	char folder[PATH_MAX], host[PATH_MAX], island[PATH_MAX];
	bool made;
	if (join(folder, stage, kind) < 0 || join(host, folder, "host") < 0 || join(island, folder, "island") < 0)
		return -1;
	if (mount_filesystem("tmpfs", host, NO_SURPRISES, NULL) < 0 || make_mount_shared(host) < 0 ||
	    make_folder(island, &made) < 0 || bind_mount(host, island) < 0 || set(island) < 0)
		return -1;
	int in = seen(host, island, "sun"), out = seen(island, host, "moon");
	if (in < 0 || out < 0)
		return -1;
	dprintf(STDOUT_FILENO, "%-7s  host's mounts reach the island: %-3s  island's mounts reach the host: %s\n",
	        kind, in ? "yes" : "no", out ? "yes" : "no");
	return 0;
}

/* The errand of the mount demonstration: its mount namespace ends with it, and
 * all that was mounted there. */
static int play_mounts(void *stage)
{
	if (unshare(CLONE_NEWNS) < 0 || make_mount_private("/") < 0 ||
	    mount("stage", stage, "tmpfs", 0, "mode=0700") < 0)
		return errno;
	if (paint_horizon(stage, "shared", make_mount_shared) < 0 || paint_horizon(stage, "slave", make_mount_slave) < 0)
		return errno;
	return outcome(paint_horizon(stage, "private", make_mount_private));
}

int demonstrate_mount_propagation(void)
{
	char stage[] = "/tmp/horizon-XXXXXX";
	if (mkdtemp(stage) == NULL)
		return -1;
	fflush(stdout);
	int result = errand(play_mounts, stage);
	int saved = errno;
	rmdir(stage);
	errno = saved;
	return result;
}

/* ---- For a reader: who am I? -------------------------------------------- */

/* It reads before it asks who it is: this is its sync pipe. */
static int tell_identity(void *arg)
{
	int *ends = arg;
	char byte;
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		return SETUP_FAILED;
	dprintf(STDOUT_FILENO, "In Seahaven I am user %d.\n", (int)getuid());
	return getuid() == 0 ? 0 : SETUP_FAILED;
}

int demonstrate_user_namespace(void)
{
	ContainerConfig nobody = {.pid = 0};
	UserNamespaceContext id = identity_of(&nobody);
	int ends[2], status = 0;
	printf("Out here I am user %d.\n", (int)geteuid());
	fflush(stdout);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = spawn(tell_identity, CLONE_NEWUSER, ends);
	int result = pid < 0 ? -1 : write_maps(pid, &id);
	if (result == 0 && write(ends[1], "!", 1) != 1)
		result = -1;
	close_quietly(ends[0]);
	close_quietly(ends[1]); /* without a word it ends */
	int saved = errno;
	if (pid > 0 && await(pid, &status) < 0)
		return -1;
	if (result < 0)
		return fail(saved);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : fail(EPROTO);
}
