#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

long raw_call(long number, long a, long b, long c, long d, long e)
{
	long result;
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
	                 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	result = x0;
#else
#error "this machine's system calls are not known here"
#endif
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

/* The bare call: fork handlers are the submission's. */
pid_t start_in(uint64_t flags, int (*fn)(void *), void *arg)
{
	pid_t pid = (pid_t)RAW(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		for (int status = fn(arg);;)
			RAW(SYS_exit_group, status, 0, 0, 0, 0);
	return pid;
}

int wait_for(pid_t pid, int *status)
{
	while (RAW(SYS_wait4, pid, status, 0, 0, 0) < 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

/* A process that goes into the PID namespace has its children there; it tells
 * over shared memory how the guest ended. */
struct visit {
	pid_t of;
	int (*fn)(void *);
	void *arg;
	int error, status;
};

static int visit(void *arg)
{
	struct visit *v = arg;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)v->of);
	int fd = (int)RAW(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0);
	if (fd < 0 || RAW(SYS_setns, fd, CLONE_NEWPID, 0, 0, 0) < 0)
		return v->error = errno;
	pid_t guest = start_in(0, v->fn, v->arg);
	v->error = guest < 0 ? errno : wait_for(guest, &v->status);
	return 0;
}

int run_as_guest(pid_t of, int (*fn)(void *), void *arg, int *status)
{
	struct visit *v = mmap(NULL, sizeof *v, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (v == MAP_FAILED)
		return errno;
	*v = (struct visit){.of = of, .fn = fn, .arg = arg, .error = ECANCELED};
	pid_t pid = start_in(0, visit, v);
	int error = pid < 0 ? errno : wait_for(pid, status);
	if (error == 0) {
		error = v->error;
		*status = v->status;
	}
	munmap(v, sizeof *v);
	return error;
}

int become(char *const argv[])
{
	RAW(SYS_execve, argv[0], argv, environ, 0, 0);
	return errno;
}

int inherit_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];
	if (RAW(SYS_capget, &head, halves, 0, 0, 0) < 0)
		return errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		halves[i].inheritable = halves[i].permitted;
	if (RAW(SYS_capset, &head, halves, 0, 0, 0) < 0)
		return errno;
	for (int c = 0; c < 64 && RAW(SYS_prctl, PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if ((halves[c / 32].permitted >> (c % 32) & 1) && RAW(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
			return errno;
	return 0;
}

struct target {
	uint64_t flags;
	char *const *argv;
};

/* Nobody (there is no map yet) keeps over execve only what is ambient. */
static int target(void *arg)
{
	struct target *t = arg;
	if ((t->flags & CLONE_NEWUSER) && inherit_capabilities() != 0)
		return 125;
	become(t->argv);
	return 127;
}

pid_t start_target(uint64_t flags, char *const argv[])
{
	struct target t = {flags, argv};
	return start_in(flags, target, &t);
}

static int nothing(void *arg) { return (void)arg, 0; }

pid_t start_bystander(void)
{
	pid_t pid = start_in(0, nothing, NULL);
	siginfo_t info;
	while (pid > 0 && RAW(SYS_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, 0) < 0)
		if (errno != EINTR)
			return -1;
	return pid;
}
