package grader_test

import (
	"os"
	"path/filepath"
	"testing"

	"moulinette/grader"
	"moulinette/grader/sandbox/fake"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// What is refused before it is compiled is told in its own language.
func TestRefusedInC(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, submission.CFile), []byte("#include \"../x.h\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sheet, err := grader.Grade(t.Context(), grader.Options{Exercise: &spec.Exercise{}, Submission: dir, Opener: &fake.Opener{}})
	if err != nil || sheet.Build == nil || sheet.Language != "c17" || sheet.Content == "" {
		t.Errorf("%+v, %v; want a refusal of C", sheet, err)
	}
}

// What an exercise forbids to import costs what it says that findings cost; what
// it only does not list costs nothing.
func TestImportsAreFindings(t *testing.T) {
	s, err := submission.FromFiles("", submission.Files{"a.go": []byte("package student\n\nimport (\n\t_ \"net/http\"\n\n\t_ \"golang.org/x/sys/unix\"\n\n\t\"moulinette/grader/contract\"\n)\n\nfunc New() contract.Runtime { return nil }\n")})
	if err != nil {
		t.Fatal(err)
	}
	for _, blocking := range []bool{true, false} {
		costs := map[string]bool{}
		for _, f := range grader.Findings(s, spec.Norm{Blocking: blocking, AllowedImports: []string{"golang.org/x/net/bpf"}, ForbiddenImports: []string{"net/http"}}) {
			costs[f.Rule] = f.Blocking
		}
		if other, told := costs["other_import"]; len(costs) != 2 || costs["forbidden_import"] != blocking || other || !told {
			t.Errorf("blocking %v: the findings cost %v", blocking, costs)
		}
	}
}
