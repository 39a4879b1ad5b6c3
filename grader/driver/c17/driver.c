/*
 * The shim that is compiled with each C submission. It turns requests of the
 * agent into calls, and what comes of them into claims; it answers as the shim
 * in Go does (see ../main.go).
 *
 * It runs in the submission's own process and under its power, so it knows
 * nothing of what is expected, and nothing that it says is believed without a
 * look at the kernel. Between two requests it holds no descriptor but its
 * channel, and no child but the targets and the bystander.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge.h"
#include "json.h"
#include "process.h"
#include "tables.h"

#define CHANNEL 3

/* The most containers and processes that steps can name. */
#define MAX_NAMED 64

/* ---- Replies ------------------------------------------------------------ */

struct reply {
	int64_t id;
	bool failed, missing, exited, has_state;
	int value, error, status, signal, failed_at;
	char fault[512];
	char text[512];
	struct moulinette_state state;
};

/* What goes wrong in the shim itself: the call was not made. */
__attribute__((format(printf, 2, 3))) static void fault(struct reply *r, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(r->fault, sizeof r->fault, format, arguments);
	va_end(arguments);
	r->failed = true;
}

static void say(struct reply *r, const char *text) { snprintf(r->text, sizeof r->text, "%s", text); }

/* Only with -1 is errno the reason: whoever returns it has not set it. */
static void tell_failure(struct reply *r, const char *call, struct moulinette_result result)
{
	const char *why = "a failure is -1, with its reason in errno";
	if (result.value == -1) {
		r->error = result.error;
		why = result.error == 0 ? "errno is not set" : strerror(result.error);
	}
	snprintf(r->text, sizeof r->text, "%s returned %d: %s", call, result.value, why);
}

/* Tells what a call has answered. */
static void settle(struct reply *r, const char *call, struct moulinette_result result)
{
	if (!result.known) {
		fault(r, "unknown call \"%s\"", call);
		return;
	}
	if (result.missing) {
		r->failed = r->missing = true;
		say(r, "not implemented");
		return;
	}
	r->failed = result.value != 0;
	if (r->failed)
		tell_failure(r, call, result);
}

/* A call whose answer is an exit status: -1 is the failure. */
static void settle_status(struct reply *r, const char *call, struct moulinette_result result)
{
	settle(r, call, result);
	if (r->missing || !result.known)
		return;
	r->failed = result.value < 0;
	r->value = result.value;
}

static void put_if(struct json_writer *w, const char *key, int64_t number)
{
	if (number != 0)
		json_put_number(w, key, number);
}

static void put_state(struct json_writer *w, const struct reply *r)
{
	put_if(w, "pid", r->state.pid);
	if (r->state.hostname[0] != '\0')
		json_put_text(w, "hostname", r->state.hostname);
	json_put_unsigned(w, "flags", r->state.flags);
}

static void write_reply(struct json_writer *w, const struct reply *r)
{
	json_begin(w);
	json_put_number(w, "id", r->id);
	json_put_true(w, "failed", r->failed);
	if (r->failed && r->error != 0)
		json_put_text(w, "errno", errno_name(r->error));
	if (r->failed && r->text[0] != '\0')
		json_put_text(w, "error", r->text);
	if (r->missing)
		json_put_true(w, "missing", true);
	if (r->fault[0] != '\0')
		json_put_text(w, "fault", r->fault);
	json_put_number(w, "value", r->value);
	if (r->exited)
		json_put_true(w, "exited", true);
	put_if(w, "status", r->status);
	put_if(w, "signal", r->signal);
	put_if(w, "failed_at", r->failed_at);
	if (r->has_state)
		put_state(w, r);
}

/* Sends a line whole; false if nobody listens any more. */
static bool send_line(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = RAW(SYS_write, CHANNEL, text, length, 0, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		length -= (size_t)n;
	}
	return true;
}

/* ---- What steps share --------------------------------------------------- */

static struct container {
	char *label;
	void *config;
	bool runs_probe; /* the command was left to us */
} containers[MAX_NAMED];
static size_t container_count;

static struct process {
	char *name;
	pid_t pid;
} processes[MAX_NAMED];
static size_t process_count;

static const struct process *find_process(const char *name)
{
	for (size_t i = 0; i < process_count; i++)
		if (strcmp(processes[i].name, name) == 0)
			return &processes[i];
	return NULL;
}

/* The probe's command line: its name is how the agent tells one from another.
 * The memory stays. */
static char **argv_of(const char *path, const char *name)
{
	char **argv = calloc(3, sizeof *argv);
	if (argv == NULL)
		return NULL;
	argv[0] = strdup(path);
	argv[1] = name[0] == '\0' ? NULL : strdup(name);
	return argv;
}

static char **probe_argv(const char *name) { return argv_of(PROBE_PATH, name); }

static void free_argv(char **argv)
{
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
}

/* Reads names of namespaces; false after a fault. */
static bool read_flags(const struct json *from, const char *key, struct reply *r, uint64_t *flags)
{
	const struct json *list = json_get(from, key);
	*flags = 0;
	for (const struct json *m = list == NULL ? NULL : list->in; m != NULL; m = m->next) {
		uint64_t flag = m->kind == JSON_TEXT ? namespace_flag(m->text) : 0;
		if (flag == 0) {
			fault(r, "unknown namespace \"%s\"", m->kind == JSON_TEXT ? m->text : "");
			return false;
		}
		*flags |= flag;
	}
	return true;
}

/* ---- Configurations ----------------------------------------------------- */

/* A copy that stays; NULL of what was not said. */
static const char *lasting(const struct json *from, const char *key)
{
	const char *text = json_text(from, key, "");
	return text[0] == '\0' ? NULL : strdup(text);
}

static bool read_net(const struct json *from, struct moulinette_net *net)
{
	if (from == NULL)
		return false;
	net->name = lasting(from, "name");
	net->veth_host = lasting(from, "veth_host");
	net->veth_container = lasting(from, "veth_container");
	net->ip_host = lasting(from, "ip_host");
	net->ip_container = lasting(from, "ip_container");
	return true;
}

static bool read_mnt(const struct json *from, struct moulinette_mnt *mnt, struct reply *r)
{
	static const char *const kinds[] = {"private", "shared", "slave", "unbindable"};
	const char *kind = json_text(from, "propagation", kinds[0]);
	if (from == NULL)
		return false;
	mnt->rootfs = lasting(from, "rootfs");
	mnt->bind_mounts = json_texts(from, "bind_mounts");
	for (mnt->propagation = 0; mnt->propagation < 4; mnt->propagation++)
		if (strcmp(kinds[mnt->propagation], kind) == 0)
			return true;
	fault(r, "unknown propagation \"%s\"", kind);
	return false;
}

static bool read_user(const struct json *from, struct moulinette_user *user)
{
	if (from == NULL)
		return false;
	user->host_uid = (int)json_number(from, "host_uid");
	user->container_uid = (int)json_number(from, "container_uid");
	user->host_gid = (int)json_number(from, "host_gid");
	user->container_gid = (int)json_number(from, "container_gid");
	user->map_root = json_true(from, "map_root");
	return true;
}

static void *make_config(const struct json *from, struct reply *r)
{
	struct moulinette_net net = {0};
	struct moulinette_mnt mnt = {0};
	struct moulinette_user user = {0};
	struct moulinette_config said = {0};
	uint64_t flags;
	if (!read_flags(from, "flags", r, &flags))
		return NULL;
	said.hostname = lasting(from, "hostname");
	said.rootfs = lasting(from, "rootfs");
	said.cmd = json_texts(from, "cmd");
	said.clone_flags = flags | (uint64_t)json_number(from, "clone_flags");
	said.net = read_net(json_get(from, "net"), &net) ? &net : NULL;
	said.mnt = read_mnt(json_get(from, "mnt"), &mnt, r) ? &mnt : NULL;
	said.user = read_user(json_get(from, "user"), &user) ? &user : NULL;
	if (r->failed)
		return NULL;
	void *config = moulinette_make_config(&said);
	if (config == NULL)
		fault(r, "no memory for a configuration");
	return config;
}

static struct container *find_container(const char *label)
{
	for (size_t i = 0; i < container_count; i++)
		if (strcmp(containers[i].label, label) == 0)
			return &containers[i];
	if (container_count == MAX_NAMED)
		return NULL;
	containers[container_count].label = strdup(label);
	return &containers[container_count++];
}

/* Finds the configuration of a step's label, or makes it: anew when the step
 * brings one along. NULL if none is wanted, or after a fault. */
static void *container_of(const struct json *args, const char *probe, struct reply *r)
{
	if (json_true(args, "null"))
		return NULL;
	const char *label = json_text(args, "container", "main");
	struct container *c = find_container(label[0] == '\0' ? "main" : label);
	if (c == NULL) {
		fault(r, "too many containers");
		return NULL;
	}
	if (c->config == NULL || json_get(args, "config") != NULL) {
		void *config = make_config(json_get(args, "config"), r);
		if (config == NULL)
			return NULL;
		c->config = config;
		c->runs_probe = !moulinette_has_command(config) && !json_true(json_get(args, "config"), "no_cmd");
	}
	if (c->runs_probe && (probe[0] != '\0' || !moulinette_has_command(c->config)))
		moulinette_set_command(c->config, probe_argv(probe));
	return c->config;
}

static void settle_state(struct reply *r, void *config)
{
	moulinette_look(config, &r->state);
	r->has_state = true;
	r->exited = WIFEXITED(r->state.status);
	if (r->exited)
		r->status = WEXITSTATUS(r->state.status);
	if (WIFSIGNALED(r->state.status))
		r->signal = WTERMSIG(r->state.status);
}

/* container_wait answers the exit status, or the pid: then the status says it. */
static void settle_wait(struct reply *r, struct moulinette_result result, int pid)
{
	settle_status(r, "container_wait", result);
	if (r->failed || result.value != pid)
		return;
	r->value = WIFEXITED(r->state.status) ? WEXITSTATUS(r->state.status) : -1;
}

static void call_container(const char *call, const struct json *args, const char *probe, struct reply *r)
{
	struct moulinette_args given = {.config = container_of(args, probe, r)};
	struct moulinette_state before = {0};
	if (r->failed)
		return;
	if (given.config != NULL)
		moulinette_look(given.config, &before);
	struct moulinette_result result = moulinette_call(call, &given);
	if (given.config != NULL)
		settle_state(r, given.config);
	if (strcmp(call, "container_wait") == 0)
		settle_wait(r, result, before.pid);
	else
		settle(r, call, result);
}

/* ---- Faces: processes for a call that would ruin this one ---------------- */

struct face {
	const char *call;
	struct moulinette_args args;
	char **argv;
	bool inherit;
	struct reply *reply; /* shared memory */
	bool *done;          /* the reply is there: it did not become the probe */
};

static int face(void *arg)
{
	struct face *f = arg;
	int error = f->inherit ? inherit_capabilities() : 0;
	if (error != 0) {
		fault(f->reply, "inherit: %s", strerror(error));
		return *f->done = true;
	}
	struct moulinette_result result = moulinette_call(f->call, &f->args);
	if (strcmp(f->call, "is_container_init") == 0) {
		settle_status(f->reply, f->call, result);
		f->reply->failed = f->reply->missing;
		return *f->done = true;
	}
	settle(f->reply, f->call, result);
	if (!f->reply->failed) {
		f->reply->error = become(f->argv);
		f->reply->failed = true;
		say(f->reply, "the call succeeded, but the probe cannot be executed after it");
	}
	return *f->done = true;
}

/* The reply left behind by the face, or else the end of the probe. */
static void settle_face(struct reply *r, const struct face *f, int status)
{
	int64_t id = r->id;
	if (*f->done) {
		*r = *f->reply;
		r->id = id;
		return;
	}
	r->exited = WIFEXITED(status);
	r->value = r->status = r->exited ? WEXITSTATUS(status) : -1;
	if (WIFSIGNALED(status)) {
		r->signal = WTERMSIG(status);
		r->status = 0;
	}
}

static int run_face(const struct json *args, struct face *f, struct reply *r, int *status)
{
	const char *name = json_text(args, "process", "");
	const struct process *of = name[0] == '\0' ? NULL : find_process(name);
	uint64_t flags;
	if (!read_flags(args, "flags", r, &flags))
		return 0;
	fflush(NULL);
	if (of != NULL)
		return run_as_guest(of->pid, face, f, status);
	pid_t pid = start_in(flags, face, f);
	return pid < 0 ? errno : wait_for(pid, status);
}

static void in_face(const struct json *args, struct face *f, const char *probe, struct reply *r)
{
	struct {
		struct reply reply;
		bool done;
	} *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	if (shared == MAP_FAILED) {
		fault(r, "%s: no memory", f->call);
		return;
	}
	f->argv = probe_argv(probe);
	f->reply = &shared->reply;
	f->done = &shared->done;
	int error = run_face(args, f, r, &status);
	if (error != 0)
		fault(r, "%s: %s", f->call, strerror(error));
	if (!r->failed)
		settle_face(r, f, status);
	free_argv(f->argv);
	munmap(shared, sizeof *shared);
}

static void call_drop_capabilities(const struct json *args, const char *probe, struct reply *r)
{
	struct face f = {.call = "drop_capabilities", .inherit = json_true(args, "inherit")};
	const struct json *list = json_get(args, "keep");
	for (const struct json *m = list == NULL ? NULL : list->in; m != NULL; m = m->next) {
		int number = m->kind == JSON_TEXT ? capability_number(m->text) : -1;
		if (number < 0) {
			fault(r, "unknown capability \"%s\"", m->kind == JSON_TEXT ? m->text : "");
			return;
		}
		f.args.keep |= (uint64_t)1 << number;
	}
	in_face(args, &f, probe, r);
}

static bool holds(const struct json *list, const char *text)
{
	for (const struct json *m = list == NULL ? NULL : list->in; m != NULL; m = m->next)
		if (m->kind == JSON_TEXT && strcmp(m->text, text) == 0)
			return true;
	return false;
}

static bool check_syscalls(const struct json *list, struct reply *r)
{
	for (const struct json *m = list == NULL ? NULL : list->in; m != NULL; m = m->next) {
		bool known = false;
		for (int i = 0; i < syscall_count && !known; i++)
			known = m->kind == JSON_TEXT && strcmp(syscall_names[i].name, m->text) == 0;
		if (!known) {
			fault(r, "unknown system call \"%s\"", m->kind == JSON_TEXT ? m->text : "");
			return false;
		}
	}
	return true;
}

/* The system calls of a step: those it names, or all but those it names. */
static void call_setup_seccomp_filter(const struct json *args, const char *probe, struct reply *r)
{
	struct face f = {.call = "setup_seccomp_filter"};
	const struct json *allowed = json_get(args, "allowed"), *but = json_get(args, "allowed_all_but");
	if (!check_syscalls(allowed, r) || !check_syscalls(but, r))
		return;
	int *numbers = calloc((size_t)syscall_count, sizeof *numbers);
	if (numbers == NULL) {
		fault(r, "no memory for a list");
		return;
	}
	/* The even ones first: the contract promises no order. */
	for (int i = 0; i < 2 * syscall_count; i++) {
		const struct syscall_name *s = &syscall_names[i % syscall_count];
		if (s->number < 0 || s->number % 2 != i / syscall_count)
			continue;
		if (holds(allowed, s->name) || (but != NULL && !holds(but, s->name)))
			numbers[f.args.allowed_count++] = s->number;
	}
	f.args.allowed = numbers;
	in_face(args, &f, probe, r);
	free(numbers);
}

/* ---- Calls -------------------------------------------------------------- */

static int become_probe(void *argv)
{
	become(argv);
	return 127;
}

static void call_create_pid_namespace(const struct json *args, const char *probe, struct reply *r)
{
	char **argv = probe_argv(probe);
	struct moulinette_args given = {0};
	if (!json_true(args, "null")) {
		given.child_fn = become_probe;
		given.child_arg = argv;
	}
	settle_status(r, "create_pid_namespace", moulinette_call("create_pid_namespace", &given));
	free_argv(argv);
}

static void call_exec_in_netns(const struct json *args, const char *probe, struct reply *r)
{
	char **ours = probe_argv(probe), **theirs = json_texts(args, "argv");
	struct moulinette_args given = {.netns = json_text(args, "netns", ""), .argv = theirs == NULL ? ours : theirs};
	settle_status(r, "exec_in_netns", moulinette_call("exec_in_netns", &given));
	free_argv(ours);
	free_argv(theirs);
}

/* Asks the driver itself, or a face of it elsewhere. */
static void call_is_container_init(const struct json *args, const char *probe, struct reply *r)
{
	struct face f = {.call = "is_container_init"};
	if (json_get(args, "flags") != NULL || json_get(args, "process") != NULL) {
		in_face(args, &f, probe, r);
		return;
	}
	settle_status(r, f.call, moulinette_call(f.call, &f.args));
	r->failed = r->missing;
}

/* Starts the probe, or a program that leads to it, as a plain child, and waits
 * for it. */
static void call_run_probe(const struct json *args, const char *probe, struct reply *r)
{
	char **argv = json_texts(args, "argv");
	if (argv == NULL)
		argv = probe_argv(probe);
	int status = 0;
	pid_t pid = start_in(0, become_probe, argv);
	r->error = pid < 0 ? errno : wait_for(pid, &status);
	r->failed = r->error != 0;
	r->value = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	free_argv(argv);
}

/* Reads the pid of a call on a process; false after a fault. */
static bool read_pid(const struct json *args, struct reply *r, int *pid)
{
	const char *name = json_text(args, "process", "");
	const struct process *found = find_process(name);
	*pid = found != NULL ? found->pid : (int)json_number(args, "pid");
	if (name[0] != '\0' && found == NULL)
		fault(r, "no process \"%s\" in this world", name);
	return !r->failed;
}

/* Calls that answer 0 or -1 and nothing else. */
static void call_plain(const char *call, const struct json *args, struct reply *r)
{
	struct moulinette_net net = {0};
	struct moulinette_mnt mnt = {0};
	struct moulinette_args given = {
		.name = json_text(args, "name", ""), .a = json_text(args, "a", ""), .b = json_text(args, "b", ""),
		.iface = json_text(args, "iface", ""), .netns = json_text(args, "netns", ""), .ip = json_text(args, "ip", ""),
		.path = json_text(args, "path", ""), .target = json_text(args, "target", ""),
		.new_root = json_text(args, "new_root", ""), .put_old = json_text(args, "put_old", ""),
		.rootfs = json_text(args, "rootfs", ""), .text = json_text(args, "text", ""),
		.prefix = (int)json_number(args, "prefix"), .inside = (int)json_number(args, "inside"),
		.outside = (int)json_number(args, "outside"), .count = (int)json_number(args, "count"),
		.null = json_true(args, "null"),
	};
	given.net = read_net(json_get(args, "net"), &net) ? &net : NULL;
	given.mnt = read_mnt(json_get(args, "mnt"), &mnt, r) ? &mnt : NULL;
	if (r->failed || !read_pid(args, r, &given.pid))
		return;
	settle(r, call, moulinette_call(call, &given));
}

/* ---- The demo session --------------------------------------------------- */

/* Uses the shell alone: the container may hold no other program. */
#define HELLO "read -r name < /proc/sys/kernel/hostname; echo \"hello from $name, where I am PID $$\""

static void complain(struct reply *r, const char *title, const char *why)
{
	size_t used = strlen(r->text);
	printf("!! %s\n", why);
	snprintf(r->text + used, sizeof r->text - used, "%s%s: %s", used > 0 ? "\n" : "", title, why);
	r->failed = true;
}

static bool part(struct reply *all, const char *title, const char *call, const struct moulinette_args *args)
{
	struct reply one = {0};
	settle(&one, call, moulinette_call(call, args));
	fflush(stdout);
	if (one.failed)
		complain(all, title, one.text);
	return !one.failed;
}

static void hello(struct reply *all, const char *title)
{
	static char *argv[] = {"/bin/sh", "-c", HELLO, NULL};
	struct moulinette_config said = {.hostname = "seahaven", .cmd = argv};
	struct moulinette_args args = {.config = moulinette_make_config(&said)};
	struct moulinette_state state;
	struct reply waited = {0};
	if (args.config == NULL || !part(all, title, "container_init", &args) ||
	    !part(all, title, "container_create", &args))
		return;
	moulinette_look(args.config, &state);
	printf("created: PID %d, hostname %s\n", state.pid, state.hostname);
	fflush(stdout);
	struct moulinette_result result = moulinette_call("container_wait", &args);
	settle_state(&waited, args.config);
	settle_wait(&waited, result, state.pid);
	printf("ended: exit status %d\n", waited.value);
	if (waited.failed || waited.value != 0)
		complain(all, title, waited.failed ? waited.text : "the exit status is not 0");
	part(all, title, "container_print_status", &args);
	part(all, title, "container_cleanup", &args);
}

/* Everything that a submission can show a reader. It goes on after a failure and
 * answers all of them. */
static void call_demo(struct reply *r)
{
	static const char *const parts[][2] = {
		{"Namespaces of this process", "print_namespace_info"},
		{"PID namespace", "demonstrate_pid_isolation"},
		{"Network namespace", "demonstrate_network_isolation"},
		{"Mount propagation", "demonstrate_mount_propagation"},
		{"User namespace", "demonstrate_user_namespace"},
		{"A simple container", NULL},
	};
	struct moulinette_args none = {0};
	for (int i = 0; i < 6; i++) {
		printf("\n== %d. %s\n\n", i + 1, parts[i][0]);
		fflush(stdout);
		if (parts[i][1] != NULL)
			part(r, parts[i][0], parts[i][1], &none);
		else
			hello(r, parts[i][0]);
	}
}

/* ---- Requests ----------------------------------------------------------- */

/* Who may speak on the channel. A submission's child that returns into the shim
 * may not. */
static pid_t self;

static void stay_alone(void)
{
	static const char told[] =
		"grader: a child of yours came back from the function in which it was born, as a second caller: "
		"_exit() ends it.\n"
		"grader : un de vos enfants est revenu de la fonction où il est né, en second appelant : "
		"_exit() le termine.\n";
	if ((pid_t)RAW(SYS_getpid, 0, 0, 0, 0, 0) == self)
		return;
	RAW(SYS_write, 2, told, sizeof told - 1, 0, 0);
	for (;;)
		RAW(SYS_exit_group, 124, 0, 0, 0, 0);
}

/* Makes one call. */
static void one(const char *call, const struct json *args, const char *probe, struct reply *r)
{
	static const struct {
		const char *call;
		void (*make)(const struct json *, const char *, struct reply *);
	} special[] = {
		{"create_pid_namespace", call_create_pid_namespace}, {"exec_in_netns", call_exec_in_netns},
		{"is_container_init", call_is_container_init}, {"drop_capabilities", call_drop_capabilities},
		{"setup_seccomp_filter", call_setup_seccomp_filter}, {"run_probe", call_run_probe},
	};
	int64_t id = r->id;
	memset(r, 0, sizeof *r);
	r->id = id;
	if (strcmp(call, "demo") == 0) {
		call_demo(r);
		return;
	}
	if (strncmp(call, "container_", 10) == 0) {
		call_container(call, args, probe, r);
		return;
	}
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
		if (strcmp(call, special[i].call) != 0)
			continue;
		special[i].make(args, probe, r);
		return;
	}
	call_plain(call, args, r);
}

/* Makes one call, and those that go with it. */
static void once(const struct json *request, struct reply *r)
{
	const struct json *args = json_get(request, "args"), *then = json_get(request, "then");
	one(json_text(request, "call", ""), args, json_text(request, "probe", ""), r);
	stay_alone();
	if (then == NULL)
		return;
	char label[256], text[512];
	snprintf(label, sizeof label, "%s", json_text(args, "container", "main"));
	snprintf(text, sizeof text, "{\"container\":\"%s\"}", label);
	struct json *rest = json_read(text);
	for (const struct json *m = then->in; m != NULL && !r->failed; m = m->next) {
		one(m->kind == JSON_TEXT ? m->text : "", rest, "", r);
		stay_alone();
	}
	json_free(rest);
}

/* Makes the call as often as asked, up to its first failure unless told
 * otherwise, and keeps the last reply. */
static void answer(const struct json *request, struct reply *r)
{
	int64_t times = json_number(request, "times");
	int failed_at = 0;
	once(request, r);
	for (int64_t n = 1; times > 1; n++) {
		if (r->failed && failed_at == 0)
			failed_at = (int)n;
		if (n == times || (r->failed && (!json_true(request, "anyhow") || r->missing)))
			break;
		once(request, r);
	}
	r->failed_at = failed_at;
}

/* ---- The world ---------------------------------------------------------- */

static void remember(const char *name, pid_t pid)
{
	if (process_count == MAX_NAMED)
		return;
	processes[process_count].name = strdup(name);
	processes[process_count++].pid = pid;
}

static bool world_target(const struct json *target, struct reply *r)
{
	const char *name = json_text(target, "name", "");
	uint64_t flags;
	if (!read_flags(target, "flags", r, &flags))
		return false;
	char **argv = argv_of(TARGET_PATH, name);
	pid_t pid = start_target(flags, argv);
	free_argv(argv);
	if (pid < 0) {
		fault(r, "target %s: %s", name, strerror(errno));
		return false;
	}
	remember(name, pid);
	return true;
}

/* Starts the processes that a scenario wants beside its steps. */
static void world(const struct json *request, struct reply *r)
{
	const struct json *targets = json_get(request, "targets");
	for (const struct json *t = targets == NULL ? NULL : targets->in; t != NULL; t = t->next)
		if (!world_target(t, r))
			return;
	if (!json_true(request, "bystander"))
		return;
	pid_t pid = start_bystander();
	if (pid < 0)
		fault(r, "bystander: %s", strerror(errno));
	else
		remember("bystander", pid);
}

static void put_pids(struct json_writer *w)
{
	json_open(w, "pids");
	for (size_t i = 0; i < process_count; i++)
		json_put_number(w, processes[i].name, processes[i].pid);
	json_close(w);
}

/* ---- The channel -------------------------------------------------------- */

/* Answers one line; false if the channel is of no use any more. */
static bool serve_line(const char *line)
{
	static struct json_writer w;
	static struct reply r;
	struct json *request = json_read(line);
	if (request == NULL) {
		fprintf(stderr, "driver: request: not JSON\n");
		return false;
	}
	memset(&r, 0, sizeof r);
	r.id = json_number(request, "id");
	bool is_world = strcmp(json_text(request, "call", ""), "world") == 0;
	if (is_world)
		world(request, &r);
	else
		answer(request, &r);
	fflush(NULL);
	write_reply(&w, &r);
	if (is_world)
		put_pids(&w);
	json_free(request);
	return send_line(w.text, json_end(&w));
}

/* Reads the next line into a buffer of its own; NULL at the end. */
static char *next_line(void)
{
	static char *buffer;
	static size_t size, used, taken;
	memmove(buffer, buffer + taken, used - taken);
	used -= taken;
	taken = 0;
	for (size_t seen = 0;;) {
		char *end = used > seen ? memchr(buffer + seen, '\n', used - seen) : NULL;
		if (end != NULL) {
			*end = '\0';
			taken = (size_t)(end - buffer) + 1;
			return buffer;
		}
		seen = used;
		if (used == size) {
			char *more = realloc(buffer, size + 65536);
			if (more == NULL)
				return NULL;
			buffer = more;
			size += 65536;
		}
		ssize_t n = RAW(SYS_read, CHANNEL, buffer + used, size - used, 0, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		used += (size_t)n;
	}
}

int main(void)
{
	static const char greeting[] = "{\"id\":0,\"failed\":false,\"value\":0}\n";
	self = (pid_t)RAW(SYS_getpid, 0, 0, 0, 0, 0);
	if (RAW(SYS_fcntl, CHANNEL, F_SETFD, FD_CLOEXEC, 0, 0) < 0) {
		fprintf(stderr, "driver: descriptor %d (this program is started by the grader only): %s\n", CHANNEL,
		        strerror(errno));
		return 2;
	}
	bool alive = send_line(greeting, sizeof greeting - 1);
	for (char *line; alive && (line = next_line()) != NULL;)
		alive = serve_line(line);
	for (;;)
		RAW(SYS_exit_group, alive ? 0 : 2, 0, 0, 0, 0);
}
