package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"moulinette/grader/build"
	"moulinette/grader/lack"
	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

// Who wants a header that this host lacks does not keep the others from being built.
func TestMissingHeaderLeavesTheOthers(t *testing.T) {
	const text = "#include <stdio.h>\n#include <stdlib.h>\n\nint one(void) { return 1; }\n\nint two(void) { return 2; }\n"
	files := func(from, to string) submission.Files {
		return submission.Files{"linux_namespaces.c": []byte(strings.Replace(strings.Replace(text, from, to, 1), "return", " return", 1))}
	}
	for _, test := range []struct {
		err  error
		want string // left in the blend
	}{
		{&lack.Error{EN: "install it", Err: &build.Missing{Header: "seccomp.h"}}, "plain"},
		{&build.Missing{Header: "sys/capability.h"}, "plain seccomp"},
		{&build.Missing{Header: "stdio.h"}, "plain seccomp"}, // of the reference itself
		{fmt.Errorf("something else"), "plain seccomp"},
		{nil, "plain seccomp"},
	} {
		base := &Solution{ID: "reference_c17", Kind: Reference, language: submission.C17, files: submission.Files{"linux_namespaces.c": []byte(text)}}
		b := newBlend(base)
		for id, changed := range map[string]submission.Files{
			"plain": files("return 2", "return 3"), "seccomp": files("#include <stdlib.h>\n", "#include <stdlib.h>\n#include <seccomp.h>\n"),
		} {
			if !b.add(&Solution{ID: id, Kind: Mutant, base: base, files: changed, Mutant: &mutate.Mutant{}}) {
				t.Fatalf("%s is not taken in", id)
			}
		}
		left := b.wanting(test.err)
		in := ids(b.members)
		slices.Sort(in)
		if got := strings.Join(in, " "); got != test.want || len(left)+len(in) != 2 {
			t.Errorf("%v: in it are %s, %d were left out; want %s", test.err, got, len(left), test.want)
		}
	}
}
