package mutate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// switchedC is a reference in C with all that mutants change.
const switchedC = `#include <stddef.h>
#include <stdio.h>

#define GREETING "hello"
#define LOUD GREETING "!"

struct pair { const char *name; int value; };

static const struct pair table[] = { {"one", 1}, {"two", 2} };

static int twice(int (*fn)(const char *text, void *arg), void *const *args, char names[][4])
{
	return names[0][0] + fn(LOUD, args[0]) + fn(LOUD, args[1]);
}

/* Says something. */
static int say(const char *text, void *arg)
{
	if (text == NULL)
		goto out;
	return printf("%s %s ", text, (char *)arg);
out:
	return 0;
}

static void count(unsigned *n) { *n += (unsigned)table[1].value; }

int speak(void)
{
	char a[] = "a", b[] = "b", names[1][4] = { "\0" };
	void *args[] = { a, b };
	unsigned n = 0;
	count(&n);
	return printf("%u ", n) + twice(say, args, names);
}
`

// changesInC are made on it.
var changesInC = []struct{ id, from, to, says string }{
	{"body", "table[1].value; }", "table[1].value + 3; }", "5 hello! a hello! b "},
	{"head", "static void count(unsigned *n) {", "static void count(unsigned *n)\n{\n", "2 hello! a hello! b "},
	{"macro", `"hello"`, `"bye"`, "2 bye! a bye! b "},
	{"table", `{"two", 2} }`, `{"two", 7} }`, "7 hello! a hello! b "},
	{"helper", "static void count(unsigned *n) {", "static unsigned more(unsigned n) { return n > 8 ? n : more(n + 4); }\n\nstatic void count(unsigned *n) { *n = more(*n);", "14 hello! a hello! b "},
	{"label", "return 0;", "return printf(\"never\");", "2 hello! a hello! b "},
	{"order", "fn(LOUD, args[0]) + fn(LOUD, args[1])", "fn(LOUD, args[1]) + fn(LOUD, args[0])", "2 hello! b hello! a "},
	{"many", "static void count(unsigned *n) {", "static int many(int n, ...) { return n; }\n\nstatic void count(unsigned *n) { *n = many(9, 1);", "11 hello! a hello! b "},
	{"header", "static void count(unsigned *n) {", "#include <stdlib.h>\n\nstatic void count(unsigned *n) { *n += (unsigned)atoi(\"5\");", "7 hello! a hello! b "},
	{"public", "unsigned n = 0;", "unsigned n = 40;", "42 hello! a hello! b "},
	{"argument", "static void count(unsigned *n) { *n += (unsigned)table[1].value; }", "static void add(unsigned *n, int more) { *n += (unsigned)more; }\n\nstatic void count(unsigned *n) { add(n, table[0].value + 5); }", "6 hello! a hello! b "},
}

func filesC(text string) submission.Files {
	return submission.Files{"linux_namespaces.c": []byte(text), "linux_namespaces.h": []byte("int speak(void);\n")}
}

func TestSchemataC17(t *testing.T) {
	s := NewSchemataC17(filesC(switchedC))
	want := map[string]string{"": "2 hello! a hello! b ", ":": "2 hello! a hello! b ", "x:macro+body": "5 bye! a bye! b ", "x:public+table": "47 hello! a hello! b "}
	for _, c := range changesInC {
		if !strings.Contains(switchedC, c.from) || !s.Add(c.id, filesC(strings.Replace(switchedC, c.from, c.to, 1))) {
			t.Fatalf("%s is not taken in", c.id)
		}
		want["x:"+c.id] = c.says
	}
	broken := strings.Replace(switchedC, "unsigned n = 0;", "unsigned m = 0;", 1)
	if !s.Add("broken", filesC(broken)) {
		t.Fatal("broken is not taken in")
	}
	if said := compiledC(t, s.Files(), ""); s.Owner(filepath.Base(strings.SplitN(said, ":", 2)[0])) != "broken" {
		t.Errorf("the compiler says %q; want it to speak of broken", said)
	}
	if owner := s.Owner("stdlib.h"); owner != "header" {
		t.Errorf("what the compiler says of a system's header concerns %q; want who includes one", owner)
	}
	s.Drop("broken")
	dir := t.TempDir()
	if said := compiledC(t, s.Files(), filepath.Join(dir, "program")); said != "" {
		t.Fatalf("%s\n%s", said, s.Files()["linux_namespaces.c"])
	}
	for choice, says := range want {
		out, err := speaks(filepath.Join(dir, "program"), choice)
		if err != nil || out != says {
			t.Errorf("%q: %q, %v; want %q", choice, out, err, says)
		}
	}
	if out, err := speaks(filepath.Join(dir, "program"), "x:body+bod"); err == nil {
		t.Errorf("a variant that is not there: %q; want that it dies", out)
	}
	for pair, want := range map[[2]string]bool{{"body", "public"}: true, {"body", "table"}: false, {"macro", "order"}: false, {"macro", "label"}: true} {
		if got := s.Apart(pair[0], pair[1]); got != want {
			t.Errorf("%v are apart: %v; want %v", pair, got, want)
		}
	}
	text := string(s.Files()["linux_namespaces.c"])
	for id, want := range map[string]string{"": "(unsigned)table[1].value;", "table": "(unsigned)table__table[1].value;", "body": "(unsigned)table[1].value + 3;"} {
		at, ok := s.Place(id, Piece{Name: "count", File: "linux_namespaces.c"})
		if !ok || text[at.From:at.To] == "" || !strings.Contains(text[at.From:at.To], want) {
			t.Errorf("count of %q stands at %q, %v; want %q", id, text[at.From:at.To], ok, want)
		}
	}
	if at, ok := s.Place("macro", Piece{Name: "count", File: "linux_namespaces.c"}); ok {
		t.Errorf("macro has a count of its own at %v; want none", at)
	}
}

func TestNotInSchemataC17(t *testing.T) {
	for what, change := range map[string][2]string{
		"nothing":                   {"", ""},
		"a header":                  {"#include <stdio.h>", "#include <stdlib.h>"},
		"one header more":           {"#include <stdio.h>", "#include <stdio.h>\n#include <stdlib.h>"},
		"a type":                    {"int value;", "long value;"},
		"a type by a macro":         {"#include <stddef.h>", "#include <stddef.h>\n#define int long"},
		"a macro less":              {"#define GREETING \"hello\"\n", ""},
		"an unused function":        {"/* Says", "static int idle(void) { return 0; }\n\n/* Says"},
		"a function that is unused": {"count(&n);", "n = 3;"},
		"a public function":         {"/* Says", "int other(void) { return 0; }\n\n/* Says"},
		"what its head is":          {"int speak(void)", "int speak(int n)"},
		"a constructor":             {"int speak(void)", "__attribute__((constructor)) int speak(void)"},
	} {
		if NewSchemataC17(filesC(switchedC)).Add("x", filesC(strings.Replace(switchedC, change[0], change[1], 1))) {
			t.Errorf("%s: taken in", what)
		}
	}
	either := switchedC + "#if ONE\nint either(void) { return 1; }\n#else\nint either(void) { return 2; }\n#endif\n"
	if NewSchemataC17(filesC(either)).Add("x", filesC(strings.Replace(either, "return 2", "return 3", 1))) {
		t.Error("one of two of the same name: taken in")
	}
	s := NewSchemataC17(filesC(switchedC))
	files := filesC(strings.Replace(switchedC, "= 0", "= 1", 1))
	files["more.h"] = nil
	if s.Add("x", files) {
		t.Error("a file more: taken in")
	}
	delete(files, "more.h")
	files["linux_namespaces.h"] = []byte("int speak(void); \n")
	if s.Add("x", files) {
		t.Error("the header of a reference: taken in")
	}
}

func TestSignature(t *testing.T) {
	for head, want := range map[string]string{
		"int f(void)\n":                                   "return f()",
		"static void f(int a, const char *b)":             "f(a, b)",
		"void *f(char *const argv[], unsigned n[4][2])":   "return f(argv, n)",
		"_Noreturn static void f(int (*fn)(void *, int))": "f(fn)",
		"struct pair f(struct pair p)":                    "return f(p)",
		"static int f(int n, ...)":                        "",
		"int f(int)":                                      "",
		"int f()":                                         "",
		"int (*f(int n))(void)":                           "",
		"int f(int n) __attribute__((cold))":              "",
	} {
		got := ""
		if returns, args, ok := signature([]byte(head), "f"); ok {
			got = returns + "f(" + strings.Join(args, ", ") + ")"
		}
		if got != want {
			t.Errorf("%s: called by %q; want %q", head, got, want)
		}
	}
}

// compiledC makes a program that speaks, and answers what the compiler says.
func compiledC(t *testing.T, files submission.Files, program string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "submission"), 0o700); err != nil {
		t.Fatal(err)
	}
	main := "extern int speak(void);\nint main(void) { return speak() < 0; }\n"
	for name, text := range map[string]string{"linux_namespaces.c": string(files["linux_namespaces.c"]), "main.c": main} {
		if err := os.WriteFile(filepath.Join(dir, "submission", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if program == "" {
		program = filepath.Join(dir, "program")
	}
	cmd := exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-std=c17", "-o", program, "submission/linux_namespaces.c", "submission/main.c")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, " error: ") {
			return line
		}
	}
	return string(out)
}

func speaks(program, choice string) (string, error) {
	cmd := exec.Command(program)
	cmd.Env = []string{scenario.VariantVariable + "=" + choice}
	out, err := cmd.Output()
	return string(out), err
}
