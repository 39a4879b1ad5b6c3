package submission_test

import (
	"errors"
	"strings"
	"testing"

	"moulinette/grader/submission"
	"moulinette/grader/submission/norm"
)

// FuzzTexts hands in any text, as Go and as C. Whatever is said about it, is said
// about a place in it, in characters that do no harm.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{
		"package student\n\nimport \"moulinette/grader/contract\"\n\nfunc New() contract.Runtime { return contract.Unimplemented{} }\n",
		"#include \"linux_namespaces.h\"\n#include <unistd.h>\nbool is_container_init(void) { return getpid() == 1; }\n",
		"package a\n//line /etc/passwd:1\n", "#include </dev/zero>\n??=include F\n", "R\"(", "'", "/*", "\"\\", "#\\\n", "_Pragma(\"", "execl(((",
		"package student\nfunc New(", "import \"C\"", "\xff\xfe", "//go:embed\x00", "package \u202e", "#include\f\"..\"", "system(\"a\" \"b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"student.go", submission.CFile} {
			s, err := submission.FromFiles("", submission.Files{name: []byte(text)})
			var build *submission.BuildError
			var unusable *submission.Unusable
			if err != nil && !errors.As(err, &build) && !errors.As(err, &unusable) {
				t.Errorf("got %v; want a BuildError or an Unusable", err)
			}
			var findings []submission.Finding
			if build != nil {
				findings = build.Findings
			}
			if s != nil {
				findings = append(findings, norm.Of(s, []string{"docker"}, norm.Packages{Allowed: []string{"fmt"}, Forbidden: []string{"os/..."}})...)
				_ = s.Hash()
			}
			lines := strings.Count(text, "\n") + 1
			for _, x := range findings {
				if x.Line > lines || x.FR == "" || x.EN == "" || submission.Rules()[x.Rule] == "" {
					t.Errorf("finding %+v of a text of %d lines", x, lines)
				}
			}
		}
	})
}
