package words

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"moulinette/grader/submission"
)

// FuzzCompilerOutput: a student's text is in the compiler's words.
func FuzzCompilerOutput(f *testing.F) {
	for _, s := range []string{
		"# moulinette/student\nstudent/a.go:1:2: undefined: x\n\tmore\n", "submission/linux_namespaces.c:3:5: error: x\nsubmission/a.h:1:1: note: y\n",
		"./main.go:99999999999999999999:1: x\n", "a.s:1: Error: x\n", "submission/linux_namespaces.c:1: undefined reference to `main'\n", "\x1b[2J\xff:1:1: x",
		"/usr/local/go/pkg/tool/linux_amd64/compile: signal: killed\n",
	} {
		f.Add(s)
	}
	s, err := submission.FromFiles("", submission.Files{"student.go": []byte("package student\n\nimport \"moulinette/grader/contract\"\n\nfunc New() contract.Runtime { return contract.Unimplemented{} }\n")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, output string) {
		findings := ExplainC([]byte(output))
		if build, ok := errors.AsType[*submission.BuildError](Explain(s, []byte(output))); ok {
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
