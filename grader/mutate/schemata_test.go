package mutate

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

const switchable = `package reference

import "fmt"

type counter struct{ n int }

// Add adds.
func (c *counter) Add(by ...int) (sum int, err error) {
	for _, n := range by {
		c.n += n
	}
	return c.n, nil
}

func twice(n int) int { return 2 * n }

func Say(_ string, n int) string {
	c := counter{}
	sum, err := c.Add(n, twice(n))
	return fmt.Sprint(sum, err)
}
`

// mutated is switchable with one piece replaced.
func mutated(t *testing.T, from, to string) submission.Files {
	t.Helper()
	if strings.Count(switchable, from) != 1 {
		t.Fatalf("%q is not there once", from)
	}
	return submission.Files{"a.go": []byte(strings.Replace(switchable, from, to, 1)), "b.go": []byte("package reference\n")}
}

func TestSchemataTakesWhatIsInFunctions(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		want           bool
	}{
		{"a body", "2 * n", "3 * n", true},
		{"a method's body", "c.n += n", "c.n -= n", true},
		{"a function more", "return 2 * n }", "return thrice(n) }\n\nfunc thrice(n int) int { return 3 * n }", true},
		{"a variable more", "return 2 * n }", "return 2 * n * unit }\n\nvar unit = 1", true},
		{"an import more", "import \"fmt\"", "import \"fmt\"; import \"os\"", false}, // and nothing else
		{"a method more", "func twice", "func (c *counter) String() string { return \"\" }\n\nfunc twice", false},
		{"a variable made by code", "return 2 * n }", "return 2 * n * unit }\n\nvar unit = twice(1)", false},
		{"a type", "struct{ n int }", "struct{ n int; m int }", false},
		{"a signature", "twice(n int) int", "twice(m int) int", false},
		{"an init", "func twice", "func init() {}\n\nfunc twice", false},
		{"recover", "return c.n, nil", "defer func() { recover() }()\n\treturn c.n, nil", false},
		{"a directive", "func twice", "//go:noinline\nfunc twice", false},
		{"a constraint", "package reference", "//go:build linux\n\npackage reference", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSchemata(mutated(t, "2 * n", "2 * n"))
			if got := s.Add("m", mutated(t, test.from, test.to)); got != test.want {
				t.Errorf("taken in: %v; want %v", got, test.want)
			}
		})
	}
}

// What is chosen is done, and each piece is where it is said to be.
func TestSchemataDoesWhatIsChosen(t *testing.T) {
	s := NewSchemata(mutated(t, "2 * n", "2 * n"))
	changes := map[string][2]string{
		"thrice": {"return 2 * n }", "return scaled(n) }\n\nvar scale = 3\n\nfunc scaled(n int) int { return scale * n }"},
		"scaled": {"return 2 * n }", "return scaled(n) }\n\nfunc scaled(n int) int { return 10 * n }"},
		"minus":  {"c.n += n", "c.n -= n"},
	}
	for _, id := range []string{"thrice", "scaled", "minus"} {
		if !s.Add(id, mutated(t, changes[id][0], changes[id][1])) {
			t.Fatalf("%s is not taken in", id)
		}
	}
	if s.Apart("thrice", "scaled") || !s.Apart("thrice", "minus") {
		t.Error("thrice and scaled change one function, thrice and minus two")
	}
	placed, ok := s.Place("minus", Piece{"Add", "a.go", strings.Index(switchable, "c.n += n"), strings.Index(switchable, "c.n += n") + len("c.n += n")})
	if text := s.Files()[placed.File]; !ok || string(text[placed.From:placed.To]) != "c.n -= n" || s.Owner(placed.File) != "minus" {
		t.Errorf("the piece of minus is %q", text[placed.From:placed.To])
	}
	program := build(t, s.Files())
	for choice, want := range map[string]string{
		Choice(): "15 <nil>", Choice("thrice"): "20 <nil>", Choice("scaled"): "55 <nil>", Choice("minus"): "-15 <nil>", Choice("thrice", "minus"): "-20 <nil>",
	} {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), scenario.VariantVariable+"=reference"+choice)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", choice, out, err, want)
		}
	}
	t.Run("one is left out again", func(t *testing.T) {
		s.Drop("scaled")
		files := s.Files()
		if s.members["scaled"] != nil || slices.ContainsFunc(sortedFiles(files), func(name string) bool { return strings.Contains(name, "scaled") }) {
			t.Error("it is still there")
		}
	})
}

// build makes a program that says what Say says of 5.
func build(t *testing.T, files submission.Files) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(filepath.Join("reference", name), string(text))
	}
	write("go.mod", "module moulinette\n\ngo 1.26\n")
	write("main.go", "package main\n\nimport (\n\t\"fmt\"\n\n\t\"moulinette/reference\"\n)\n\nfunc main() { fmt.Print(reference.Say(\"\", 5)) }\n")
	cmd := exec.Command("go", "build", "-o", "program", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "program")
}

func TestInstrumentC(t *testing.T) {
	const text = "#include <stdio.h>\n\nstatic int one(int n)\n{\n\treturn n;\n}\n\nint two(void)\n{\n\treturn one(2);\n}\n"
	files := submission.Files{"linux_namespaces.c": []byte(text)}
	copied, cover, err := InstrumentC(files)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	main := strings.ReplaceAll(string(copied["linux_namespaces.c"]), Executed+"0", notes) + "\nint main(void) { return two() - 2; }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.c"), []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-std=c17", "-o", filepath.Join(dir, "main"), filepath.Join(dir, "main.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(notes, []byte(cover.Files()[Executed+"0"]), 0o600); err != nil {
		t.Fatal(err)
	}
	g, changed := NewGraph(files), NewGraph(submission.Files{"linux_namespaces.c": []byte(strings.Replace(text, "return n;", "return n + 1;", 1))})
	pieces := g.Difference(changed).Pieces
	if len(pieces) != 1 || pieces[0].Name != "one" {
		t.Fatalf("pieces %v; want the body of one", pieces)
	}
	before := map[string]string{Executed + "0": cover.Files()[Executed+"0"]}
	if cover.Reaches(before, pieces) {
		t.Error("one is said to be executed before anything is")
	}
	if out, err := exec.Command(filepath.Join(dir, "main")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	after, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	if !cover.Reaches(map[string]string{Executed + "0": string(after)}, pieces) {
		t.Error("one was executed, and is not noted")
	}
}
