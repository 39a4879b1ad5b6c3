package submission

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good is a whole submission.
const good = `package student

import "moulinette/grader/contract"

type runtime struct{ contract.Unimplemented }

func New() contract.Runtime { return runtime{} }
`

// folderOf writes files to a new folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rendu")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUnusable(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string) // dir holds a good submission
		want string
	}{
		{"missing", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, "no such folder"},
		{"file", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			must(t, os.WriteFile(dir, []byte(good), 0o644))
		}, "a folder is expected"},
		{"fifo as folder", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			must(t, syscall.Mkfifo(dir, 0o644))
		}, "a folder is expected"},
		{"empty", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "student.go"))) }, "empty"},
		{"tests only", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "student_test.go")))
		}, "no Go file"},
		{"other system only", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "student_windows.go")))
		}, "no Go file"},
		{"C under another name", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "main.c")))
		}, "a submission in C is named linux_namespaces.c"},
		{"C in a folder of its own", func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "c17"), 0o755))
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "c17", "linux_namespaces.c")))
		}, `linux_namespaces.c is in "c17": give that folder`},
		{"Go in a folder of its own", func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "go"), 0o755))
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "go", "student.go")))
		}, `a submission in Go is in "go": give that folder`},
		{"Go and C in folders of their own", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, "student", "c17"), 0o755))
			must(t, os.WriteFile(filepath.Join(dir, "student", "c17", "linux_namespaces.c"), nil, 0o644))
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "student", "student.go")))
		}, `linux_namespaces.c is in "student/c17", a submission in Go is in "student": give one of these folders`},
		{"an archive", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "Student.TAR.gz")))
		}, `"Student.TAR.gz" is an archive: unpack it`},
		{"another case", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "student.go"), filepath.Join(dir, "student.GO")))
			must(t, os.WriteFile(filepath.Join(dir, "LINUX_NAMESPACES.C"), nil, 0o644))
		}, "no Go file"},
		{"device", func(t *testing.T, dir string) {
			if err := syscall.Mknod(filepath.Join(dir, "a.go"), syscall.S_IFCHR|0o666, 1<<8|5); err != nil {
				t.Skip("no right to make a device: ", err)
			}
		}, `"a.go": neither file nor folder`},
		{"fifo", func(t *testing.T, dir string) { must(t, syscall.Mkfifo(filepath.Join(dir, "a.go"), 0o644)) }, `"a.go": neither file nor folder`},
		{"absolute link", func(t *testing.T, dir string) { must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "a.go"))) }, `"a.go": symbolic link that leaves`},
		{"link upwards from below", func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
			must(t, os.Symlink("../../x.go", filepath.Join(dir, "d", "x.go")))
		}, `"d/x.go": symbolic link that leaves`},
		{"newline", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "a\n::error::pwned.go"), nil, 0o644))
		}, `"a\n::error::pwned.go": source file name with a character that is refused`},
		{"annotation", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "::error::pwned.go"), nil, 0o644))
		}, `"::error::pwned.go": source file name with a character that is refused`},
		{"right-to-left", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "a\u202eog.go"), nil, 0o644))
		}, `"a\u202eog.go": source file name with a character that is refused`},
		{"odd in a package", func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
			must(t, os.WriteFile(filepath.Join(dir, "sub", "l'un.go"), []byte("package sub\n"), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "student.go"), []byte(strings.Replace(good, "import ", "import _ \"moulinette/student/sub\"\nimport ", 1)), 0o644))
		}, `"sub/l'un.go": source file name with a character that is refused`},
		{"odd in C", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "student.go")))
			must(t, os.WriteFile(filepath.Join(dir, CFile), []byte("#include \"l'un.h\"\n"), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "l'un.h"), nil, 0o644))
		}, `"l'un.h": source file name with a character that is refused`},
		{"huge", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "big.go"), nil, 0o644))
			must(t, os.Truncate(filepath.Join(dir, "big.go"), 1<<40))
		}, "more than 16 MiB of sources"},
		{"huge in C", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "student.go")))
			must(t, os.WriteFile(filepath.Join(dir, CFile), bytes.Repeat([]byte("a;"), 1<<20), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "more.h"), []byte(";"), 0o644))
		}, `"more.h": more than 2 MiB of sources`},
		{"too many", func(t *testing.T, dir string) {
			for i := range maxEntries {
				must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644))
			}
		}, "more than 2000 files"},
		{"too many in subfolders", func(t *testing.T, dir string) {
			for i := range maxEntries / 2 {
				must(t, os.MkdirAll(filepath.Join(dir, fmt.Sprint(i), "d"), 0o755))
			}
		}, `"999": more than 2000 files`},
		{"too deep", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", maxDepth+3)), 0o755))
		}, "too many nested folders"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := folderOf(t, map[string]string{"student.go": good})
			test.make(t, dir)
			_, err := Open(dir)
			var unusable *Unusable
			if !errors.As(err, &unusable) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v; want an Unusable with %q", err, test.want)
			}
			if unusable.FR == "" || unusable.EN == "" || unusable.Path != dir {
				t.Errorf("got %+v; want both languages and the path", unusable)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b\u202e") {
				t.Errorf("got %q; want no control characters", err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRefused: each has the place and the rule; two files, so that findings of
// both are told.
func TestRefused(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  []string // "file:line rule", all of them
	}{
		{"no New", map[string]string{"a.go": "package a\n"}, []string{":0 new"}},
		{"method New", map[string]string{"a.go": "package a\ntype t int\nfunc (t) New() {}\n"}, []string{":0 new"}},
		{"New with arguments", map[string]string{"a.go": "package a\n\nfunc New(int) error { return nil }\n"}, []string{"a.go:3 new"}},
		{"New without result", map[string]string{"a.go": "package a\n\nfunc New() {}\n"}, []string{"a.go:3 new"}},
		{"generic New", map[string]string{"a.go": "package a\n\nfunc New[T any]() T { panic(0) }\n"}, []string{"a.go:3 new"}},
		{"package main", map[string]string{"a.go": strings.Replace(good, "student", "main", 1)}, []string{"a.go:1 package"}},
		{"two packages", map[string]string{"a.go": good, "b.go": "package other\n"}, []string{"b.go:1 package"}},
		{"syntax", map[string]string{"a.go": good, "b.go": "package student\n\nfunc {\n"}, []string{"b.go:3 syntax"}},
		{"not Go at all", map[string]string{"a.go": good, "b.go": "\x7fELF\x00\x01"}, []string{"b.go:1 syntax"}},
		{"reference", map[string]string{"a.go": good, "b.go": "package student\n\nimport \"moulinette/reference\"\n"}, []string{"b.go:3 import"}},
		{"judge", map[string]string{"a.go": good, "b.go": "package student\n\nimport _ \"moulinette/grader/spec\"\n"}, []string{"b.go:3 import"}},
		{"driver", map[string]string{"a.go": good, "b.go": "package student\n\nimport _ \"moulinette/grader/driver\"\n"}, []string{"b.go:3 import"}},
		{"below the contract", map[string]string{"a.go": good, "b.go": "package student\n\nimport _ \"moulinette/grader/contract/x\"\n"}, []string{"b.go:3 import"}},
		{"relative", map[string]string{"a.go": good, "b.go": "package student\n\nimport _ \"../reference\"\n"}, []string{"b.go:3 import"}},
		{"stranger", map[string]string{"a.go": good, "b.go": "package student\n\nimport _ \"github.com/docker/docker/client\"\n"}, []string{"b.go:3 import"}},
		{"cgo", map[string]string{"a.go": good, "b.go": "package student\n\n// #include <stdio.h>\nimport \"C\"\n"}, []string{"b.go:4 cgo"}},
		{
			"directives",
			map[string]string{"a.go": good, "b.go": "package student\n\nimport (\n\t_ \"embed\"\n\t_ \"unsafe\"\n)\n\n//go:linkname f runtime.f\nfunc f()\n\n//go:embed /etc/passwd\nvar s string\n\n//go:cgo_ldflag \"-x\"\n//line /etc/passwd:1\nvar i int /*line x:1*/\n"},
			[]string{"b.go:8 directive", "b.go:11 directive", "b.go:14 directive", "b.go:15 directive", "b.go:16 directive"},
		},
		{"assembly", map[string]string{"a.go": good, "a.s": "", "b.S": ""}, []string{"a.s:0 file", "b.S:0 file"}},
		{"object", map[string]string{"a.go": good, "a.syso": ""}, []string{"a.syso:0 file"}},
		{"vendor", map[string]string{"a.go": good, "vendor/modules.txt": ""}, []string{"vendor:0 file"}},
		{"workspace", map[string]string{"a.go": good, "go.work": ""}, []string{"go.work:0 file"}},
		{
			"in a package of its own",
			map[string]string{"a.go": strings.Replace(good, "import ", "import _ \"moulinette/student/sub\"\nimport ", 1), "sub/b.go": "package sub\n\nimport \"C\"\n"},
			[]string{"sub/b.go:3 cgo"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(folderOf(t, test.files))
			var bad *BuildError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v; want a BuildError", err)
			}
			var got []string
			for _, f := range bad.Findings {
				got = append(got, fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Rule))
				if f.FR == "" || f.EN == "" || Rules()[f.Rule] == "" {
					t.Errorf("finding %+v; want both languages and a known rule", f)
				}
			}
			if diff := cmp.Diff(got, test.want); diff != "" {
				t.Errorf("findings (-got +want): %s\n%v", diff, err)
			}
		})
	}
}

func TestChosenFiles(t *testing.T) {
	s, err := Open(folderOf(t, map[string]string{
		"a.go":              strings.Replace(good, "import ", "import _ \"moulinette/student/used\"\nimport ", 1),
		"a_test.go":         "package student_test\n",
		"a_windows.go":      "package student\n",
		"tool.go":           "//go:build ignore\n\npackage main\n",
		"used/b.go":         "package used\n\nimport _ \"moulinette/student/used/deep\"\n",
		"used/deep/c.go":    "package deep\n",
		"alternatives/d.go": "package main\n",
		"testdata/e.go":     "!",
		"_old/f.go":         "!",
		".git/g\n.go":       "!",
		"Makefile":          "x",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range s.Files {
		got = append(got, name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(got, []string{"a.go", "used/b.go", "used/deep/c.go"}); diff != "" {
		t.Errorf("files (-got +want): %s", diff)
	}
	if len(s.Notices) > 0 || s.ImportPath != DefaultImportPath || s.Name != "student" || s.Language != Go {
		t.Errorf("got %+v", s)
	}
}

func TestNotices(t *testing.T) {
	dir := folderOf(t, map[string]string{
		"a.go":   good,
		"go.mod": "module student\ntoolchain go1.1\nreplace moulinette => /evil\nexclude (\n\tx v1.0.0\n)\n",
	})
	must(t, os.Symlink("a.go", filepath.Join(dir, "b")))
	must(t, os.Symlink("somebody@host.1:2", filepath.Join(dir, ".#a.go")))
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		".#a.go: symbolic link ignored", "b: symbolic link ignored",
		"go.mod: the submission's own go.mod is ignored: it is built in the module moulinette",
		"go.mod:2: toolchain has no effect", "go.mod:3: replace has no effect", "go.mod:4: exclude has no effect",
	}
	wantNotices(t, s, want)
}

func wantNotices(t *testing.T, s *Submission, want []string) {
	t.Helper()
	var got []string
	for _, n := range s.Notices {
		got = append(got, n.String())
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("notices (-got +want): %s", diff)
	}
}

// TestWorkshop: what lies beside the sources, and is none, keeps nobody from being
// graded; one that might be missed is told of.
func TestWorkshop(t *testing.T) {
	dir := folderOf(t, map[string]string{"a.go": good, "rootfs/etc/passwd": "", "rootfs/usr/main.go": "package usr\n", "usr/b.go": "package usr\n"})
	must(t, os.Mkdir(filepath.Join(dir, "rootfs", "proc"), 0o755))
	must(t, os.Symlink("/usr/bin", filepath.Join(dir, "rootfs", "bin")))
	must(t, os.Symlink("/etc", filepath.Join(dir, "etc")))
	must(t, os.Symlink("..", filepath.Join(dir, "up")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "sync"), 0o644))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	t.Chdir(dir)
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: "s"}))
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"etc: symbolic link that leaves the folder: ignored", "rootfs: a container's root: ignored", "s: neither file nor folder: ignored",
		"sync: neither file nor folder: ignored", "up: symbolic link that leaves the folder: ignored",
	}
	wantNotices(t, s, want)
}

// TestLinksInside: as compilers do, a source is read through a link, as long as
// nothing on the way leaves the folder.
func TestLinksInside(t *testing.T) {
	for name, of := range map[string]string{"student.go": good, CFile: "int main_of_nobody;\n"} {
		dir := folderOf(t, map[string]string{"src/text": of})
		must(t, os.Symlink("src/more", filepath.Join(dir, name)))
		must(t, os.Symlink("text", filepath.Join(dir, "src", "more")))
		s, err := Open(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(s.Files[name]) != of {
			t.Errorf("%s: %q; want what the link leads to", name, s.Files[name])
		}
		must(t, os.Remove(filepath.Join(dir, "src", "more")))
		must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "src", "more")))
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "symbolic link that leaves") {
			t.Errorf("%s by a link that leaves: %v; want it refused", name, err)
		}
	}
}

func TestImportPath(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("// x\nmodule moulinette // y\n"), 0o644))
	for dir, want := range map[string]string{
		"reference":                "moulinette/reference",
		"reference/alternatives/x": "moulinette/reference/alternatives/x",
		"grade":                    "moulinette/grade",
		"a b":                      DefaultImportPath,
		"internal/x":               DefaultImportPath,
		"main.go":                  DefaultImportPath,
		".":                        DefaultImportPath,
		"grader":                   "",
		"grader/driver":            "",
	} {
		got, err := importPathOf(filepath.Join(root, dir))
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q, %v; want %q", dir, got, err, want)
		}
	}
	must(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module other\n"), 0o644))
	if got, err := importPathOf(filepath.Join(root, "reference")); got != DefaultImportPath || err != nil {
		t.Errorf("in another module: got %q, %v; want %q", got, err, DefaultImportPath)
	}
}

// TestCollected: who worked in ./student and imports it by name is graded wherever it was
// collected to.
func TestCollected(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "rendus", "alice")
	must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module moulinette\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "sub", "sub.go"), []byte("package sub\n"), 0o644))
	for imported, want := range map[string]string{
		"moulinette/student/sub": DefaultImportPath, "moulinette/rendus/alice/sub": "moulinette/rendus/alice", "fmt": "moulinette/rendus/alice", "moulinette/student/none": "",
	} {
		must(t, os.WriteFile(filepath.Join(dir, "student.go"), []byte(strings.Replace(good, "import ", "import _ \""+imported+"\"\nimport ", 1)), 0o644))
		s, err := Open(dir)
		if want == "" && err == nil || want != "" && (err != nil || s.ImportPath != want) {
			t.Errorf("importing %s: got %+v, %v; want it at %q", imported, s, err, want)
		}
	}
}

func TestFromFilesStaysInItsPlace(t *testing.T) {
	for _, importPath := range []string{"moulinette", "moulinette/grader/driver", "moulinette/../x", "other/x", "moulinette/a//b"} {
		if s, err := FromFiles(importPath, Files{"a.go": []byte(good)}); err == nil {
			t.Errorf("%s: got %+v; want an error", importPath, s)
		}
	}
	s, err := FromFiles("moulinette/reference", Files{"a.go": []byte(good), "../grader/driver/x.go": []byte("package driver")})
	if err != nil || len(s.Files) != 1 {
		t.Errorf("got %+v, %v; want one file", s, err)
	}
}

// Whoever breaks one rule a million times is told of it a few times.
func TestFewFindings(t *testing.T) {
	const n = 1000
	for name, files := range map[string]Files{
		"comments": {"a.go": []byte("package student\n" + strings.Repeat("//line x:1\n", n))},
		"imports":  {"a.go": []byte("package student\n" + strings.Repeat("import \"C\"\n", n))},
		"files":    {},
		"C":        {CFile: []byte(strings.Repeat("#import x\n", n))},
	} {
		for i := 0; name == "files" && i < n; i++ {
			files[fmt.Sprintf("f%d.go", i)] = []byte("package main\n//line x:1\n")
		}
		_, err := FromFiles("", files)
		var build *BuildError
		if !errors.As(err, &build) || len(build.Findings) != MaxFindings {
			t.Errorf("%s: got %.200v; want %d findings", name, err, MaxFindings)
		}
	}
}

// A comment is a directive only where the compiler takes it for one.
func TestLineDirectives(t *testing.T) {
	for comment, want := range map[string]bool{
		"//line /etc/passwd:1": true, "//line :7": true, "//line x:1:2": true, "int /*line x:1*/": true, "/*line x:1:2*/ int": true, "//line x:1\r": true,
		"//line by line, as the kernel wants it": false, "\t//line by line": false, "\t//line x:1": false, "/*line by line*/": false, "// line x:1": false,
	} {
		_, err := FromFiles("", Files{"a.go": []byte(good + "\ntype t struct {\n" + comment + "\n}\n")})
		if got := err != nil && strings.Contains(err.Error(), "is not allowed in a submission"); got != want || err != nil && !got {
			t.Errorf("%q: got %v; want it refused: %v", comment, err, want)
		}
	}
}

// TestOddNames: what is not compiled may be called as one likes.
func TestOddNames(t *testing.T) {
	others := map[string]string{
		"Capture\u202f1.png": "", "Icon\r": "", "a\xff.txt": "", "\x1b[2J/x.go": "package main\n", "vieux/l'ancien.c": "", "vieux/l'ancien.go": "package x\n",
		"x\n.s": "", "other/go.work": "", "l'un.h": "",
	}
	for name, of := range map[string]string{"student.go": good, CFile: "int nothing;\n"} {
		files := maps.Clone(others)
		files[name] = of
		dir := folderOf(t, files)
		must(t, os.Symlink("/", filepath.Join(dir, "to\u200dit")))
		s, err := Open(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []string{`"\x1b[2J": folder ignored: its name holds a character that cannot be seen`, `"to\u200dit": symbolic link that leaves the folder: ignored`}
		if name == CFile {
			want = append(want, `"l'un.h": file ignored: nothing includes it by this name`, "linux_namespaces.h is not handed in: the grader's stands in for it")
		}
		wantNotices(t, s, want)
	}
}
