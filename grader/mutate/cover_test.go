package mutate

import (
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
	for _, test := range []struct{ name, from, to, piece, names string }{
		{"a word", "y = t.n", "y = 2 * t.n", "", ""},
		{"a statement more", "y = t.n\n", "y = t.n\n\t\ty++\n", "", ""},
		{"a statement less", "\t\ty = t.n\n", "", "y = t.n\n", ""},
		{"a condition", "x > 1", "x >= 1", ">", ""},
		{"a comment", "y = t.n", "y = t.n // so", "", ""},
		{"another block", "y = t.n\n", "y = t.n\n\t}\n\tif x > 2 {\n", "?", "Do"},
		{"another case", "y++\n", "y++\n\tcase 5:\n", "?", "Do"},
		{"a signature", "helper(x int) int", "helper(y int) int", "?", "helper"},
		{"a field", "n int", "n, m int", "?", "thing"},
		{"a function more", "func empty() {}", "func empty() {}\n\nfunc other() {}", "?", ""},
		{"a method more", "func empty() {}", "func empty() {}\n\nfunc (t thing) Other() {}", "?", "Other"},
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
