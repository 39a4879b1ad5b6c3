package build

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moulinette/grader/build/jail"
	"moulinette/grader/submission"
)

// attack is a folder that tries to reach out of its build. SECRET in its text
// is the path of a file of the host, CANARY that of one which must not appear.
type attack struct {
	name  string
	files map[string]string
	want  string // part of why it is refused; empty: it builds, and has no effect
}

const secretText = "nobody-may-read-this-4711"

// attackOf writes the folder and builds it in the jail.
func (a attack) try(t *testing.T, b *Builder) (*Driver, error) {
	t.Helper()
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte(secretText), 0o644))
	files := map[string]string{}
	for name, text := range a.files {
		text = strings.ReplaceAll(text, "SECRET", filepath.Join(outside, "secret"))
		files[name] = strings.ReplaceAll(text, "CANARY", filepath.Join(outside, "canary"))
	}
	s, err := submission.Open(folderOf(t, files))
	var d *Driver
	if err == nil {
		d, err = b.Build(context.Background(), s)
	}
	if _, err := os.Lstat(filepath.Join(outside, "canary")); err == nil {
		t.Error("it wrote to the host")
	}
	if err != nil && strings.Contains(err.Error(), secretText) {
		t.Errorf("it read a file of the host: %v", err)
	}
	if d != nil {
		text, err := os.ReadFile(d.Path)
		must(t, err)
		if bytes.Contains(text, []byte(secretText)) {
			t.Error("a file of the host is in the driver")
		}
	}
	if left, err := os.ReadDir(filepath.Join(b.Cache, "tmp")); err == nil && len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return d, err
}

func try(t *testing.T, b *Builder, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			start := time.Now()
			_, err := a.try(t, b)
			t.Logf("%v after %v", err, time.Since(start).Round(time.Millisecond))
			build := (*submission.BuildError)(nil)
			switch {
			case a.want == "" && err != nil:
				t.Errorf("got %v; want a driver", err)
			case a.want != "" && (!errors.As(err, &build) || !strings.Contains(err.Error(), a.want)):
				t.Errorf("got %v; want a BuildError with %q", err, a.want)
			}
		})
	}
}

func TestGoBuildAttacks(t *testing.T) {
	with := func(name, text string) map[string]string { return map[string]string{"student.go": good, name: text} }
	b := builder(t)
	b.Jail = agentProgram(t)
	try(t, b, []attack{
		{"cgo flags", with("b.go", "package student\n\n// #cgo LDFLAGS: -Wl,-T,SECRET\n// #cgo CFLAGS: -fplugin=SECRET\nimport \"C\"\n"), "cgo (import \"C\") is not allowed"},
		{"cgo by directive", with("b.go", "package student\n\n//go:cgo_import_dynamic f f \"SECRET\"\n"), "//go:cgo is not allowed"},
		{"a generator", with("b.go", "package student\n\n//go:generate touch CANARY\n"), ""},
		{"a toolchain", with("go.mod", "module x\n\ngo 1.99\n\ntoolchain go1.99.9\n"), ""},
		{"the go command's settings", with("go.env", "GOFLAGS=-toolexec=/bin/false\nGOTOOLCHAIN=go1.99.9\n"), ""},
		{"settings in a home", with(".config/go/env", "GOFLAGS=-toolexec=/bin/false\n"), ""},
		{"an overlay", with("overlay.json", `{"Replace": {"main.go": "SECRET"}}`), ""},
		{"a folder named as ours", with("grader/driver/main.go", "package driver\n\nfunc Main(any) {}\n"), ""},
		{"our package main", with("main.go", "package student\n\nfunc main() {}\n"), ""},
		{"a vendor folder", with("vendor/moulinette/grader/driver/driver.go", "package driver\n"), "a vendor folder cannot be part"},
		{"a workspace", with("go.work", "go 1.26\n\nuse /\n"), "a Go workspace cannot be part"},
		{"an embedded file of the host", with("b.go", "package student\n\nimport _ \"embed\"\n\n//go:embed SECRET\nvar s string\n"), "//go:embed is not allowed"},
		{"an embedded file from above", with("b.go", "package student\n\nimport _ \"embed\"\n\nvar (\n\t//go:embed ../main.go\n\ts string\n)\n"), "//go:embed is not allowed"},
		{"a name of the runtime", with("b.go", "package student\n\nimport _ \"unsafe\"\n\n//go:linkname exit os.runtime_beforeExit\nfunc exit(int)\n"), "//go:linkname is not allowed"},
		{"another file's name", with("b.go", "package student\n\n//line SECRET:1\nvar x int = \"\"\n"), "//line is not allowed"},
		{"assembly", with("b.s", "#include \"SECRET\"\n"), "an assembly file cannot be part"},
		{"an object", with("b_linux.syso", "\x7fELF"), "an object file cannot be part"},
		{"C beside Go", with("b.c", "#include \"SECRET\"\n__asm__(\".incbin \\\"SECRET\\\"\");\n"), ""},
		{"a response file", with("@SECRET", "-toolexec=/bin/false"), ""},
		{"a package that is a flag", with("b.go", "package student\n\nimport _ \"-toolexec=/bin/false\"\n"), "\"-toolexec=/bin/false\" is no import path"},
		{"a package that is a program", with("b.go", "package student\n\nimport _ \"cmd/go\"\n"), "cmd/go"},
		{"a package that is internal", with("b.go", "package student\n\nimport _ \"internal/abi\"\n"), "internal/abi"},
		{"a package that is a path", with("b.go", "package student\n\nimport _ \"/etc\"\n"), "import of \"/etc\""},
		{"a package with a pattern", with("b.go", "package student\n\nimport _ \"net/...\"\n"), "net/..."},
	})
}

// limitTo lets a bomb go off sooner.
func limitTo(t *testing.T, limit *uint64, most uint64) {
	before := *limit
	*limit = most
	t.Cleanup(func() { *limit = before })
}

// TestGoCompileBombs: a text of a few lines that asks for all there is. Whatever
// ends it, the submission is to blame and the host goes on.
func TestGoCompileBombs(t *testing.T) {
	with := func(text string) map[string]string { return map[string]string{"student.go": good + text} }
	var types, constants strings.Builder
	types.WriteString("\ntype t0 struct{ a, b string }\n")
	constants.WriteString("\nconst c0 = \"" + strings.Repeat("x", 64) + "\"\n")
	for i := range 40 {
		fmt.Fprintf(&types, "type t%d struct{ a, b t%d }\n", i+1, i)
		fmt.Fprintf(&constants, "const c%d = c%d + c%d\n", i+1, i, i)
	}
	b := builder(t)
	b.Jail = agentProgram(t)
	if _, err := b.Build(t.Context(), fromText(t, good)); err != nil { // what all share is not under these limits
		t.Fatal(err)
	}
	limitTo(t, &goLimits.Data, 700<<20)
	limitTo(t, &goLimits.Seconds, 3)
	try(t, b, []attack{
		{"a huge array", with("\nvar a = [1 << 40]byte{1<<40 - 1: 1}\n"), "cope"},
		{"a large array with an end", with("\nvar a = [1 << 32]byte{1<<32 - 1: 1}\n\nfunc init() { println(&a) }\n"), "cope"},
		{"a huge number", with("\nconst n = 1 << (1 << 40)\n"), "student.go"},
		{"types that double", with(types.String() + "var v t40\n"), "cope"},
		{"texts that double", with(constants.String() + "var s = c40\n"), "does not build"},
		{"types without end", with("\ntype g[T any] struct{ next *g[g[T]] }\nvar x g[int]\n"), "student.go"},
		{"deep nesting", with("\nvar n = " + strings.Repeat("(", 200000) + "1" + strings.Repeat(")", 200000) + "\n"), "student.go"},
	})
}

func TestCBuildAttacks(t *testing.T) {
	c := func(text string) map[string]string { return map[string]string{submission.CFile: text} }
	const fine = "#include \"linux_namespaces.h\"\nbool is_container_init(void) { return false; }\n"
	b := builderOfC(t)
	limitTo(t, &cLimits.Data, 512<<20)
	var macros strings.Builder
	macros.WriteString("#define A0 1+1\n")
	for i := range 40 {
		fmt.Fprintf(&macros, "#define A%d A%d+A%d\n", i+1, i, i)
	}
	with := func(name, text string) map[string]string {
		return map[string]string{submission.CFile: fine, name: text}
	}
	try(t, b, []attack{
		{"a device", c("#include \"/dev/zero\"\n"), "#include \"/dev/zero\" is not allowed"},
		{"a device by a macro", c("#define F \"/dev/zero\"\n#include F\n"), "#include F is not allowed"},
		{"a device by a digraph", c("%:include \"/dev/zero\"\n"), "#include \"/dev/zero\" is not allowed"},
		{"a device by a trigraph", c("??=include \"/dev/zero\"\n"), "is not allowed"},
		{"a device over two lines", c("#inc\\\nlude \"/dev/zero\"\n"), "#include \"/dev/zero\" is not allowed"},
		{"a device after a comment", c("/* */ # /* */ include /* */ \"/dev/zero\"\n"), "is not allowed"},
		{"a device in a header", with("more.h", "#include </dev/zero>\n"), "#include </dev/zero> is not allowed"},
		{"a file from above", c("#include \"../../../../../../SECRET\"\n"), "is not allowed"},
		{"a file to embed", c("const char s[] = {\n#embed \"SECRET\"\n};\n"), "#embed"},
		{"a file in assembly", c("__asm__(\".incbin \\\"SECRET\\\"\");\n"), ".incbin is not allowed"},
		{"a file in assembly, disguised", c("__asm__(\".inc\" \"bin \\\"SECRET\\\"\");\n"), "not"},
		{"a file in assembly, escaped", c("__asm__(\"\\56incbin \\\"SECRET\\\"\");\n"), "not"},
		{"a source in assembly", c("__asm__(\".macro m x\\n.\\\\x \\\"SECRET\\\"\\n.endm\\nm include\");\n"), "linux_namespaces.c"},
		{"a header within itself", c("#include \"linux_namespaces.c\"\n"), "linux_namespaces.c"},
		{"macros that double", c("#include \"linux_namespaces.h\"\n" + macros.String() + "int n = A40;\n"), "does not build"},
		{"a plugin by pragma", c("#pragma GCC optimize(\"-fplugin=SECRET\")\n" + fine), "linux_namespaces.c:1"},
		{"a plugin by attribute", c("#include \"linux_namespaces.h\"\n__attribute__((optimize(\"-fplugin=SECRET\"))) bool is_container_init(void) { return false; }\n"), "linux_namespaces.c"},
		{"a plugin handed in", with("plugin.so", "\x7fELF"), ""},
		{"specs handed in", with("specs", "*cc1:\n-fplugin=SECRET\n"), ""},
		{"a linker script as C", c("INPUT(SECRET)\n"), "linux_namespaces.c:1"},
		{"an object as C", c("\x7fELF\x02\x01\x01\x00"), "linux_namespaces.c:1"},
		{"a linker script as a header", with("libc.so", "INPUT(SECRET)\n"), ""},
		{"a response file", with("@SECRET", "-fplugin=SECRET"), ""},
		{"a makefile", with("Makefile", "all:\n\ttouch CANARY\n"), ""},
		{"a system header of its own", with("stdbool.h", "#include </dev/zero>\n"), "is not allowed"},
		{"a library by pragma", c("#pragma comment(lib, \"SECRET\")\n" + fine), "linux_namespaces.c:1"},
		{"sections by hand", c(fine + "__asm__(\".section .interp\\n.string \\\"SECRET\\\"\\n.text\");\n"), ""},
	})
}

// TestCompileBombInClang: clang compiles in its own process, which its limits end
// without a word.
func TestCompileBombInClang(t *testing.T) {
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("no clang")
	}
	b := builderOfC(t)
	b.CC = "clang"
	limitTo(t, &cLimits.Seconds, 1)
	var macros strings.Builder
	macros.WriteString("#define A0\n") // takes time alone
	for i := range 40 {
		fmt.Fprintf(&macros, "#define A%d A%d A%d\n", i+1, i, i)
	}
	for _, kind := range jail.Kinds() {
		must(t, b.LookC(t.Context()))
		b.cTool.cell.Kind = kind
		try(t, b, []attack{{string(kind), map[string]string{submission.CFile: macros.String() + "int n A40;\n"}, "cope"}})
	}
}

// TestDependencyOracle: what the compiler can tell of the host's files is what
// stands in system folders.
func TestDependencyOracle(t *testing.T) {
	b := builderOfC(t)
	for _, text := range []string{
		"#if __has_include(\"SECRET\")\n#error there\n#endif\nint f;\n",
		"#include \"linux_namespaces.h\"\n#pragma GCC dependency \"SECRET\"\nbool is_container_init(void) { return false; }\n",
	} {
		_, err := attack{files: map[string]string{submission.CFile: text}}.try(t, b)
		if err != nil && strings.Contains(cmp.Or(err.Error(), ""), "there") || err != nil && strings.Contains(err.Error(), "newer") {
			t.Errorf("%q: got %v; want nothing that depends on the file", text, err)
		}
	}
}
