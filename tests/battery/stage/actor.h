#ifndef ACTOR_H
#define ACTOR_H

#include "guard.h"
#include "linux_namespaces.h"

#include <errno.h>

/* What a hostile program in C does. It returns 0 or an errno. */
static int act(int (*child_fn)(void *), void *arg);

int create_pid_namespace(int (*child_fn)(void *), void *arg)
{
	in_a_box();
	errno = act(child_fn, arg);
	return -1;
}

#endif
