package mutate

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moulinette/grader/submission"
)

// original is a package of which mutants are made.
const original = `package reference

type thing struct{ n int }

func New() int { return 0 }

func (t thing) Do(x int) (y int) {
	if x > 1 {
		y = t.n
		return y + helper(x)
	}
	switch x {
	case 0:
		y++
	case 1:
		y--
	}
	for i := range 3 {
		y += i
	}
	return y
}

func helper(x int) int { return x }

func empty() {}
`

func TestDifference(t *testing.T) {
	do := original[strings.Index(original, "{\n\tif"):strings.Index(original, "\n\nfunc helper")]
	for _, test := range []struct{ name, from, to, piece, names string }{
		{"a word", "y = t.n", "y = 2 * t.n", "", ""},
		{"a statement more", "y = t.n\n", "y = t.n\n\t\ty++\n", "", ""},
		{"a statement less", "\t\ty = t.n\n", "", "y = t.n\n", ""},
		{"a condition", "x > 1", "x >= 1", ">", ""},
		{"a comment", "y = t.n", "y = t.n // so", "", ""},
		{"another block", "y = t.n\n", "y = t.n\n\t}\n\tif x > 2 {\n", do, ""},
		{"another case", "y++\n", "y++\n\tcase 5:\n", do, ""},
		{"a parameter's name", "helper(x int) int { return x }", "helper(y int) int { return y }", "{ return x }", ""},
		{"a method's signature", "Do(x int) (y int)", "Do(x, z int) (y int)", "?", "Do"},
		{"a field", "n int", "n, m int", "?", "thing"},
		{"a function more", "func empty() {}", "func empty() {}\n\nfunc other() {}", "?", ""},
		{"a method more", "func empty() {}", "func empty() {}\n\nfunc (t thing) Other() {}", "?", "Other"},
		{"a variable more", "func empty() {}", "func empty() {}\n\nvar other = []int{1}", "?", ""},
		{"a type more", "func empty() {}", "func empty() {}\n\ntype other struct{ n int }", "?", ""},
		{"a variable more that code makes", "func empty() {}", "func empty() {}\n\nvar other = helper(1)", "?", "other"},
		{"a constant more of a name that is used", "func empty() {}", "func empty() {}\n\nconst i = 1", "?", "i"},
		{"a method more that nobody can ask for", "func empty() {}", "func empty() {}\n\nfunc (t thing) other() {}", "?", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := strings.Replace(original, test.from, test.to, 1)
			g, h := NewGraph(submission.Files{"a.go": []byte(original)}), NewGraph(submission.Files{"a.go": []byte(changed)})
			d := g.Difference(h)
			names := []string{}
			for name := range d.Names {
				names = append(names, name)
			}
			if got := strings.Join(names, " "); got != test.names {
				t.Errorf("names %q; want %q", got, test.names)
			}
			for _, p := range d.Pieces {
				if got := original[p.From:p.To]; got != test.piece {
					t.Errorf("piece %q; want %q", got, test.piece)
				}
			}
			if (len(d.Pieces) == 0) != (test.piece == "?" || test.name == "a comment") {
				t.Errorf("pieces %v", d.Pieces)
			}
		})
	}
}

// What stands for another value, or is called in another way, shows in those that
// mention it.
func TestDifferenceOfWhatIsUsed(t *testing.T) {
	const text = `package reference

const unit = 2

const double = 2 * unit

var table = [...]string{"a", "b"}

type sized [size]int

const size = 4

type thing struct{}

func (thing) Do() int { return double }

func (thing) Undo() int { return len(table) }

func helper(x int) int { return x * unit }

func Call() int { return helper(1) }
`
	for _, test := range []struct{ name, from, to, pieces, names string }{
		{"a constant", "unit = 2", "unit = 3", "Do helper", ""},
		{"a variable", `"a", "b"`, `"a", "c"`, "Undo", ""},
		{"a variable made by code", `[...]string{"a", "b"}`, `make([]string, helper(1))`, "", "table"},
		{"a type's size", "size = 4", "size = 5", "", "size"},
		{"a signature", "helper(x int) int { return x", "helper(x int, _ ...int) int { return x", "Call helper", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := NewGraph(submission.Files{"a.go": []byte(text)})
			d := g.Difference(NewGraph(submission.Files{"a.go": []byte(strings.Replace(text, test.from, test.to, 1))}))
			var pieces []string
			for _, p := range d.Pieces {
				pieces = append(pieces, p.Name)
				if body := text[p.From:p.To]; body[0] != '{' || body[len(body)-1] != '}' {
					t.Errorf("piece %q; want a body", body)
				}
			}
			slices.Sort(pieces)
			if got := strings.Join(pieces, " "); got != test.pieces {
				t.Errorf("pieces in %q; want %q", got, test.pieces)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(d.Names)), " "); got != test.names {
				t.Errorf("names %q; want %q", got, test.names)
			}
		})
	}
}

// The copy does what the original does, and its notes tell which mutants could
// have shown.
func TestCover(t *testing.T) {
	files, cover, err := Instrument(submission.Files{"a.go": []byte(original)})
	if err != nil {
		t.Fatal(err)
	}
	notes := executed(t, files, cover, `println(thing{n: 5}.Do(0))`, "4\n")
	for _, test := range []struct {
		from, to string
		reached  bool
	}{
		{"x > 1", "x >= 1", true},
		{"y = t.n", "y = 2", false},
		{"\t\ty = t.n\n", "", false},
		{"return y + helper(x)", "return helper(x)", false},
		{"y++", "y += 2", true},
		{"y--", "y -= 2", false},
		{"y += i", "y -= i", true},
		{"{ return x }", "{ return -x }", false},
		{"func empty() {}", "func empty() { _ = 1 }", true}, // nothing in it is noted
		{"return y\n}", "y++\n\treturn y\n}", true},
	} {
		changed := strings.Replace(original, test.from, test.to, 1)
		d := NewGraph(submission.Files{"a.go": []byte(original)}).Difference(NewGraph(submission.Files{"a.go": []byte(changed)}))
		if len(d.Pieces) == 0 {
			t.Errorf("%q for %q: no pieces", test.to, test.from)
		}
		if got := cover.Reaches(notes, d.Pieces); got != test.reached {
			t.Errorf("%q for %q: reached %v; want %v", test.to, test.from, got, test.reached)
		}
	}
}

// A whole body was executed if its first statement was; of an empty one, and where
// there are no notes, that is not known.
func TestExecutedIsKnown(t *testing.T) {
	files, cover, err := Instrument(submission.Files{"a.go": []byte(original)})
	if err != nil {
		t.Fatal(err)
	}
	notes := executed(t, files, cover, `println(thing{n: 5}.Do(0))`, "4\n")
	body := func(name string) Piece {
		from := strings.Index(original, name)
		from += strings.Index(original[from:], "{")
		return Piece{name, "a.go", from, from + strings.Index(original[from:]+"\n\n", "}\n\n") + 1}
	}
	for _, test := range []struct {
		piece           Piece
		notes           map[string]string
		executed, known bool
	}{
		{body("Do("), notes, true, true},
		{body("helper(x int)"), notes, false, true},
		{body("empty()"), notes, false, false},
		{body("Do("), nil, false, false},
		{Piece{"", "b.go", 0, 1}, notes, false, false},
	} {
		if executed, known := cover.Executed(test.notes, test.piece); executed != test.executed || known != test.known {
			t.Errorf("%+v: executed %v, known %v; want %v, %v", test.piece, executed, known, test.executed, test.known)
		}
		if got, want := cover.Reaches(test.notes, []Piece{test.piece}), test.executed || !test.known; got != want {
			t.Errorf("%+v: reached %v; want %v", test.piece, got, want)
		}
	}
}

// executed runs a statement in a copy and returns its notes.
func executed(t *testing.T, files submission.Files, cover *Cover, statement, want string) map[string]string {
	t.Helper()
	dir, err := os.MkdirTemp(".", "executed-") // below our go.mod
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	notes := t.TempDir()
	for name, text := range files {
		source := strings.ReplaceAll(string(text), "package reference", "package main")
		source = strings.ReplaceAll(source, Executed, filepath.Join(notes, "executed-"))
		if name == "a.go" {
			source += "\nfunc main() { " + statement + " }\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range cover.Files() {
		if err := os.WriteFile(strings.ReplaceAll(path, Executed, filepath.Join(notes, "executed-")), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "run", "./"+dir).CombinedOutput()
	if err != nil || string(out) != want {
		t.Fatalf("%v, %q; want %q", err, out, want)
	}
	read := map[string]string{}
	for path := range cover.Files() {
		text, err := os.ReadFile(strings.ReplaceAll(path, Executed, filepath.Join(notes, "executed-")))
		if err != nil || !slices.Contains(text, noted) {
			t.Fatalf("%v, or no notes", err)
		}
		read[path] = string(text)
	}
	return read
}

const originalC = `#include <stdio.h>
#define SIZE 4
#define TWICE (2 * DEPTH)
#define DEPTH 3
#define LEVEL 1
#if LEVEL > 1
#error too high
#endif
struct room { char name[SIZE]; };
enum kind { PLAIN = 1 };
static const int table[] = {1, 2};
static int unused(void) { return 0; }
static int deep(void) { return TWICE; }
int first(int i) { return table[i]; }
int second(struct room *r) { return r->name[0] + (int)PLAIN; }
`

// A value that differs is a difference of those who use it, however far; what a
// type is made of is one of everybody.
func TestDifferenceInC(t *testing.T) {
	for _, test := range []struct{ name, from, to, pieces, names string }{
		{"a table", "{1, 2}", "{1, 3}", "first", ""},
		{"a macro in a macro", "DEPTH 3", "DEPTH 4", "deep", ""},
		{"a macro in a type", "SIZE 4", "SIZE 8", "", "SIZE"},
		{"a macro in a condition", "LEVEL 1", "LEVEL 0", "", "LEVEL"},
		{"a type", "char name", "int name", "", "room"},
		{"an enumeration", "PLAIN = 1", "PLAIN = 2", "second", ""},
		{"what a table is", "int table", "long table", "", "table"},
		{"a body", "return 0", "return 1", "unused", ""},
		{"a macro more", "#define LEVEL", "#define OTHER 2\n#define LEVEL", "", ""},
		{"a function more", "static int unused", "static int other(void) { return 0; }\nstatic int unused", "", ""},
		{"a function more that may stand before the library's", "static int unused", "int write(void) { return 0; }\nstatic int unused", "", "write"},
		{"a line break before a body", "int first(int i) {", "int first(int i)\n{ i++;", "first", ""},
		{"a signature", "int first(int i)", "int first(long i)", "", "first"},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := strings.Replace(originalC, test.from, test.to, 1)
			g, h := NewGraph(submission.Files{"a.c": []byte(originalC)}), NewGraph(submission.Files{"a.c": []byte(changed)})
			for _, pair := range [][2]*Graph{{g, h}, {h, g}} {
				d, pieces := pair[0].Difference(pair[1]), []string{}
				for _, p := range d.Pieces {
					pieces = append(pieces, p.Name)
				}
				slices.Sort(pieces)
				if got := strings.Join(slices.Compact(pieces), " "); got != test.pieces {
					t.Errorf("pieces in %q; want %q", got, test.pieces)
				}
				if got := strings.Join(slices.Sorted(maps.Keys(d.Names)), " "); got != test.names {
					t.Errorf("names %q; want %q", got, test.names)
				}
			}
		})
	}
}
