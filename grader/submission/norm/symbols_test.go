package norm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moulinette/grader/build"
	"moulinette/grader/submission"
	"moulinette/grader/submission/norm"
)

func TestImportsOfAnObject(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc")
	}
	b := &build.Builder{Cache: filepath.Join(t.TempDir(), "cache"), Sources: os.DirFS("../..")}
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(`#include "linux_namespaces.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

extern int podman(void) __attribute__((weak));

/* strtok("in a comment") */
bool is_container_init(void)
{
	char text[] = "strtok(1)";
	int n = 0;
	if (sscanf(text, "%d", &n) == 1 && makedev(1, 3) == 0)
		return strtok(text, "(") == NULL;
	return getpid() == 1 && podman() == 0;
}
`)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	found, err := norm.Imports(s, d.Object, norm.Functions{Allowed: []string{"get*", "makedev", "sscanf", "__stack_chk_fail"}, Forbidden: []string{"podman"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range found {
		got[f.Rule] += fmt.Sprintf("%s:%d ", f.File, f.Line)
	}
	if len(found) != 2 || got["other_function"] != "linux_namespaces.c:16 " || got["forbidden_program"] != "linux_namespaces.c:17 " {
		t.Errorf("findings %v; want strtok at line 16 and podman at line 17", found)
	}
	if found, err := norm.Imports(s, d.Object, norm.Functions{}); err != nil || len(found) != 0 {
		t.Errorf("without a list: %v, %v; want nothing", found, err)
	}
	if _, err := norm.Imports(s, "/dev/null", norm.Functions{}); err == nil {
		t.Error("no error of a file that is no object")
	}
}

// A text can ask for any number of functions that are not there.
func TestManyImports(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc")
	}
	b := &build.Builder{Cache: filepath.Join(t.TempDir(), "cache"), Sources: os.DirFS("../..")}
	var declared, called strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&declared, "extern int f%d(void) __attribute__((weak));\n", i)
		fmt.Fprintf(&called, "f%d() + ", i)
	}
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte("#include \"linux_namespaces.h\"\nextern int podman(void) __attribute__((weak));\n" +
		declared.String() + "bool is_container_init(void)\n{\n\treturn " + called.String() + "\npodman() == 0;\n}\n")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	found, err := norm.Imports(s, d.Object, norm.Functions{Allowed: []string{"getpid"}, Forbidden: []string{"podman"}})
	if err != nil || len(found) != submission.MaxFindings {
		t.Fatalf("got %d findings, %v; want %d", len(found), err, submission.MaxFindings)
	}
	if got := found[0]; got.Rule != "forbidden_program" || got.Line != 2006 {
		t.Errorf("got %+v first; want podman at line 2006", got)
	}
}
