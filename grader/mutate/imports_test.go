package mutate

import (
	"strings"
	"testing"

	"moulinette/grader/submission"
)

// A name that an import binds to another path means something else wherever it stands,
// though no such line differs: then nothing can be told of what a scenario comes to,
// and what is as in the reference does not stand for it.
func TestOtherBindings(t *testing.T) {
	const text = "package reference\n\nimport (\n\t\"math/rand\"\n\t\"golang.org/x/sys/unix\"\n)\n\n" +
		"func Open() error { return unix.Close(rand.Int()) }\n\nfunc twice(n int) int { return 2 * n }\n"
	files := func(text string) submission.Files {
		return submission.Files{"a.go": []byte(text), "b.go": []byte("package reference\n\nimport \"strings\"\n\nvar up = strings.ToUpper\n")}
	}
	for _, test := range []struct {
		name, from, to string
		known          bool
	}{
		{"another path", `"golang.org/x/sys/unix"`, `unix "syscall"`, false},
		{"another version", `"math/rand"`, `"math/rand/v2"`, false},
		{"the same under its name", `"golang.org/x/sys/unix"`, `unix "golang.org/x/sys/unix"`, true},
		{"one more", `"math/rand"`, `"math/rand"; "os"`, true},
		{"one for its init", `"math/rand"`, `"math/rand"; _ "os"`, true},
		{"all names of one", `"math/rand"`, `"math/rand"; . "os"`, false},
		{"the name of another file's", `"math/rand"`, `"math/rand"; strings "bytes"`, false},
	} {
		changed := strings.Replace(text, test.from, test.to, 1)
		g, h := NewGraph(files(text)), NewGraph(files(changed))
		for _, pair := range [][2]*Graph{{g, h}, {h, g}} {
			if names, known := pair[0].Changed(pair[1]); known != test.known || len(names) > 0 {
				t.Errorf("%s: changed %v, known %v; want nothing, %v", test.name, names, known, test.known)
			}
		}
		if got := NewSchemata(files(text)).Add("m", files(strings.Replace(changed, "2 * n", "3 * n", 1))); test.name != "the name of another file's" && got != test.known {
			t.Errorf("%s: taken in %v; want %v", test.name, got, test.known)
		}
	}
}

func TestVersionIsNoName(t *testing.T) {
	text := "package reference\n\nimport \"math/rand/v2\"\n\nfunc one() int { return rand.IntN(1) }\n"
	if got := mendImports("a.go", submission.Files{"a.go": []byte(text)}, packages()); string(got) != text {
		t.Errorf("got %s; want it as it was", got)
	}
}

// A macro that is the C library's own changes what its headers declare and do, where
// nobody mentions it.
func TestReservedMacros(t *testing.T) {
	const text = "#define _GNU_SOURCE\n#include \"linux_namespaces.h\"\n#include <stdio.h>\n\n#define OWN 1\n\n" +
		"static int one(void) { return OWN; }\n\nint speak(void) { return one(); }\n"
	for _, test := range []struct {
		name, from, to string
		known          bool
	}{
		{"left out", "#define _GNU_SOURCE\n", "", false},
		{"another value", "_GNU_SOURCE\n", "_GNU_SOURCE 2\n", false},
		{"one more", "#define OWN 1", "#define _FORTIFY_SOURCE 2\n#define OWN 1", false},
		{"another word", "#define OWN 1", "#define __REDIRECT 2\n#define OWN 1", false},
		{"after the headers", "#define _GNU_SOURCE\n#include \"linux_namespaces.h\"\n#include <stdio.h>\n", "#include \"linux_namespaces.h\"\n#include <stdio.h>\n#define _GNU_SOURCE\n", false},
		{"one's own", "#define OWN 1", "#define OWN 2", true},
	} {
		changed := strings.Replace(text, test.from, test.to, 1)
		g, h := NewGraph(filesC(text)), NewGraph(filesC(changed))
		for _, pair := range [][2]*Graph{{g, h}, {h, g}} {
			if _, known := pair[0].Changed(pair[1]); known != test.known {
				t.Errorf("%s: known %v; want %v", test.name, known, test.known)
			}
		}
		if got := NewSchemataC17(filesC(text)).Add("m", filesC(strings.Replace(changed, "one();", "one() + 1;", 1))); got != test.known {
			t.Errorf("%s: taken in %v; want %v", test.name, got, test.known)
		}
	}
}
