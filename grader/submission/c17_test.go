package submission

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const littleC = `#include "linux_namespaces.h"
#include <unistd.h>
bool is_container_init(void) { return getpid() == 1; }
`

func TestLanguage(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  Language
		built []string
	}{
		{"C", map[string]string{"linux_namespaces.c": littleC, "linux_namespaces.h": "", "util.h": "", "test_main.c": "int main;", "c/deep.c": ""}, C17, []string{"linux_namespaces.c", "linux_namespaces.h", "util.h"}},
		{"C in parts", map[string]string{
			"linux_namespaces.c": "#include \"src/net.c\"\n#include \"table.inc\"\n#include <src/none.h>\n#include \"src/gone.h\"", "src/net.c": "#include \"../inc/own.h\"\n",
			"inc/own.h": "#include \"deep/er.def\"", "inc/deep/er.def": "", "inc/other.h": "", "src/none.h": "", "table.inc": "", "src/pid.c": "",
		}, C17, []string{"inc/deep/er.def", "inc/own.h", "linux_namespaces.c", "src/net.c", "table.inc"}},
		{"C with a header in parts that it does not include", map[string]string{
			"linux_namespaces.c": littleC[len("#include \"linux_namespaces.h\"\n"):], "linux_namespaces.h": "#include \"inc/types.h\"\n", "inc/types.h": "",
		}, C17, []string{"inc/types.h", "linux_namespaces.c", "linux_namespaces.h"}},
		{"C without its header", map[string]string{"linux_namespaces.c": littleC}, C17, []string{"linux_namespaces.c"}},
		{"Go with C below", map[string]string{"a.go": goodGo, "c17/linux_namespaces.c": littleC}, Go, []string{"a.go"}},
		{"Go with C beside", map[string]string{"a.go": goodGo, "linux_namespaces.c": littleC}, Go, []string{"a.go"}},
		{"C with Go below", map[string]string{"linux_namespaces.c": littleC, "go/a.go": goodGo}, C17, []string{"linux_namespaces.c"}},
		{"C with Go for another system", map[string]string{"linux_namespaces.c": littleC, "a_windows.go": goodGo}, C17, []string{"linux_namespaces.c"}},
		{"C with Go that is never built", map[string]string{
			"linux_namespaces.c": littleC, "gen.go": "//go:build ignore\n\npackage main\n", "_old.go": goodGo, "._x.go": "\x00\x05",
		}, C17, []string{"linux_namespaces.c"}},
		{"C with a Go test", map[string]string{"linux_namespaces.c": littleC, "a_test.go": goodGo}, C17, []string{"linux_namespaces.c"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(folderOf(t, test.files))
			must(t, err)
			var built []string
			for name := range s.Files {
				built = append(built, name)
			}
			slices.Sort(built)
			if s.Language != test.want || !slices.Equal(built, test.built) {
				t.Errorf("got %s %v; want %s %v", s.Language, built, test.want, test.built)
			}
		})
	}
}

const goodGo = "package student\n\nimport \"moulinette/grader/contract\"\n\nfunc New() contract.Runtime { return contract.Unimplemented{} }\n"

func TestCNotices(t *testing.T) {
	s, err := Open(folderOf(t, map[string]string{"linux_namespaces.c": littleC, "test_main.c": "int main;"}))
	must(t, err)
	var got []string
	for _, f := range s.Notices {
		got = append(got, f.Rule+" "+f.File)
	}
	if want := []string{"ignored test_main.c", "ignored "}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestCRefused(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"#include </etc/passwd>", "1: #include </etc/passwd>"},
		{"\n# include \"../secret.h\"", "2: #include \"../secret.h\""},
		{"#define F \"/etc/passwd\"\n#include F", "2: #include F"},
		{"%:include \"/dev/zero\"", "1: #include \"/dev/zero\""},
		{"??=include \"/dev/zero\"", "1: #include \"/dev/zero\""},
		{"#inc\\\nlude \"/dev/zero\"", "1: #include \"/dev/zero\""},
		{"/* a */ #/**/include \"/dev/zero\"", "1: #include \"/dev/zero\""},
		{"#inc\\\r\nlude \"/dev/zero\"", "1: #include \"/dev/zero\""},
		{"#include \"a/../../x.h\"", "1: #include \"a/../../x.h\""},
		{"#include \"arpa/../x.h\"", "1: #include \"arpa/../x.h\""},
		{"#include <../x.h>", "1: #include <../x.h>"},
		{"#include_next <stdio.h>", "1: #include_next"},
		{"__asm__(\".incbin \\\"/etc/passwd\\\"\");", "1: .incbin"},
		{"// #include \"/dev/zero\"\n/*\n#include \"/dev/zero\"\n*/\nchar *s = \"#include </a>\";", ""},
		{"#include <sys/capability.h> // /etc\n#include \"util.h\"", ""},
	} {
		_, err := FromFiles("", Files{CFile: []byte(test.text)})
		switch build := (*BuildError)(nil); {
		case test.want == "" && err == nil:
		case test.want == "" || !errors.As(err, &build) || !strings.HasPrefix(build.Findings[0].String(), CFile+":"+test.want):
			t.Errorf("%q: got %v; want %q", test.text, err, test.want)
		}
	}
}

// TestCPartsRefused: what is included is looked at as what includes it.
func TestCPartsRefused(t *testing.T) {
	for part, want := range map[string]string{
		"#include \"../linux_namespaces.h\"":          "",
		"#include \"../../linux_namespaces.h\"":       "src/part.c:1: #include \"../../linux_namespaces.h\"",
		"#include \"../src/../../secret.h\"":          "src/part.c:1: #include \"../src/../../secret.h\"",
		"\n__asm__(\".incbin \\\"/etc/passwd\\\"\");": "src/part.c:2: .incbin",
	} {
		_, err := FromFiles("", Files{CFile: []byte("#include \"src/part.c\"\n"), "src/part.c": []byte(part)})
		build := (*BuildError)(nil)
		if refused := errors.As(err, &build); refused != (want != "") || refused && !strings.HasPrefix(build.Findings[0].String(), want) {
			t.Errorf("%q: got %v; want %q", part, err, want)
		}
	}
}
