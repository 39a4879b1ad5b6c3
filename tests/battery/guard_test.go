package battery

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// refused is the status by which the guard ends a program outside of a box.
const refused = 66

// Outside of a box the guard ends a program before it does anything: here, before
// it leaves a mark.
func TestGuardRefusesOutsideOfABox(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "mark")
	files := map[string]string{
		"go.mod":   "module outside\n",
		"guard.go": strings.Replace(guardGo, "package student", "package main", 1),
		"main.go":  "package main\n\nimport \"os\"\n\nfunc main() {\n\tinABox()\n\tos.WriteFile(os.Args[1], nil, 0o644)\n}\n",
		"guard.h":  guardC,
		"main.c":   "#include \"guard.h\"\n\nint main(int argc, char **argv)\n{\n\tin_a_box();\n\treturn argc > 1 && fopen(argv[1], \"w\") == NULL;\n}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for language, compile := range map[string][]string{
		"go": {"go", "build", "-o", "ingo", "guard.go", "main.go"},
		"c":  {"gcc", "-Wall", "-Wextra", "-Werror", "-std=c17", "-D_GNU_SOURCE", "-o", "inc", "main.c"},
	} {
		t.Run(language, func(t *testing.T) {
			if _, err := exec.LookPath(compile[0]); err != nil {
				t.Skip("no " + compile[0])
			}
			build := exec.Command(compile[0], compile[1:]...)
			build.Dir = dir
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			err := exec.Command(filepath.Join(dir, "in"+language), mark).Run()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != refused {
				t.Errorf("it ended with %v; want status %d", err, refused)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("it acted outside of a box")
			}
		})
	}
}

// A program that would act without the guard is not even loaded.
func TestLoadRefusesWhatIsNotGuarded(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":     "tries: x\n",
		"no words":    "ends: [hung]\n-- a.go --\npackage student\n",
		"unknown key": "tries: x\nend: [hung]\n-- a.go --\npackage student\n",
		"early":       "tries: x\n-- a.go --\npackage student\n\nfunc init() { inABox() }\n",
		"unguarded":   "tries: x\nearly: true\n-- a.go --\npackage student\n\nfunc init() { evil() }\n",
		"too late":    "tries: x\nearly: true\n-- a.go --\npackage student\n\nfunc init() {\n\tevil()\n\tinABox()\n}\n",
		"in C":        "tries: x\nearly: true\n-- linux_namespaces.c --\n__attribute__((constructor)) static void early(void) { evil(); in_a_box(); }\n",
		"by variable": "tries: x\n-- a.go --\npackage student\n\nvar x = evil()\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.txtar"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil {
			t.Errorf("%s: it was loaded", name)
		}
	}
}
