package submission

import (
	"errors"
	"strings"
	"testing"
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
		for _, name := range []string{"student.go", CFile} {
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
