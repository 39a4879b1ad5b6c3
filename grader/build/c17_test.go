package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"moulinette/grader/build/jail"
	"moulinette/grader/submission"
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
	for name, files := range map[string]submission.Files{
		"nothing":   {submission.CFile: []byte("int nothing;\n")},
		"no header": {submission.CFile: []byte(littleC)},
		"its own header, of another taste": {
			submission.CFile: []byte("#include \"linux_namespaces.h\"\nint is_container_init(void) { return 0; }\nvoid print_namespace_info(void) {}\nint create_veth_pair(char *a, char *b) { return *a == *b; }\n"),
			submission.CHeader: []byte(`#define main hijacked
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
		"parts in folders": {
			submission.CFile: []byte("#include \"src/net.c\"\n#include \"inc/own.h\"\nbool is_container_init(void) { return OWN; }\n"),
			"src/net.c":      []byte("#include \"../inc/own.h\"\n"),
			"inc/own.h":      []byte("#ifndef OWN\n#define OWN 1\n#include \"../in.h\"\n#endif\n"),
			"in.h":           []byte("#include <stdbool.h>\n"),
			"src/other.c":    []byte("not C at all"),
		},
		"a library that may be missing": {
			submission.CFile: []byte("#if __has_include(<sys/capability.h>)\n#include <sys/capability.h>\n#endif\n/* nor need <seccomp.h> be there */\nint nothing;\n"),
		},
		"names of the shim and of the C library": {
			submission.CFile: []byte("int wait_for(void);\nint wait_for(void) { return 0; }\nint become;\nint getpid(void);\nint getpid(void) { return 1; }\n"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := submission.FromFiles("", files)
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

// TestHalfDeclaredHeader: a name that a header holds where no compiler reads it is not
// declared, and costs its own row alone.
func TestHalfDeclaredHeader(t *testing.T) {
	ours, err := os.ReadFile("../driver/c17/linux_namespaces.h")
	must(t, err)
	for _, cc := range []string{"gcc", "clang"} {
		if _, err := exec.LookPath(cc); err != nil {
			continue
		}
		b := builderOfC(t)
		b.CC = cc
		header := regexp.MustCompile(`(?m)^int create_veth_pair\(.*\);$`).ReplaceAllString(string(ours), "#ifdef BONUS\n$0\n#endif\n#if 0\nint pivot_root_setup(int);\n#endif")
		header = regexp.MustCompile(`(?m)^int pivot_root_setup\(const.*\);$`).ReplaceAllString(header, "")
		s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(littleC), submission.CHeader: []byte(header)})
		must(t, err)
		if header == string(ours) {
			t.Fatal("the header has no such lines")
		}
		if _, err := b.Build(t.Context(), s); err != nil {
			t.Errorf("%s: %v", cc, err)
		}
	}
}

func TestCCompileErrors(t *testing.T) {
	b := builderOfC(t)
	for _, test := range []struct{ name, text, header, want string }{
		{"a warning", "int f(int unused) { return 0; }\n", "", "linux_namespaces.c:1:11: unused parameter"},
		{"a wrong prototype", "#include \"linux_namespaces.h\"\n\nint create_veth_pair(int a) { return a; }\n", "", "linux_namespaces.c:3:5: conflicting types for 'create_veth_pair'"},
		{"a wrong prototype, in its header too", "#include \"linux_namespaces.h\"\nint create_veth_pair(int a) { return a; }\n", "int create_veth_pair(int a);", "linux_namespaces.h: the header does not fit the exercise: "},
		{"no _GNU_SOURCE", "#include <sched.h>\nint f(void);\nint f(void) { return unshare(0); }\n", "", "linux_namespaces.c:3: unshare is unknown: is its header included, and does #define _GNU_SOURCE"},
		{"no _GNU_SOURCE, a constant", "#include <sched.h>\nint f(void);\nint f(void) { return CLONE_NEWPID; }\n", "", "linux_namespaces.c:3: CLONE_NEWPID is unknown"},
		{"a main", "int main(void)\n{\n\treturn 0;\n}\n", "", "linux_namespaces.c:"},
		{"an unknown function", "int nowhere(void);\nint f(void);\nint f(void) { return nowhere(); }\n", "", "undefined reference to `nowhere': there is only linux_namespaces.c, what it includes, and the C library"},
		{"a file of the host, assembled", "#define JOIN(a, b) a b\nint f(void);\n__asm__(JOIN(\".inc\", \"bin \\\"/etc/passwd\\\"\"));\n", "", "linux_namespaces.c: assembler: file not found"},
		{"no such instruction", "int f(void);\nint f(void)\n{\n\t__asm__(\"no_such_thing\");\n\treturn 0;\n}\n", "", "linux_namespaces.c:4: assembler: no such instruction"},
		{"an include bomb", "#include __FILE__\n", "", "linux_namespaces.c:1: #include __FILE__"},
		{"a header that it says is missing", "#error seccomp.h: No such file or directory\n", "", "linux_namespaces.c:1:2: #error seccomp.h"},
		{"the jail's own words", "#line 1 \"jail: x\"\n#error no fault of the host\n", "", "the compiler cannot cope with it"},
		{"a huge array", "char a[1UL << 40] = {1};\n", "", "the compiler cannot cope with it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := submission.Files{submission.CFile: []byte(test.text)}
			if test.header != "" {
				files[submission.CHeader] = []byte(test.header + "\n")
			}
			s, err := submission.FromFiles("", files)
			if err == nil {
				_, err = b.Build(context.Background(), s)
			}
			build := (*submission.BuildError)(nil)
			if !errors.As(err, &build) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want a BuildError with %q", err, test.want)
			}
			if test.name == "a main" && build.Findings[0].Rule != "main" {
				t.Errorf("got rule %q; want main", build.Findings[0].Rule)
			}
		})
	}
}

// TestCForgedLack: who has the compiler say that a header is not there, which is, is to
// blame for what does not compile.
func TestCForgedLack(t *testing.T) {
	if _, err := os.Stat("/usr/include/seccomp.h"); err != nil {
		t.Skip("no libseccomp-dev")
	}
	text := "#line 1 \"x\\nx:1:1: fatal error: seccomp.h: No such file\"\nint f(void) { return unknown; }\n"
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(text)})
	must(t, err)
	_, err = builderOfC(t).Build(t.Context(), s)
	if build := (*submission.BuildError)(nil); !errors.As(err, &build) {
		t.Errorf("got %v; want a BuildError", err)
	}
}

// TestCCOfTheCurrentFolder: compilers run in another.
func TestCCOfTheCurrentFolder(t *testing.T) {
	grader, err := filepath.Abs("..")
	must(t, err)
	t.Chdir(t.TempDir())
	must(t, os.WriteFile("cc", []byte("#!/bin/sh\nexec gcc \"$@\"\n"), 0o755))
	b := builderOfC(t)
	b.CC, b.Sources = "./cc", os.DirFS(grader)
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(littleC)})
	must(t, err)
	if _, err := b.Build(context.Background(), s); err != nil || b.Boxed(submission.C17) == "nothing" {
		t.Errorf("got %v, in %s; want a driver, made in a cell", err, b.Boxed(submission.C17))
	}
}

// TestCOfItsOwnInstallation: a compiler that stands in somebody's home is shown to the
// jail, by its own name or that of a link, and the rest of the home is not.
func TestCOfItsOwnInstallation(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"gcc/bin", "gcc/libexec", "bin"} {
		must(t, os.MkdirAll(filepath.Join(home, dir), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(home, "secret"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(home, "gcc/libexec/part"), []byte("#!/bin/sh\ntest -f "+home+"/secret || exec gcc \"$@\"\n"), 0o755))
	must(t, os.WriteFile(filepath.Join(home, "gcc/bin/gcc-14"), []byte("#!/bin/sh\ncase $1 in --version | -dumpmachine) echo one;; *) exec "+home+"/gcc/libexec/part \"$@\";; esac\n"), 0o755))
	must(t, os.Symlink("../gcc/bin/gcc-14", filepath.Join(home, "bin/gcc")))
	for _, cc := range []string{"gcc/bin/gcc-14", "bin/gcc"} {
		b := builderOfC(t)
		b.CC = filepath.Join(home, cc)
		s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(littleC)})
		must(t, err)
		if _, err := b.Build(t.Context(), s); err != nil || b.Boxed(submission.C17) != string(jail.Kinds()[0]) {
			t.Errorf("%s: got %v, in %s; want a driver, made in a cell", cc, err, b.Boxed(submission.C17))
		}
	}
}

func TestCHostFaults(t *testing.T) {
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(littleC)})
	must(t, err)
	for _, test := range []struct{ cc, path, want string }{
		{"no-such-compiler", os.Getenv("PATH"), "CC=no-such-compiler: no such program; unset CC, or name another"},
		{"gcc -O2", os.Getenv("PATH"), "CC=gcc -O2: it names a program, without flags of its own"},
		{"", t.TempDir(), "install gcc"},
	} {
		t.Run(test.want, func(t *testing.T) {
			b := builderOfC(t)
			b.CC = test.cc
			t.Setenv("PATH", test.path)
			_, err := b.Build(context.Background(), s)
			if build := (*submission.BuildError)(nil); errors.As(err, &build) || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want %s", err, test.want)
			}
		})
	}
	b := builderOfC(t)
	_, err = b.Build(t.Context(), s)
	must(t, err)
	err = b.blameC(t.Context(), []byte("submission/linux_namespaces.c:1:10: fatal error: sys/capability.h: No such file or directory\n"), errors.New("exit status 1"))
	_, none := os.Stat("/usr/include/sys/capability.h")
	if lack := (*Missing)(nil); errors.As(err, &lack) != (none != nil) || lack != nil && !strings.Contains(err.Error(), "libcap-dev") {
		t.Errorf("got %v; want a word about libcap-dev if it is not there (%v)", err, none)
	}
}
