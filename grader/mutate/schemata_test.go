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

const start = 0

type sizes [limit]int

const limit = 3

func twice(n int) int { return 2 * n }

func (c *counter) forget() { c.n = start }

type speaker interface{ speak() }

func Say(_ string, n int) string {
	c := counter{}
	c.forget()
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
		{"a method more", "return 2 * n }", "return thing(n).thrice() }\n\ntype thing int\n\nfunc (t thing) thrice() int { return 3 * int(t) }", true},
		{"a method more of the reference's type", "c.n += n", "c.more(n) }\n\treturn c.n, nil\n}\n\nfunc (c *counter) more(n int) (int, error) {\n\tif n > 0 {\n\t\tc.n += n", true},
		{"a method more that may be asked for", "func twice", "func (c *counter) String() string { return \"\" }\n\nfunc twice", false},
		{"a method more that an interface asks for", "c.n += n", "c.speak() }\n\treturn c.n, nil\n}\n\nfunc (c *counter) speak() (int, error) {\n\tif true {\n\t\tc.n++", false},
		{"a method of the same name", "c.n += n", "c.twice(n) }\n\treturn c.n, nil\n}\n\nfunc (c *counter) twice(n int) (int, error) {\n\tif n > 0 {\n\t\tc.n += n", false},
		{"a constant", "start = 0", "start = 1", true},
		{"a constant that a type depends on", "limit = 3", "limit = 4", false},
		{"a variable made by code", "return 2 * n }", "return 2 * n * unit }\n\nvar unit = twice(1)", false},
		{"a type", "struct{ n int }", "struct{ n int; m int }", false},
		{"a parameter's name", "twice(n int) int { return 2 * n }", "twice(m int) int { return m }", true},
		{"a signature", "twice(n int) int", "twice(n int, _ ...int) int", true},
		{"a method's signature", "Add(by ...int)", "Add(by []int)", false},
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
		"begun":  {"start = 0", "start = 100"},
		"called": {"twice(n int) int { return 2", "twice(n int, by ...int) int { return 4"},
		"typed":  {"c.n += n", "c.more(n)\n\t}\n\treturn c.n, nil\n}\n\ntype step int\n\nfunc (s step) Value() int { return 5 * int(s) }\n\nfunc (c *counter) more(n int) (int, error) {\n\tfor range 1 {\n\t\tc.n += step(n).Value()"},
	}
	changed := func(id string) submission.Files {
		files := mutated(t, changes[id][0], changes[id][1])
		if id == "scaled" { // what it has of its own stands in a file of its own
			text, own, _ := strings.Cut(string(files["a.go"]), "\n\nfunc scaled")
			own, rest, _ := strings.Cut(own, "\n")
			files["a.go"], files["c.go"] = []byte(text+rest), []byte("package reference\n\nfunc scaled"+own+"\n")
		}
		return files
	}
	for _, id := range []string{"thrice", "scaled", "minus", "begun", "called", "typed"} {
		if !s.Add(id, changed(id)) {
			t.Fatalf("%s is not taken in", id)
		}
	}
	if s.Apart("thrice", "scaled") || !s.Apart("thrice", "minus") || !s.Apart("minus", "begun") {
		t.Error("thrice and scaled change one function, thrice and minus two, begun that which mentions its constant")
	}
	placed, ok := s.Place("minus", Piece{"Add", "a.go", strings.Index(switchable, "c.n += n"), strings.Index(switchable, "c.n += n") + len("c.n += n")})
	if text := s.Files()[placed.File]; !ok || string(text[placed.From:placed.To]) != "c.n -= n" || s.Owner(placed.File) != "minus" {
		t.Errorf("the piece of minus is %q", text[placed.From:placed.To])
	}
	program := build(t, s.Files())
	for choice, want := range map[string]string{
		Choice(): "15 <nil>", Choice("thrice"): "20 <nil>", Choice("scaled"): "55 <nil>", Choice("minus"): "-15 <nil>", Choice("thrice", "minus"): "-20 <nil>",
		Choice("begun"): "115 <nil>", Choice("begun", "minus"): "85 <nil>", Choice("called"): "25 <nil>", Choice("typed"): "75 <nil>", Choice("typed", "begun"): "175 <nil>",
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
