/*
 * Calls of the submission with the types of its own header. Headers differ in
 * small things (a text is an array or a pointer, a context is held or pointed
 * to, a demonstration answers nothing): all of them will do.
 *
 * undeclared.h is written for each submission: the prototypes that its header
 * leaves out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "bridge.h"

#include "linux_namespaces.h"

#include "undeclared.h"

/* What the submission does not define is NULL: it costs its own rows. */
#pragma weak print_namespace_info
#pragma weak create_pid_namespace
#pragma weak is_container_init
#pragma weak demonstrate_pid_isolation
#pragma weak create_network_namespace
#pragma weak create_veth_pair
#pragma weak move_interface_to_netns
#pragma weak configure_interface
#pragma weak interface_up
#pragma weak setup_container_network
#pragma weak exec_in_netns
#pragma weak demonstrate_network_isolation
#pragma weak setup_mount_namespace
#pragma weak make_mount_private
#pragma weak make_mount_shared
#pragma weak make_mount_slave
#pragma weak make_mount_unbindable
#pragma weak pivot_root_setup
#pragma weak mount_proc
#pragma weak mount_sysfs
#pragma weak mount_devfs
#pragma weak create_devices
#pragma weak demonstrate_mount_propagation
#pragma weak write_uid_map
#pragma weak write_gid_map
#pragma weak setup_uid_map
#pragma weak setup_gid_map
#pragma weak deny_setgroups
#pragma weak drop_capabilities
#pragma weak demonstrate_user_namespace
#pragma weak container_init
#pragma weak container_create
#pragma weak container_start
#pragma weak container_wait
#pragma weak container_stop
#pragma weak container_print_status
#pragma weak container_cleanup
#pragma weak setup_seccomp_filter
#pragma weak container_create_secure

#define SAME(a, b) __builtin_types_compatible_p(a, b)
#define IS_ARRAY(x) (!SAME(__typeof__(x), __typeof__(&(x)[0])))

/* ---- Filling their structures ------------------------------------------- */

static void fill_text(void *at, size_t size, bool array, const char *value)
{
	if (!array) {
		memcpy(at, &value, sizeof value);
		return;
	}
	size_t n = value == NULL ? 0 : strnlen(value, size - 1);
	memset(at, 0, size);
	if (n > 0)
		memcpy(at, value, n);
}

/* A list is a pointer to texts, an array of pointers, or an array of arrays. */
static void fill_list(void *at, size_t size, bool array, size_t each, bool of_arrays, char **values)
{
	if (!array) {
		memcpy(at, &values, sizeof values);
		return;
	}
	memset(at, 0, size);
	for (size_t i = 0; values != NULL && values[i] != NULL && (i + 2) * each <= size; i++)
		fill_text((char *)at + i * each, each, of_arrays, values[i]);
}

static void fill_nested(void *at, bool held, size_t size, const void *value)
{
	if (!held)
		memcpy(at, &value, sizeof value);
	else if (value != NULL)
		memcpy(at, value, size);
}

#define TEXT(field, value) fill_text((void *)&(field), sizeof(field), IS_ARRAY(field), value)
#define LIST(field, values)                                                                                  \
	fill_list((void *)&(field), sizeof(field), IS_ARRAY(field), sizeof((field)[0]), IS_ARRAY((field)[0]), values)
#define NESTED(field, type, value) fill_nested((void *)&(field), SAME(__typeof__(field), type), sizeof(type), value)

static NetNamespaceContext *net_context(const struct moulinette_net *said)
{
	NetNamespaceContext *ctx = said == NULL ? NULL : calloc(1, sizeof *ctx);
	if (ctx == NULL)
		return NULL;
	TEXT(ctx->name, said->name);
	TEXT(ctx->veth_host, said->veth_host);
	TEXT(ctx->veth_container, said->veth_container);
	TEXT(ctx->ip_host, said->ip_host);
	TEXT(ctx->ip_container, said->ip_container);
	return ctx;
}

static MountNamespaceContext *mnt_context(const struct moulinette_mnt *said)
{
	static const int kinds[] = {PRIVATE, SHARED, SLAVE, UNBINDABLE};
	MountNamespaceContext *ctx = said == NULL ? NULL : calloc(1, sizeof *ctx);
	if (ctx == NULL)
		return NULL;
	TEXT(ctx->rootfs, said->rootfs);
	LIST(ctx->bind_mounts, said->bind_mounts);
	ctx->propagation = kinds[said->propagation];
	return ctx;
}

static UserNamespaceContext *user_context(const struct moulinette_user *said)
{
	UserNamespaceContext *ctx = said == NULL ? NULL : calloc(1, sizeof *ctx);
	if (ctx == NULL)
		return NULL;
	ctx->host_uid = said->host_uid;
	ctx->container_uid = said->container_uid;
	ctx->host_gid = said->host_gid;
	ctx->container_gid = said->container_gid;
	ctx->map_root = said->map_root;
	return ctx;
}

void *moulinette_make_config(const struct moulinette_config *said)
{
	ContainerConfig *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	TEXT(c->hostname, said->hostname);
	TEXT(c->rootfs, said->rootfs);
	LIST(c->cmd, said->cmd);
	c->clone_flags = said->clone_flags;
	NESTED(c->net, NetNamespaceContext, net_context(said->net));
	NESTED(c->mnt, MountNamespaceContext, mnt_context(said->mnt));
	NESTED(c->user, UserNamespaceContext, user_context(said->user));
	return c;
}

void moulinette_set_command(void *config, char **argv)
{
	ContainerConfig *c = config;
	LIST(c->cmd, argv);
}

/* ---- Looking at them ---------------------------------------------------- */

static const char *text_of(const void *at, bool array)
{
	const char *value;
	if (array)
		return at;
	memcpy(&value, at, sizeof value);
	return value;
}

bool moulinette_has_command(void *config)
{
	ContainerConfig *c = config;
	if (!IS_ARRAY(c->cmd) && text_of((void *)&c->cmd, false) == NULL)
		return false;
	const char *first = text_of((const void *)&c->cmd[0], IS_ARRAY(c->cmd[0]));
	return first != NULL && first[0] != '\0';
}

void moulinette_look(void *config, struct moulinette_state *state)
{
	ContainerConfig *c = config;
	const char *hostname = text_of((const void *)&c->hostname, IS_ARRAY(c->hostname));
	memset(state, 0, sizeof *state);
	state->pid = c->pid;
	state->status = c->status;
	state->flags = (uint64_t)(unsigned)c->clone_flags;
	if (hostname != NULL)
		strncpy(state->hostname, hostname, sizeof state->hostname - 1);
}

/* ---- Calls -------------------------------------------------------------- */

/* What a call answers, as a number; a function may answer nothing. */
#define NUMBER(expression)                                                                                   \
	__builtin_choose_expr(SAME(__typeof__(expression), void), ((void)(expression), 0), (expression))

#define CALL(function, ...)                                                                                  \
	do {                                                                                                     \
		if (strcmp(call, #function) != 0)                                                                     \
			break;                                                                                              \
		result.known = true;                                                                                  \
		result.missing = function == NULL;                                                                    \
		if (result.missing)                                                                                   \
			return result;                                                                                      \
		errno = 0;                                                                                            \
		result.value = (int)NUMBER(function(__VA_ARGS__));                                                    \
		result.error = errno;                                                                                 \
		return result;                                                                                        \
	} while (0)

/* Texts are handed over as what fits both `char *` and `const char *`. */
#define T(field) ((char *)(uintptr_t)args->field)

static struct moulinette_result call_network(const char *call, const struct moulinette_args *args)
{
	struct moulinette_result result = {0};
	NetNamespaceContext *ctx = NULL;
	if (strcmp(call, "setup_container_network") == 0 && !args->null)
		ctx = net_context(args->net != NULL ? args->net : &(struct moulinette_net){0});
	CALL(create_network_namespace, T(name));
	CALL(create_veth_pair, T(a), T(b));
	CALL(move_interface_to_netns, T(iface), T(netns));
	CALL(configure_interface, T(iface), T(ip), args->prefix);
	CALL(interface_up, T(iface));
	CALL(setup_container_network, ctx);
	CALL(exec_in_netns, T(netns), (void *)args->argv);
	CALL(demonstrate_network_isolation);
	return result;
}

static struct moulinette_result call_mount(const char *call, const struct moulinette_args *args)
{
	struct moulinette_result result = {0};
	MountNamespaceContext *ctx = NULL;
	if (strcmp(call, "setup_mount_namespace") == 0 && !args->null)
		ctx = mnt_context(args->mnt != NULL ? args->mnt : &(struct moulinette_mnt){0});
	CALL(setup_mount_namespace, ctx);
	CALL(make_mount_private, T(path));
	CALL(make_mount_shared, T(path));
	CALL(make_mount_slave, T(path));
	CALL(make_mount_unbindable, T(path));
	CALL(pivot_root_setup, T(new_root), T(put_old));
	CALL(mount_proc, T(target));
	CALL(mount_sysfs, T(target));
	CALL(mount_devfs, T(target));
	CALL(create_devices, T(rootfs));
	CALL(demonstrate_mount_propagation);
	return result;
}

static struct moulinette_result call_user(const char *call, const struct moulinette_args *args)
{
	struct moulinette_result result = {0};
	CALL(write_uid_map, args->pid, T(text));
	CALL(write_gid_map, args->pid, T(text));
	CALL(setup_uid_map, args->pid, args->inside, args->outside, args->count);
	CALL(setup_gid_map, args->pid, args->inside, args->outside, args->count);
	CALL(deny_setgroups, args->pid);
	CALL(drop_capabilities, args->keep);
	CALL(demonstrate_user_namespace);
	return result;
}

static struct moulinette_result call_container(const char *call, const struct moulinette_args *args)
{
	struct moulinette_result result = {0};
	ContainerConfig *config = args->config;
	CALL(container_init, config);
	CALL(container_create, config);
	CALL(container_start, config);
	CALL(container_wait, config);
	CALL(container_stop, config);
	CALL(container_print_status, config);
	CALL(container_cleanup, config);
	CALL(container_create_secure, config);
	CALL(setup_seccomp_filter, args->allowed, args->allowed_count);
	return result;
}

static struct moulinette_result call_plain(const char *call, const struct moulinette_args *args)
{
	struct moulinette_result result = {0};
	CALL(print_namespace_info);
	CALL(create_pid_namespace, args->child_fn, args->child_arg);
	CALL(is_container_init);
	CALL(demonstrate_pid_isolation);
	return result;
}

struct moulinette_result moulinette_call(const char *call, const struct moulinette_args *args)
{
	struct moulinette_result (*const groups[])(const char *, const struct moulinette_args *) = {
		call_plain, call_network, call_mount, call_user, call_container,
	};
	struct moulinette_result result = {0};
	for (size_t i = 0; i < sizeof groups / sizeof groups[0] && !result.known; i++)
		result = groups[i](call, args);
	return result;
}
