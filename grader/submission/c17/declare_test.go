package c17_test

import (
	"fmt"
	"strings"
	"testing"

	"moulinette/grader/submission/c17"
)

func TestDeclarations(t *testing.T) {
	for text, want := range map[string]string{
		"#include <stdio.h>\nint f(int a)\n{\n\treturn g(a, \"h(\") + K;\n}\n":                        "[] []; f() [f a g K]",
		"static int spawn(int (*fn)(void *), void *arg) { if (fn) { return 1; } return fn(arg); }":    "static spawn() [spawn fn arg]",
		"int f(int);\nextern const Info table[COUNT];":                                                "[f] [f]; [Info table COUNT] [Info table COUNT]",
		"static const struct device { const char *name; } devices[] = { {NULL_NAME} };":               "static [device devices] [device name devices NULL_NAME]",
		"enum { A = 1, B };\ntypedef enum { C, D } Kind;":                                             "[A B] [A B]; [C D Kind] [C D Kind]",
		"#define LOOK(x) \\\n\tgaze(x)\nint n = LOOK(3);":                                             "[LOOK] [x gaze]; [n] [n LOOK]",
		"int f(void)\n{\n#ifdef DEEP\n\treturn 2;\n#endif\n\treturn 1;\n}\nint g(void) { return 0; }": "f() [f DEEP]; g() [g]",
		"int f(void) /* ; { */ { return '}'; } // }":                                                  "f() [f]",
		"__attribute__((constructor)) static void early(void) { x(); }":                               "static __attribute__() [__attribute__ constructor early x]",
		"typedef int (*entry)(void *);":                                                               "[entry] [entry]",
	} {
		var got []string
		for _, d := range c17.Declarations([]byte(text)) {
			names := fmt.Sprint(d.Names)
			if d.Function {
				names = strings.Join(d.Names, " ") + "()"
				if text[d.Body] != '{' || text[d.End-1] != '}' {
					t.Errorf("%q: body %d to %d", text, d.Body, d.End)
				}
			}
			if d.Static {
				names = "static " + names
			}
			got = append(got, names+" "+fmt.Sprint(d.Mentions))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%q:\n got %s\nwant %s", text, strings.Join(got, "; "), want)
		}
	}
}
