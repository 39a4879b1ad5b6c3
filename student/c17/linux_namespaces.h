/*
 * linux_namespaces.h: a mini container runtime out of Linux namespaces.
 *
 * Every function answers 0 on success and -1 with errno set on failure, unless
 * its comment says otherwise. A bad argument is EINVAL, a null pointer is a bad
 * argument. What was half done when a step failed is undone.
 */
#ifndef LINUX_NAMESPACES_H
#define LINUX_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTAINER_STACK_SIZE (1024 * 1024)
#define NETNS_DIR "/var/run/netns"

/* One kind of namespace; see namespaces(7). */
typedef struct {
	const char *name; /* as under /proc/PID/ns */
	int flag;         /* CLONE_NEW* of clone(2) */
	const char *proc_path;
	const char *description;
} NamespaceInfo;

#define NAMESPACE_COUNT 7
extern const NamespaceInfo namespace_types[NAMESPACE_COUNT];

/* What happens to mounts made at one place and seen at another; see
 * mount_namespaces(7). */
typedef enum { PRIVATE, SHARED, SLAVE, UNBINDABLE } MountPropagation;

/* The connection between a container's network namespace and its host. */
typedef struct {
	const char *name; /* pinned under NETNS_DIR */
	int ns_fd;        /* for the implementation's own use; 0 or -1 when unset */
	const char *veth_host;
	const char *veth_container;
	const char *ip_host; /* without prefix; a /24 is meant */
	const char *ip_container;
} NetNamespaceContext;

typedef struct {
	const char *rootfs;
	const char *const *bind_mounts; /* "source:target" each, then NULL; or NULL */
	MountPropagation propagation;
} MountNamespaceContext;

/* Who a container's user is outside. */
typedef struct {
	uid_t host_uid;
	uid_t container_uid;
	gid_t host_gid;
	gid_t container_gid;
	bool map_root; /* 0 inside, whatever container_uid and container_gid say */
} UserNamespaceContext;

/* A container and, once created, its state. */
typedef struct {
	const char *hostname;
	const char *rootfs; /* NULL: that of mnt; without any, the container keeps its caller's files */
	char *const *cmd;   /* cmd[0] is a path inside rootfs; ends with NULL */
	int clone_flags;    /* 0: PID, mount, UTS and IPC */
	NetNamespaceContext *net;
	MountNamespaceContext *mnt;
	UserNamespaceContext *user; /* with CLONE_NEWUSER; NULL: 0 inside is the caller */

	pid_t pid;        /* as the creator sees it */
	int status;       /* a wait status, after container_wait or container_stop */
	int sync_pipe[2]; /* 0 read end, 1 write end */

	/* The implementation's own bookkeeping. */
	bool created;
	bool running;   /* created, and not reaped yet */
	bool pinned;    /* its network namespace has a name */
	int veth_index; /* of the host's end; 0: none */
} ContainerConfig;

/* Namespaces in general. The text is for a reader. */
int print_namespace_info(void);

/* PID namespaces. create_pid_namespace runs child_fn(arg) as PID 1 of a new one (and
 * in no other new namespace), waits for this child and returns its exit status: 0 to
 * 255, or -1 if it could not be started or did not exit by itself. */
int create_pid_namespace(int (*child_fn)(void *), void *arg);
bool is_container_init(void);
int demonstrate_pid_isolation(void);

/* Network namespaces. The name of one is one component of a path; that of an interface
 * has 1 to 15 bytes. create_network_namespace pins a new one at NETNS_DIR/NAME, a
 * folder that it makes if it is missing; a name that exists is EEXIST.
 * setup_container_network connects the namespace pinned as ctx->name: the pair, the
 * move of its second end, a /24 address and "up" for both ends, and lo inside.
 * exec_in_netns returns the exit status of argv, as above; for what cannot be executed
 * it is -1, or 127 as a shell has it. The caller stays in its own namespace throughout. */
int create_network_namespace(const char *name);
int create_veth_pair(const char *a, const char *b);
int move_interface_to_netns(const char *iface, const char *netns);
int configure_interface(const char *iface, const char *ip, int prefix_len);
int interface_up(const char *iface);
int setup_container_network(NetNamespaceContext *ctx);
int exec_in_netns(const char *netns, char *const argv[]);
int demonstrate_network_isolation(void);

/* Mount namespaces. setup_mount_namespace moves its caller to a new one, gives every
 * mount ctx->propagation, and makes the bind mounts, inside ctx->rootfs if there is
 * one, otherwise at their absolute targets: each with all that is mounted below its
 * source (MS_REC). A target that is missing inside rootfs is created, a folder (0755)
 * for a folder, an empty file for anything else. SHARED and UNBINDABLE start as private
 * and come last: a shared mount would carry the bind mounts to the host, an unbindable
 * one cannot be their source. The four kinds of propagation hold for the mount at path
 * and all below it; a path that is no mount point is EINVAL. pivot_root_setup
 * bind-mounts new_root on itself, makes put_old, a folder below it, pivots, and
 * detaches and removes the old root. mount_proc, mount_sysfs and mount_devfs (a tmpfs:
 * nosuid, mode 0755) make the folder target if it is missing. create_devices makes in
 * rootfs/dev: null 1:3, zero 1:5, full 1:7, random 1:8, urandom 1:9 (mode 0666), tty
 * 5:0, and the links stdin, stdout, stderr to /proc/self/fd/0, 1, 2. */
int setup_mount_namespace(MountNamespaceContext *ctx);
int make_mount_private(const char *path);
int make_mount_shared(const char *path);
int make_mount_slave(const char *path);
int make_mount_unbindable(const char *path);
int pivot_root_setup(const char *new_root, const char *put_old);
int mount_proc(const char *target);
int mount_sysfs(const char *target);
int mount_devfs(const char *target);
int create_devices(const char *rootfs);
int demonstrate_mount_propagation(void);

/* User namespaces. pid is a process in a new one that has no maps yet. A text is
 * "inside outside count", a line each; a count below 1 is EINVAL. drop_capabilities
 * leaves in all five sets of the caller at most those of keep_mask, whose bit n stands
 * for capability n. */
int write_uid_map(pid_t pid, const char *text);
int write_gid_map(pid_t pid, const char *text);
int setup_uid_map(pid_t pid, int inside, int outside, int count);
int setup_gid_map(pid_t pid, int inside, int outside, int count);
int deny_setgroups(pid_t pid);
int drop_capabilities(uint64_t keep_mask);
int demonstrate_user_namespace(void);

/* Containers: create, then wait or stop, then clean up. One that was waited for or
 * stopped holds no descriptor any more: who never cleans up loses none.
 *
 * container_init fills what is unset: hostname "container", the four flags, pid -1.
 * container_create returns with the command started, or with nothing left of it. A
 * container that runs is not lost to a second container_create: that is EBUSY, or ends
 * it first. A rootfs without a new mount namespace never runs cmd in the host's. With
 * CLONE_NEWUSER it writes setgroups, uid_map and gid_map while the child waits; with
 * net and CLONE_NEWNET it connects the child's namespace, and pins it if net->name is
 * not empty (EEXIST if that is taken, and whose name it is keeps it). Then it releases
 * the child by a byte in the sync pipe. container_start creates a container that does
 * not run. container_wait returns the exit status, 128+n for a container killed by
 * signal n, or -1. container_stop ends all that runs in it and reaps it: SIGTERM, a
 * moment of grace, SIGKILL; one that has ended is no error. container_cleanup stops it,
 * and removes its pair and the name of its namespace; twice is no error.
 *
 * container_entry is the child's side: it waits for its release (the pipe's end without
 * a byte means that the parent has died: it ends then, and executes nothing), becomes
 * the mapped user, and sets the hostname (in a new UTS namespace only). In a new mount
 * namespace, and only there, it gives all mounts mnt->propagation (private without
 * mnt), makes the bind mounts of mnt, one after the other, and with a rootfs makes
 * /proc and /dev in it, and pivots into it: all as above, SHARED and UNBINDABLE coming
 * last, after the pivot. Then it executes cmd, which inherits no descriptor but 0, 1
 * and 2. If a step fails nothing is executed; it returns 125, or 126 or 127 if cmd
 * cannot be executed or found. */
int container_init(ContainerConfig *config);
int container_create(ContainerConfig *config);
int container_start(ContainerConfig *config);
int container_wait(ContainerConfig *config);
int container_stop(ContainerConfig *config);
int container_entry(void *arg);
int container_print_status(const ContainerConfig *config);
int container_cleanup(ContainerConfig *config);

/* The bonus; see seccomp(2). setup_seccomp_filter sets no_new_privs and lets only the
 * count calls in allowed through: any other, also of another architecture or of the x32
 * ABI, fails with EPERM or kills, and is logged (SECCOMP_FILTER_FLAG_LOG).
 * container_create_secure puts a filter into the container that stops at least reboot,
 * mount, umount2, pivot_root, ptrace, kexec_load and the calls for modules, and lets
 * ordinary programs live. */
int setup_seccomp_filter(const int *allowed, size_t count);
int container_create_secure(ContainerConfig *config);

#endif
