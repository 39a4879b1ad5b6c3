package norm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moulinette/grader/submission"
	"moulinette/grader/submission/norm"
)

func TestNorm(t *testing.T) {
	s, err := submission.FromFiles("", submission.Files{"a.go": []byte(`package student

import (
	"os/exec"
	"syscall"

	"moulinette/grader/contract"
)

const tool = "docker"

func New() contract.Runtime {
	exec.Command("/usr/bin/runc", "run")
	exec.Command("unshare", "-p")
	exec.Command("sh", "-c", "cd /; ip netns add x | podman ps")
	_ = exec.Cmd{Path: "/usr/sbin/ip"}
	syscall.Exec("/bin/nsenter", nil, nil)
	// no breach: words of the field, and a stage of one's own
	exec.Command("/proc/self/exe", "unshare", "mount")
	exec.Command(tool2, "mount")
	println("unshare: as docker does")
	return nil
}

var tool2 = "/proc/self/exe"
`)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range norm.Of(s, []string{"docker", "podman", "runc", "containerd"}, norm.Packages{}) {
		got = append(got, fmt.Sprintf("%d %s %s", f.Line, f.Rule, strings.Fields(f.EN)[0]+" "+strings.Fields(f.EN)[1]))
	}
	want := []string{
		"10 forbidden_program docker is", "13 forbidden_program runc is", "14 way_round executing unshare",
		"15 way_round executing ip", "15 forbidden_program podman is", "16 way_round executing ip", "17 way_round executing nsenter",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("findings (-got +want): %s", diff)
	}
}

func TestImportsOfGo(t *testing.T) {
	s, err := submission.FromFiles("", submission.Files{"a.go": []byte(`package student

import (
	"net"
	web "net/http"
	_ "net/http/httptest"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
	"moulinette/student/inner"
)

func New() contract.Runtime { return nil }
`)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		packages norm.Packages
		want     []string
	}{
		{norm.Packages{}, nil},
		{norm.Packages{Forbidden: []string{"net/http"}}, []string{"5 forbidden_import"}},
		{norm.Packages{Forbidden: []string{"net/http/...", "plugin"}}, []string{"5 forbidden_import", "6 forbidden_import"}},
		{norm.Packages{Allowed: []string{"golang.org/x/sys/unix", "github.com/vishvananda/netlink/..."}}, []string{"10 other_import"}},
		{norm.Packages{Allowed: []string{"github.com/vishvananda/netlink"}}, []string{"9 other_import", "10 other_import", "11 other_import"}},
		{norm.Packages{Allowed: []string{"golang.org/..."}, Forbidden: []string{"golang.org/x/sys/unix"}}, []string{"8 other_import", "9 other_import", "10 other_import", "11 forbidden_import"}},
	} {
		var got []string
		for _, f := range norm.Of(s, nil, test.packages) {
			got = append(got, fmt.Sprintf("%d %s", f.Line, f.Rule))
		}
		if diff := cmp.Diff(got, test.want); diff != "" {
			t.Errorf("%+v (-got +want): %s", test.packages, diff)
		}
	}
}

func TestCNorm(t *testing.T) {
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(`#pragma GCC diagnostic ignored "-Wall"
/* docker */ int docker(void);
char *p = "/usr/bin/runc run";
void f(char **argv) {
	execvp(argv[0], argv);
	execl("/usr/sbin/ip", "ip", "netns", (char *)0);
	system("cd /; unshare -p true; podman ps");
	execl("/bin/sh", "sh", "-c", "echo unshare" " it", (char *)0);
	printf("unshare");
	_Pragma("GCC diagnostic ignored \"-Wextra\"")
}
`)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range norm.Of(s, []string{"docker", "podman", "runc"}, norm.Packages{}) {
		got = append(got, strings.SplitN(f.String(), " ", 2)[0]+" "+f.Rule)
	}
	want := []string{
		"linux_namespaces.c:1: hidden_warning", "linux_namespaces.c:2: forbidden_program", "linux_namespaces.c:3: forbidden_program",
		"linux_namespaces.c:6: way_round", "linux_namespaces.c:7: way_round", "linux_namespaces.c:7: forbidden_program",
		"linux_namespaces.c:8: way_round", "linux_namespaces.c:10: hidden_warning",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// However much there is to say, it hides nothing that decides a grade.
func TestForbiddenBehindMuch(t *testing.T) {
	for name, text := range map[string]string{
		"student.go": "package student\n\nfunc New() int {\n" + strings.Repeat("\texec.Command(\"unshare\")\n", 30) + "\texec.Command(\"docker\")\n\treturn 0\n}\n",
		submission.CFile: strings.Repeat("_Pragma(\"GCC diagnostic ignored \\\"-Wall\\\"\")\n", 30) + "char *p = \"docker\";\n" +
			strings.Repeat("int podman;\n", 30),
	} {
		s, err := submission.FromFiles("", submission.Files{name: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		found := norm.Of(s, []string{"docker", "podman"}, norm.Packages{})
		if !slices.ContainsFunc(found, func(f submission.Finding) bool { return strings.HasPrefix(f.EN, "docker is forbidden") }) || len(found) != submission.MaxFindings {
			t.Errorf("%s: got %d findings, %v; want docker among %d", name, len(found), found, submission.MaxFindings)
		}
	}
}

// Calls that execute can stand in one another: each text is judged once, whatever of
// them it belongs to.
func TestNestedCalls(t *testing.T) {
	const n = 30_000
	for name, text := range map[string]string{
		"student.go":     "package student\n\nfunc New() int {\n\t" + strings.Repeat(`exec.Command("sh", "a b", `, n) + `"podman"` + strings.Repeat(")", n) + "\n\treturn 0\n}\n",
		submission.CFile: "int f(void) { " + strings.Repeat(`system("a b" `, n) + `"podman"` + strings.Repeat(")", n) + "; }\n",
	} {
		s, err := submission.FromFiles("", submission.Files{name: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		found := norm.Of(s, []string{"podman"}, norm.Packages{})
		if took := time.Since(start); took > 5*time.Second || len(found) != 1 {
			t.Errorf("%s: %d findings after %v; want 1, and soon", name, len(found), took)
		}
	}
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(`
void a(void) { execl(system("x mount"), "ip", "ip"); }
void b(void) { execl(path("unshare"), execlp("sh", "ip"), "mount"); }
void c(void) { execl("x", "sh", "-c", "mount"); execl; ("mount"); }
`)})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, f := range norm.Of(s, nil, norm.Packages{}) {
		got = append(got, f.Line)
	}
	if want := []int{2, 3, 3}; !slices.Equal(got, want) {
		t.Errorf("found in lines %v; want %v", got, want)
	}
}

// What takes -Wall, -Wextra or -Werror back is told, by whatever road.
func TestHiddenWarnings(t *testing.T) {
	for text, want := range map[string]int{
		"#pragma GCC diagnostic ignored \"-Wall\"":                             1,
		"#pragma clang diagnostic warning \"-Wall\"":                           1,
		"#pragma GCC system_header":                                            1,
		"# 1 \"x.h\" 3":                                                        1,
		"# 1 \"x.h\" 1 3 4":                                                    1,
		"#define Q _Pragma(\"GCC diagnostic ignored \\\"-Wall\\\"\") int":      1,
		"#pragma GCC diagnostic error \"-Wall\"\n#pragma GCC diagnostic push":  0,
		"# 3 \"x.h\" 1\n#line 3 \"x 3\"\n#define Q \"GCC diagnostic ignored\"": 0,
	} {
		s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(text + "\n")})
		if err != nil {
			t.Fatal(err)
		}
		if found := norm.Of(s, nil, norm.Packages{}); len(found) != want || want > 0 && found[0].Rule != "hidden_warning" {
			t.Errorf("%s: got %v; want %d", text, found, want)
		}
	}
}
