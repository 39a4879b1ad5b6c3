package c17

import (
	"runtime"
	"strings"
	"testing"
)

// A line is as long as its author likes; what it takes to read it is not.
func TestLongDirective(t *testing.T) {
	const n = 50_000
	for _, line := range []string{
		strings.Repeat("#", n), strings.Repeat("%: ", n), "#define x " + strings.Repeat("# ", n), "#define x " + strings.Repeat("/**/", n),
		"#define x " + strings.Repeat("include<", n), "#define x " + strings.Repeat("/**/((<", n), "#define x " + strings.Repeat("\\\n", n),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		all := Declarations([]byte(line + "\nint f(void);\n"))
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 100<<20 {
			t.Errorf("%.12s...: %d MiB", line, taken>>20)
		}
		if got := all[len(all)-1].Names; len(all) != 2 || len(got) != 1 || got[0] != "f" {
			t.Errorf("%.12s...: got %d declarations, the last of %q", line, len(all), got)
		}
	}
}

func TestCommentsInADirective(t *testing.T) {
	for text, want := range map[string]string{
		`#include/*a*/"x.h"/*b*//*c*/`:                                `include "x.h"`,
		"#/**/define x 1/*/ 2 */":                                     "define x 1",
		"#define x 1 /* open":                                         "define x 1",
		"#define x 4 /* ends\n here */":                               "define x 4",
		"#define x 4 /* ends\n here */ + 1 // and\\\n goes on\nint f": "define x 4   + 1",
		`#define x "/*" + '"' /* " */ + 1`:                            `define x "/*" + '"'   + 1`,
		"#include <a//b/*c> // d":                                     "include <a//b/*c>",
		`#if __has_include("a\" /* b */)`:                             `if __has_include("a\"  )`,
		"%\\\n:define x ??/\n1":                                       "define x 1",
	} {
		if got := Tokens([]byte(text + "\n"))[0]; got.Kind != Directive || got.Text != want {
			t.Errorf("%s: got %q; want %q", text, got.Text, want)
		}
	}
}

// What the compiler does not read is no word: neither a comment that begins in a
// directive, nor a group under #if 0. What it does read stays one.
func TestReadAsTheCompilerDoes(t *testing.T) {
	for text, want := range map[string]string{
		"#define SIZE 4096 /* the same\n * size as runc uses */\nint a;":                    "#define SIZE 4096|int|a|;",
		"#define A /*\n\" */\n#include \"x.h\"\nint b;":                                     `#define A|#include "x.h"|x.h|int|b|;`,
		"\xEF\xBB\xBF#include \"x.h\"\n":                                                    `#include "x.h"|x.h`,
		"#if 0\nrunc\n#endif\na":                                                            "#if 0|#endif|a",
		"# if /**/ 0 // no\nrunc\n#ifdef X\n#else\nrunc\n#endif\nrunc\n#else\na\n#endif\nb": "#if   0|#else|a|#endif|b",
		"#if 0\nrunc\n#elif X\na\n#endif\nb":                                                "#if 0|#elif X|a|#endif|b",
		"#if 0\nit's /* no comment\n#endif\na":                                              "#if 0|#endif|a",
		"#if 0\n/*\n#endif\n*/ runc\n\x00 %\\\n:endif\na":                                   "#if 0|#endif|a",
		"#if 0\n/* *\\\n/\n#endif\na /* */":                                                 "#if 0|#endif|a",
		"#if 0\n#error it's /*\n#endif\na":                                                  "#if 0|#endif|a",
		"#if 00\na\n#endif":                                                                 "#if 00|a|#endif",
		"#if 0\ra\n#endif":                                                                  "#if 0\ra|#endif",
		"#if 0\na\r#endif\nb":                                                               "#if 0|a|#|endif|b",
		"// x ??/\n#if 0\na\n":                                                              "a",
		"\"x \\ \n#if 0\"\na":                                                               "x #if 0|a",
		"\"x\\\\\n\" #if 0\"\na":                                                            "x\\\" #if 0|a",
	} {
		var got []string
		for _, x := range Tokens([]byte(text)) {
			if x.Kind == Directive {
				x.Text = "#" + x.Text
			}
			got = append(got, x.Text)
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q:\n got %q\nwant %q", text, strings.Join(got, "|"), want)
		}
	}
}
