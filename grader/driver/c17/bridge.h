/*
 * The border between our shim and the submission. bridge.c alone includes the
 * submission's header, whose macros may say anything: what lies behind this
 * border is compiled without it.
 */
#ifndef MOULINETTE_BRIDGE_H
#define MOULINETTE_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOULINETTE_TEXT_MAX = 4096 };

/* What a step says about a network, mounts, a user and a container. A text that
 * it does not say is NULL. */
struct moulinette_net {
	const char *name, *veth_host, *veth_container, *ip_host, *ip_container;
};

struct moulinette_mnt {
	const char *rootfs;
	char **bind_mounts;
	int propagation; /* index in private, shared, slave, unbindable */
};

struct moulinette_user {
	int host_uid, container_uid, host_gid, container_gid;
	bool map_root;
};

struct moulinette_config {
	const char *hostname, *rootfs;
	char **cmd;
	uint64_t clone_flags;
	struct moulinette_net *net;
	struct moulinette_mnt *mnt;
	struct moulinette_user *user;
};

/* The arguments of a call; each takes its own. */
struct moulinette_args {
	const char *name, *a, *b, *iface, *netns, *ip, *path, *target, *new_root, *put_old, *rootfs, *text;
	int prefix, pid, inside, outside, count;
	char **argv;
	bool null;
	struct moulinette_net *net;
	struct moulinette_mnt *mnt;
	int (*child_fn)(void *);
	void *child_arg;
	uint64_t keep;
	int *allowed;
	size_t allowed_count;
	void *config; /* see moulinette_make_config */
};

/* What came of a call. */
struct moulinette_result {
	bool known;   /* there is such a call */
	bool missing; /* the submission does not define it */
	int value;
	int error; /* errno after it */
};

/* What a configuration says after a call. */
struct moulinette_state {
	int pid, status;
	uint64_t flags;
	char hostname[MOULINETTE_TEXT_MAX];
};

struct moulinette_result moulinette_call(const char *call, const struct moulinette_args *args);

/* Configurations stay for as long as the driver: a submission may keep pointers
 * into them. NULL: no memory. */
void *moulinette_make_config(const struct moulinette_config *said);
void moulinette_set_command(void *config, char **argv);
bool moulinette_has_command(void *config);
void moulinette_look(void *config, struct moulinette_state *state);

#endif
