package words

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnseen: of a name that the C library keeps to itself, compilers say different
// things; what is only unknown is nobody's secret.
func TestUnseen(t *testing.T) {
	for said, want := range map[string]bool{
		"implicit declaration of function 'unshare' is invalid in C99 [-Werror,-Wimplicit-function-declaration]": true,
		"call to undeclared function 'setns'; ISO C99 and later do not support implicit function declarations":   true,
		"use of undeclared identifier 'CLONE_NEWNET'":                                                            true,
		"'O_CLOEXEC' undeclared (first use in this function); did you mean 'FD_CLOEXEC'?":                        true,
		"implicit declaration of function 'my_unshare'":                                                          false,
		"'CLONES' undeclared (first use in this function)":                                                       false,
	} {
		findings := ExplainC([]byte("submission/linux_namespaces.c:3:1: error: " + said + "\n"))
		if got := findings[0].Rule == "feature_macro"; got != want {
			t.Errorf("%q: got %v; want %v", said, findings, want)
		}
	}
}

// TestHeaderIsBlamedOnce: a type that a header lacks is told once.
func TestHeaderIsBlamedOnce(t *testing.T) {
	var got []string
	for _, f := range ExplainC([]byte("driver/bridge.c:10:5: error: unknown type name 'A'\ndriver/bridge.c:11:5: error: unknown type name 'B'\n" +
		"driver/bridge.c:9:1: note: in definition of macro 'TEXT'\ndriver/undeclared.h:1:1: error: unknown type name 'A'\nsubmission/x.c:1:1: error: unknown type name 'A'\nsubmission/x.c:2:1: error: unknown type name 'A'\n")) {
		got = append(got, f.String())
	}
	want := []string{
		"linux_namespaces.h: the header does not fit the exercise: unknown type name 'A' (the grader's bridge.c:10)",
		"linux_namespaces.h: the header does not fit the exercise: unknown type name 'B' (the grader's bridge.c:11)",
		"x.c:1:1: unknown type name 'A'", "x.c:2:1: unknown type name 'A'",
		"linux_namespaces.h: compare it with student/c17/linux_namespaces.h, or hand in none: the grader's stands in then",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
