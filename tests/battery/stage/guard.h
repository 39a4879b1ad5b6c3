#ifndef GUARD_H
#define GUARD_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ends a program that finds itself outside of a box, as guard.go does. */
static inline void in_a_box(void)
{
	unsigned long inside = 0, outside = 0, count = 0;
	struct stat sock;
	FILE *maps = fopen("/proc/self/uid_map", "re");
	int got = maps == NULL ? 0 : fscanf(maps, "%lu %lu %lu", &inside, &outside, &count);

	if (maps != NULL)
		fclose(maps);
	if (got != 3 || stat("/moulinette/sock", &sock) != 0 || (inside == outside && count == 4294967295)) {
		fputs("not in a box: nothing was done\n", stderr);
		_exit(66);
	}
}

#endif
