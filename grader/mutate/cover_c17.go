package mutate

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"moulinette/grader/submission"
	"moulinette/grader/submission/c17"
)

// notingC stands before the first function of a C text that notes which of its
// functions are entered.
const notingC = `#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned char executed_here[%d];
static unsigned char *executed_functions = executed_here;

__attribute__((constructor)) static void share_executed_functions(void)
{
	int fd = open("%s0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *shared = mmap(0, sizeof executed_here, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared != MAP_FAILED)
		executed_functions = shared;
	close(fd);
}

`

// InstrumentC makes a copy of a submission in C that notes each function when it
// is entered, in the one file of [Cover.Files]. It fails if there are none, or more
// than that holds.
func InstrumentC(files submission.Files) (submission.Files, *Cover, error) {
	c, copied := &Cover{}, maps.Clone(files)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) != ".c" {
			continue
		}
		var patches []patch
		for _, d := range c17.Declarations(files[name]) {
			if !d.Function {
				continue
			}
			if len(patches) == 0 {
				patches = append(patches, patch{d.Start, d.Start, fmt.Sprintf(notingC, notes, Executed)})
			}
			patches = append(patches, patch{d.Body + 1, d.Body + 1, fmt.Sprintf(" executed_functions[%d] = '%c';", c.n, noted)})
			c.lists = append(c.lists, list{name, d.Body, d.End, []statement{{c.n, d.Body, d.End}}})
			c.n++
		}
		copied[name] = patched(files[name], patches)
	}
	if c.parts() != 1 {
		return nil, nil, fmt.Errorf("%d functions in C: their notes fill %d files, and there is one", c.n, c.parts())
	}
	return copied, c, nil
}
