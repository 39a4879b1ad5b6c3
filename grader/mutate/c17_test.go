package mutate

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"moulinette/grader/spec"
	"moulinette/grader/submission"
	"moulinette/specs"
)

// littleC is a reference in C.
var littleC = submission.Files{
	"linux_namespaces.h": []byte("int make_mount_private(const char *path);\nbool is_container_init(void);\n"),
	"linux_namespaces.c": []byte(`#include "linux_namespaces.h"

#define ROOT "/"

static int helper(const char *path) { return path != 0; }

/* Makes private. */
int make_mount_private(const char *path)
{
	return helper(path == 0 ? ROOT : path);
}

bool is_container_init(void) { return getpid() == 1; }
`),
}

// loadPair loads good and a mutant in C.
func loadPair(t *testing.T, text string) (*Catalog, error) {
	t.Helper()
	return Load(Source{
		Reference: WithC17(pid, littleC), Exercises: exercises(t),
		Mutants: Place{fstest.MapFS{"pid/good.yaml": {Data: []byte(good)}, "c17/c_good.yaml": {Data: []byte(text)}}, "mutants"},
	})
}

func TestPair(t *testing.T) {
	c, err := loadPair(t, "id: c_good\nsame_as: good\nwrong: {fr: autre, en: other}\nedits: [{file: c17/linux_namespaces.c, from: \"== 1\", to: \"== 2\"}]\n")
	if err != nil {
		t.Fatal(err)
	}
	m := c.Mutants[0]
	if m.ID != "c_good" || m.Language() != submission.C17 || c.Mutants[1].Language() != submission.Go {
		t.Fatalf("mutants %v; want c_good in C, good in Go", c.Mutants)
	}
	if fmt.Sprintf("%v %v %v %s %s %s", m.Fails, m.Kills, m.Origin, m.Class, m.Title.FR, m.Wrong.EN) != "map[ex02:[pid] truman_container:[pid_isolation]] [pid.child_is_init] [mutant A pitfall 1] logic t other" {
		t.Errorf("mutant %+v; want what good says, but for what is wrong", m)
	}
	files, err := m.Apply(c.Reference)
	if err != nil {
		t.Fatal(err)
	}
	files = In(submission.C17, files)
	if len(files) != 2 || !strings.Contains(string(files["linux_namespaces.c"]), "getpid() == 2") {
		t.Errorf("files %q; want the two, edited", files)
	}
}

func TestBadPairs(t *testing.T) {
	const edits = "edits: [{file: c17/linux_namespaces.c, from: \"== 1\", to: \"== 2\"}]\n"
	for text, want := range map[string]string{
		"same_as: god\n" + edits:                                   `unknown mutant "god"`,
		"same_as: good\nfails: {ex02: [pid]}\n" + edits:            "fails together with same_as",
		"same_as: good\nedits: [{file: pid.go, from: a, to: b}]\n": "no mutant of its own in another language",
		"same_as: c_good\n" + edits:                                "no mutant of its own in another language",
		"same_as: good\nedits: [{file: c17/linux_namespaces.c, from: a, to: b}, {file: pid.go, from: a, to: b}]\n": "edits in two languages",
		"same_as: good\nedits: [{file: linux_namespaces.c, from: a, to: b}]\n":                                     "no C file of its folder c17",
	} {
		if _, err := loadPair(t, "id: c_good\n"+text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestOrphan: of what the pair would have given nothing is missed where it is not known.
func TestOrphan(t *testing.T) {
	for _, pair := range []string{"god", "c_good"} {
		_, err := loadPair(t, "id: c_good\nsame_as: "+pair+"\nedits: [{file: c17/linux_namespaces.c, from: \"== 1\", to: \"== 2\"}]\n")
		if problems, _ := errors.AsType[spec.Problems](err); len(problems) != 1 || problems[0].Line != 2 {
			t.Errorf("%s: got\n%v\nwant one problem, at line 2", pair, err)
		}
	}
}

func TestFunctionsInC(t *testing.T) {
	all := WithC17(pid, littleC)
	edit := Edit{File: "c17/linux_namespaces.c", Func: "make_mount_private", To: "int make_mount_private(const char *p) { return *p; }\n"}
	files, err := apply("x.yaml", []Edit{edit}, all)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(files[edit.File]); strings.Contains(text, "Makes private") || !strings.Contains(text, "path != 0; }\n\nint make_mount_private(const char *p) { return *p; }\n\nbool") {
		t.Errorf("text %s; want the function and its comment replaced", text)
	}
	edit.Func = "make_mount_privat"
	if _, err := apply("x.yaml", []Edit{edit}, all); err == nil || !strings.Contains(err.Error(), `make_mount_private`) {
		t.Errorf("error %v; want the name that was meant", err)
	}
}

func TestReachInC(t *testing.T) {
	private, initial := []string{"makemountprivate"}, []string{"iscontainerinit"}
	for _, test := range []struct {
		from, to string
		reaches  [2]bool // make_mount_private, is_container_init
	}{
		{"path != 0", "path == 0", [2]bool{true, false}},
		{`ROOT "/"`, `ROOT "/mnt"`, [2]bool{true, false}},
		{"== 1", "== 2", [2]bool{false, true}},
		{"/* Makes private. */", "int getpid(void) { return 1; }", [2]bool{true, true}},          // stands before the C library's
		{"/* Makes private. */", "static int unused(void) { return 1; }", [2]bool{false, false}}, // nobody mentions it
	} {
		before := NewGraph(littleC)
		after := NewGraph(submission.Files{
			"linux_namespaces.h": littleC["linux_namespaces.h"],
			"linux_namespaces.c": []byte(strings.Replace(string(littleC["linux_namespaces.c"]), test.from, test.to, 1)),
		})
		names, known := before.Changed(after)
		if !known {
			t.Errorf("%q: not known", test.to)
			continue
		}
		for i, calls := range [][]string{private, initial} {
			if got := before.Reaches(calls, names) || after.Reaches(calls, names); got != test.reaches[i] {
				t.Errorf("%q: %v reaches %v: %t; want %t", test.to, calls, names, got, test.reaches[i])
			}
		}
	}
	for _, text := range []string{"#define NDEBUG\n", "__attribute__((constructor)) static void f(void) {}\n"} {
		after := NewGraph(submission.Files{"linux_namespaces.h": littleC["linux_namespaces.h"], "linux_namespaces.c": append([]byte(text), littleC["linux_namespaces.c"]...)})
		names, known := NewGraph(littleC).Changed(after)
		if known && !names["NDEBUG"] {
			t.Errorf("%q: changes %v; want it seen, or nothing told", text, names)
		}
	}
}

// both is the reference in both languages.
func both(t *testing.T) submission.Files {
	t.Helper()
	read := func(dir string) submission.Files {
		s, err := submission.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s.Files
	}
	return WithC17(read("../../reference"), read("../../reference/c17"))
}

// published are our own exercises.
func published(t *testing.T) (all []*spec.Exercise) {
	t.Helper()
	for _, file := range []string{"truman_container.yaml", "ex02.yaml"} {
		ex, err := spec.Load(specs.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ex)
	}
	return all
}

// TestOursArePaired holds our own catalog to what the exercises ask of it: every
// mistake of the seed list in both languages, and the same rows for a pair.
func TestOursArePaired(t *testing.T) {
	c, err := Load(Source{
		Reference: both(t), Exercises: published(t),
		Mutants: Place{os.DirFS("../../mutants"), "mutants"},
	})
	if err != nil {
		t.Fatal(err)
	}
	byID, pairs, origins := map[string]*Mutant{}, 0, map[string]bool{}
	for _, m := range c.Mutants {
		byID[m.ID] = m
	}
	for _, m := range c.Mutants {
		if m.Language() != submission.C17 {
			continue
		}
		for _, origin := range m.Origin {
			origins[origin] = true
		}
		if m.SameAs == "" {
			continue
		}
		pairs++
		for exercise, rows := range byID[m.SameAs].Fails {
			if !slices.Equal(rows, m.Fails[exercise]) {
				t.Errorf("%s loses %v of %s, %s loses %v", m.ID, m.Fails[exercise], exercise, m.SameAs, rows)
			}
		}
	}
	if pairs < 50 {
		t.Errorf("%d pairs; want at least 50", pairs)
	}
	for _, origin := range Origins() {
		if origin != "ours" && !origins[origin] {
			t.Errorf("no mutant in C comes from %q", origin)
		}
	}
}
