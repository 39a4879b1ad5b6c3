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
		`#include/*a*/"x.h"/*b*//*c*/`: `include "x.h"`,
		"#/**/define x 1/*/ 2 */":      "define x 1",
		"#define x 1 /* open":          "define x 1",
	} {
		if got := Tokens([]byte(text + "\n"))[0]; got.Kind != Directive || got.Text != want {
			t.Errorf("%s: got %q; want %q", text, got.Text, want)
		}
	}
}
