/*
 * A small test program to begin with, without the moulinette:
 *
 *     gcc -Wall -Wextra -Werror -std=c17 linux_namespaces.c test_main.c -o container_demo
 *     sudo ./container_demo            (or, as yourself: unshare -rUm ./container_demo)
 *
 * It looks at the kernel as far as one process can, and it is not your grade: the
 * grader looks from outside, and does not compile this file.
 */
#define _GNU_SOURCE
#include "linux_namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures, checks;

/* Says whether something holds, and counts. */
static void check(bool holds, const char *what)
{
	checks++;
	failures += !holds;
	printf("  %s %s\n", holds ? "ok  " : "FAIL", what);
	fflush(stdout);
}

/* What a child has seen, for its parent to look at. */
static struct seen {
	pid_t pid, parent;
	char ns[64], arg[32];
} *seen;

static int identity(const char *path, char *out, size_t size)
{
	ssize_t n = readlink(path, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -1 : 0;
}

static int look_around(void *arg)
{
	seen->pid = getpid();
	seen->parent = getppid();
	identity("/proc/thread-self/ns/pid", seen->ns, sizeof seen->ns);
	snprintf(seen->arg, sizeof seen->arg, "%s", (const char *)arg);
	return 42;
}

static int die(void *arg)
{
	(void)arg;
	abort(); /* PID 1 too: abort removes its handlers and insists */
}

static int exit_high(void *arg)
{
	(void)arg;
	return 200;
}

/* How many descriptors are open here. */
static int descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_pid(void)
{
	char home[64], after[64], name[] = "truman";
	int before = descriptors();
	printf("PID namespace\n");
	memset(seen, 0, sizeof *seen);
	identity("/proc/self/ns/pid", home, sizeof home);
	check(create_pid_namespace(look_around, name) == 42, "the child's exit status comes back: 42");
	check(seen->pid == 1, "the child is PID 1");
	check(seen->parent == 0, "and has no parent inside");
	check(strcmp(seen->arg, "truman") == 0, "its argument arrives");
	check(identity("/proc/self/ns/pid", after, sizeof after) == 0 && strcmp(home, after) == 0, "the parent stays at home");
	check(create_pid_namespace(exit_high, NULL) == 200, "a status above 127 is still a status");
	int status = create_pid_namespace(die, NULL);
	check(status == -1 || status > 128, "killed is not success");
	errno = 0;
	check(create_pid_namespace(NULL, NULL) == -1 && errno == EINVAL, "no function: EINVAL");
	check(is_container_init() == (getpid() == 1), "is_container_init knows who we are");
	check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no zombie is left");
	check(descriptors() == before, "no descriptor is left");
}

/* A child that waits in a user namespace until its pipe ends. */
static int wait_for_end(void *arg)
{
	int *ends = arg;
	char byte;
	close(ends[1]);
	return read(ends[0], &byte, 1) == 0 ? 0 : 1;
}

static bool file_says(pid_t pid, const char *file, const char *wanted)
{
	char path[64], text[128] = "";
	unsigned a, b, c;
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(path, "re");
	if (f == NULL || fgets(text, sizeof text, f) == NULL)
		text[0] = '\0';
	if (f != NULL)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (sscanf(text, "%u %u %u", &a, &b, &c) == 3)
		snprintf(text, sizeof text, "%u %u %u", a, b, c);
	return strcmp(text, wanted) == 0;
}

static void test_user(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	char wanted[64];
	int ends[2];
	printf("User namespace\n");
	if (pipe(ends) < 0)
		return;
	pid_t pid = clone(wait_for_end, stack + sizeof stack, CLONE_NEWUSER | SIGCHLD, ends);
	if (pid < 0) {
		printf("  (this system refuses user namespaces: %s)\n", strerror(errno));
	} else {
		snprintf(wanted, sizeof wanted, "0 %d 1", (int)geteuid());
		check(write_uid_map(pid, wanted) == 0 && file_says(pid, "uid_map", wanted), "the uid_map is written");
		check(write_uid_map(pid, wanted) == -1 && errno == EPERM, "a second time is refused, and you say so");
		check(deny_setgroups(pid) == 0 && file_says(pid, "setgroups", "deny"), "setgroups is denied");
		snprintf(wanted, sizeof wanted, "0 %d 1", (int)getegid());
		check(setup_gid_map(pid, 0, (int)getegid(), 1) == 0 && file_says(pid, "gid_map", wanted), "the gid_map is written");
	}
	close(ends[0]);
	close(ends[1]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	check(write_uid_map(-1, "0 0 1") == -1, "a pid below 1 is refused");
}

static void test_container(void)
{
	char *echo[] = {"/bin/sh", "-c", "read -r name < /proc/sys/kernel/hostname; echo \"  hello from $name, PID $$\"; exit 7", NULL};
	ContainerConfig c = {.hostname = "seahaven", .cmd = echo};
	char before[65] = "", after[65] = "";
	int open_before = descriptors();
	printf("Container\n");
	gethostname(before, sizeof before - 1);
	errno = 0;
	check(container_create(NULL) == -1 && errno == EINVAL, "no configuration: EINVAL");
	check(container_init(&c) == 0 && c.clone_flags != 0, "container_init fills in the flags");
	bool created = container_create(&c) == 0;
	check(created && c.pid > 1, "it is created, and has a real PID");
	check(created && container_wait(&c) >= 0, "it is waited for");
	check(created && WIFEXITED(c.status) && WEXITSTATUS(c.status) == 7, "status says that it exited with 7");
	check(container_cleanup(&c) == 0, "it is cleaned up");
	gethostname(after, sizeof after - 1);
	check(strcmp(before, after) == 0, "the host keeps its name");
	check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no zombie is left");
	check(descriptors() == open_before, "no descriptor is left");
}

static void test_mounts(void)
{
	char folder[] = "/tmp/seahaven-XXXXXX";
	printf("Mount propagation\n");
	if (mkdtemp(folder) == NULL)
		return;
	check(make_mount_private(folder) == -1 && errno == EINVAL, "a folder is no mount: EINVAL");
	rmdir(folder);
}

int main(void)
{
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	printf("Good morning! And in case I don't see you: good afternoon, good evening, and good night.\n\n");
	check(print_namespace_info() == 0, "print_namespace_info");
	test_pid();
	test_mounts();
	test_user();
	test_container();
	printf("\n%d of %d checks hold.%s\n", checks - failures, checks,
	       geteuid() != 0 ? " You are not root: much is refused to you." : "");
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
