/* Processes that the shim starts: targets, the bystander, and faces. None of it
 * opens a descriptor, for a pipe could meet a fault that is meant for the
 * submission. */
#ifndef MOULINETTE_PROCESS_H
#define MOULINETTE_PROCESS_H

#include "names.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A system call as syscall(2) makes it, which a submission may have redefined. */
long raw_call(long number, long a, long b, long c, long d, long e);
#define RAW(number, a, b, c, d, e) raw_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

/* Where the probe is, and its command line; the name may be NULL. */
#define PROBE_PATH "/moulinette/probe"
#define TARGET_PATH "/moulinette/target"

/* Starts fn(arg) in a child in new namespaces; its exit status is fn's. */
pid_t start_in(uint64_t flags, int (*fn)(void *), void *arg);
/* The same in the PID namespace of a process, waits for it, and leaves its wait
 * status. 0 or an errno. */
int run_as_guest(pid_t of, int (*fn)(void *), void *arg, int *status);
/* Waits for a child. 0 or an errno. */
int wait_for(pid_t pid, int *status);

/* Becomes a program and needs no other system call for it. An errno. */
int become(char *const argv[]);

/* Makes what the caller is permitted inheritable and ambient. 0 or an errno. */
int inherit_capabilities(void);

/* Starts the probe with that name as a target. The pid, or -1. */
pid_t start_target(uint64_t flags, char *const argv[]);
/* Starts a child that ends at once, and sees it end without reaping it. */
pid_t start_bystander(void);

#endif
