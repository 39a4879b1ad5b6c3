package submission

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moulinette/grader/submission/jail"
)

// TestMain lends this binary the face of the jail.
func TestMain(m *testing.M) {
	if os.Args[0] == jail.Face {
		os.Exit(jail.Main(os.Args))
	}
	os.Exit(m.Run())
}

// builderOfC compiles in the jail.
func builderOfC(t *testing.T) *Builder {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc")
	}
	self, err := os.Executable()
	must(t, err)
	b := builder(t)
	b.Jail = self
	return b
}

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
		{"C without its header", map[string]string{"linux_namespaces.c": littleC}, C17, []string{"linux_namespaces.c"}},
		{"Go with C below", map[string]string{"a.go": goodGo, "c17/linux_namespaces.c": littleC}, Go, []string{"a.go"}},
		{"Go with C beside", map[string]string{"a.go": goodGo, "linux_namespaces.c": littleC}, Go, []string{"a.go"}},
		{"C with Go below", map[string]string{"linux_namespaces.c": littleC, "go/a.go": goodGo}, C17, []string{"linux_namespaces.c"}},
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
		{"#include_next <stdio.h>", "1: #include_next"},
		{"__asm__(\".incbin \\\"/etc/passwd\\\"\");", "1: .incbin"},
		{"// #include \"/dev/zero\"\n/*\n#include \"/dev/zero\"\n*/\nchar *s = \"#include </a>\";", ""},
		{"#include <sys/capability.h> // /etc\n#include \"util.h\"", ""},
	} {
		_, err := FromFiles("", Files{cFile: []byte(test.text)})
		switch build := (*BuildError)(nil); {
		case test.want == "" && err == nil:
		case test.want == "" || !errors.As(err, &build) || !strings.HasPrefix(build.Findings[0].String(), cFile+":"+test.want):
			t.Errorf("%q: got %v; want %q", test.text, err, test.want)
		}
	}
}

func TestCNorm(t *testing.T) {
	s, err := FromFiles("", Files{cFile: []byte(`#pragma GCC diagnostic ignored "-Wall"
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
	must(t, err)
	var got []string
	for _, f := range s.Norm([]string{"docker", "podman", "runc"}) {
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

// TestHeadersAgree holds the three copies of our header together.
func TestHeadersAgree(t *testing.T) {
	ours, err := os.ReadFile("../driver/c17/linux_namespaces.h")
	must(t, err)
	for _, dir := range []string{"reference", "student"} {
		other, err := os.ReadFile(filepath.Join("../..", dir, "c17/linux_namespaces.h"))
		must(t, err)
		if string(ours) != string(other) {
			t.Errorf("%s/c17/linux_namespaces.h differs from the grader's", dir)
		}
	}
}

// TestEveryFunctionIsKnownToTheBridge: one that a header declares and the shim
// does not make weak would cost more than its rows.
func TestEveryFunctionIsKnownToTheBridge(t *testing.T) {
	header, err := os.ReadFile("../driver/c17/linux_namespaces.h")
	must(t, err)
	bridge, err := os.ReadFile("../driver/c17/bridge.c")
	must(t, err)
	for _, m := range prototype.FindAllSubmatch(header, -1) {
		name := string(m[1])
		if name == "container_entry" { // the child's side, which only the submission calls
			continue
		}
		weak := regexp.MustCompile(`(?m)^#pragma weak ` + name + `$`).Match(bridge)
		if !weak || !strings.Contains(string(bridge), "CALL("+name) {
			t.Errorf("%s: weak %v, or never called", name, weak)
		}
	}
}

func TestCBuilds(t *testing.T) {
	b := builderOfC(t)
	for name, files := range map[string]Files{
		"nothing":   {cFile: []byte("int nothing;\n")},
		"no header": {cFile: []byte(littleC)},
		"its own header, of another taste": {
			cFile: []byte("#include \"linux_namespaces.h\"\nint is_container_init(void) { return 0; }\nvoid print_namespace_info(void) {}\nint create_veth_pair(char *a, char *b) { return *a == *b; }\n"),
			cHeader: []byte(`#define main hijacked
#define NDEBUG
#define printf(...) 0
#define return return
typedef struct { char name[32]; int ns_fd; char veth_host[16], veth_container[16], ip_host[20], ip_container[20]; } NetNamespaceContext;
typedef enum { MS_A, MS_B } MountPropagation;
typedef struct { char *rootfs; char **bind_mounts; MountPropagation propagation; } MountNamespaceContext;
typedef struct { int host_uid, container_uid, host_gid, container_gid; int map_root; } UserNamespaceContext;
typedef struct {
	char hostname[64]; char rootfs[256]; char *cmd[8]; unsigned long clone_flags;
	NetNamespaceContext net; MountNamespaceContext *mnt; UserNamespaceContext user; int pid, status, sync_pipe[2];
} ContainerConfig;
int is_container_init(void);
void print_namespace_info(void);
int create_veth_pair(char *a, char *b);
`),
		},
		"names of the shim and of the C library": {
			cFile: []byte("int wait_for(void);\nint wait_for(void) { return 0; }\nint become;\nint getpid(void);\nint getpid(void) { return 1; }\n"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := FromFiles("", files)
			must(t, err)
			d, err := b.Build(context.Background(), s)
			if err != nil {
				t.Fatal(err)
			}
			again, err := b.Build(context.Background(), s)
			if err != nil || !again.Cached || again.Path != d.Path {
				t.Errorf("again: got %+v, %v; want the same from the cache", again, err)
			}
		})
	}
}

func TestCCompileErrors(t *testing.T) {
	b := builderOfC(t)
	for _, test := range []struct{ name, text, header, want string }{
		{"a warning", "int f(int unused) { return 0; }\n", "", "linux_namespaces.c:1:11: unused parameter"},
		{"a wrong prototype", "#include \"linux_namespaces.h\"\n\nint create_veth_pair(int a) { return a; }\n", "", "linux_namespaces.c:3:5: conflicting types for 'create_veth_pair'"},
		{"a wrong prototype, in its header too", "#include \"linux_namespaces.h\"\nint create_veth_pair(int a) { return a; }\n", "int create_veth_pair(int a);", "linux_namespaces.h: the header does not fit the exercise: "},
		{"a main", "int main(void)\n{\n\treturn 0;\n}\n", "", "linux_namespaces.c:"},
		{"an unknown function", "int nowhere(void);\nint f(void);\nint f(void) { return nowhere(); }\n", "", "undefined reference to `nowhere'"},
		{"a file of the host, assembled", "#define JOIN(a, b) a b\nint f(void);\n__asm__(JOIN(\".inc\", \"bin \\\"/etc/passwd\\\"\"));\n", "", "linux_namespaces.c: assembler: file not found"},
		{"an include bomb", "#include __FILE__\n", "", "linux_namespaces.c:1: #include __FILE__"},
		{"a huge array", "char a[1UL << 40] = {1};\n", "", "the compiler cannot cope with it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := Files{cFile: []byte(test.text)}
			if test.header != "" {
				files[cHeader] = []byte(test.header + "\n")
			}
			s, err := FromFiles("", files)
			if err == nil {
				_, err = b.Build(context.Background(), s)
			}
			build := (*BuildError)(nil)
			if !errors.As(err, &build) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want a BuildError with %q", err, test.want)
			}
			if test.name == "a main" && build.Findings[0].Rule != "main" {
				t.Errorf("got rule %q; want main", build.Findings[0].Rule)
			}
		})
	}
}

func TestCHostFaults(t *testing.T) {
	b := builderOfC(t)
	b.CC = "no-such-compiler"
	s, err := FromFiles("", Files{cFile: []byte(littleC)})
	must(t, err)
	_, err = b.Build(context.Background(), s)
	if build := (*BuildError)(nil); errors.As(err, &build) || err == nil || !strings.Contains(err.Error(), "install gcc") {
		t.Errorf("got %v; want a word about gcc", err)
	}
	err = builder(t).blameC(context.Background(), []byte("submission/linux_namespaces.c:1:10: fatal error: sys/capability.h: No such file or directory\n"), errors.New("exit status 1"))
	if build := (*BuildError)(nil); errors.As(err, &build) || !strings.Contains(err.Error(), "libcap-dev") {
		t.Errorf("got %v; want a word about libcap-dev", err)
	}
}
