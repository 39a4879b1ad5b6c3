package submission

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTexts hands in any text, as Go and as C. Whatever is said about it, is said
// about a place in it, in characters that do no harm.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{
		good, littleC, "package a\n//line /etc/passwd:1\n", "#include </dev/zero>\n??=include F\n", "R\"(", "'", "/*", "\"\\", "#\\\n", "_Pragma(\"", "execl(((",
		"package student\nfunc New(", "import \"C\"", "\xff\xfe", "//go:embed\x00", "package \u202e", "#include\f\"..\"", "system(\"a\" \"b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"student.go", cFile} {
			s, err := FromFiles("", Files{name: []byte(text)})
			var build *BuildError
			var unusable *Unusable
			if err != nil && !errors.As(err, &build) && !errors.As(err, &unusable) {
				t.Errorf("got %v; want a BuildError or an Unusable", err)
			}
			var findings []Finding
			if build != nil {
				findings = build.Findings
			}
			if s != nil {
				findings = append(findings, s.Norm([]string{"docker"})...)
				_ = s.Hash()
			}
			lines := strings.Count(text, "\n") + 1
			for _, x := range findings {
				if x.Line > lines || x.FR == "" || x.EN == "" || Rules()[x.Rule] == "" {
					t.Errorf("finding %+v of a text of %d lines", x, lines)
				}
			}
		}
	})
}

// FuzzCompilerOutput: a student's text is in the compiler's words.
func FuzzCompilerOutput(f *testing.F) {
	for _, s := range []string{
		"# moulinette/student\nstudent/a.go:1:2: undefined: x\n\tmore\n", "submission/linux_namespaces.c:3:5: error: x\nsubmission/a.h:1:1: note: y\n",
		"./main.go:99999999999999999999:1: x\n", "a.s:1: Error: x\n", "submission/linux_namespaces.c:1: undefined reference to `main'\n", "\x1b[2J\xff:1:1: x",
		"/usr/local/go/pkg/tool/linux_amd64/compile: signal: killed\n",
	} {
		f.Add(s)
	}
	s, err := FromFiles("", Files{"student.go": []byte(good)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, output string) {
		findings := explainC([]byte(output))
		if build, ok := errors.AsType[*BuildError](s.explain([]byte(output))); ok {
			findings = append(findings, build.Findings...)
		}
		for _, x := range findings {
			text := strings.ReplaceAll(x.String()+x.FR, "\n\t", "")
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' }) {
				t.Errorf("%q", text)
			}
		}
	})
}
