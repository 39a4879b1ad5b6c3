/* Names of numbers: errno values, capabilities, namespaces, system calls. */
#ifndef MOULINETTE_TABLES_H
#define MOULINETTE_TABLES_H

#include "names.h"

#include <stdbool.h>
#include <stdint.h>

/* "" for zero and for what has no name. */
const char *errno_name(int error);
/* -1: unknown. CAP_ may be left out, case does not count. */
int capability_number(const char *name);
/* A CLONE_NEW* bit; 0: unknown. */
uint64_t namespace_flag(const char *name);

/* System calls, in no order. number is -1 for a call that only other
 * architectures have. */
struct syscall_name {
	const char *name;
	int number;
};
extern const struct syscall_name syscall_names[];
extern const int syscall_count;

#endif
