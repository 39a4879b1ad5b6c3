package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOfTheGoCommand reads what the go command really says of tests that pass, fail,
// are skipped, and do not build.
func TestOfTheGoCommand(t *testing.T) {
	const head = "package p\n\nimport \"testing\"\n\n"
	for _, c := range []struct {
		name, text string
		failed     bool
		want, not  []string
	}{
		{"pass", "func TestA(t *testing.T) { t.Log(\"a word\") }", false, []string{"ok  ", "1 tests passed, 0 skipped"}, []string{"a word"}},
		{
			"skip", "func TestA(t *testing.T) {}\nfunc TestB(t *testing.T) { t.Skip(\"needs root\") }\nfunc TestC(t *testing.T) { t.Run(\"x\", func(t *testing.T) { t.Skip(\"needs root\") }) }", false,
			[]string{"2 tests passed, 2 skipped", "2  needs root"},
			nil,
		},
		{"fail", "func TestA(t *testing.T) { t.Error(\"a reason\") }\nfunc TestB(t *testing.T) {}", true, []string{"a reason", "FAIL", "1 tests passed"}, nil},
		{"panic", "func TestA(t *testing.T) { panic(\"a word\") }", true, []string{"panic: a word"}, nil},
		{"build", "func TestA(t *testing.T) { nothing }", true, []string{"undefined: nothing"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"go.mod": "module p\n\ngo 1.26\n", "p_test.go": head + c.text + "\n"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("go", "test", "-json", "./...")
			cmd.Dir = dir
			said, _ := cmd.CombinedOutput() // that it fails is what is read
			var out strings.Builder
			failed, err := summarise(strings.NewReader(string(said)), &out, false)
			if failed != c.failed || err != nil {
				t.Errorf("failed: %v, %v; want %v\n%s", failed, err, c.failed, out.String())
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			for _, not := range c.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q in\n%s", not, out.String())
				}
			}
		})
	}
}

// A go command that came to no end is no success.
func TestNothingSaid(t *testing.T) {
	if failed, _ := summarise(strings.NewReader("go: cannot find main module\n"), &strings.Builder{}, false); !failed {
		t.Error("nothing was run, and that passed")
	}
}

// Where the time goes is told, the longest first, and parts of a test with it.
func TestLongest(t *testing.T) {
	const said = `{"Action":"pass","Package":"p","Test":"TestShort","Elapsed":0.1}
{"Action":"pass","Package":"p","Test":"TestLong","Elapsed":7.2}
{"Action":"pass","Package":"p","Test":"TestLonger/part","Elapsed":60}
{"Action":"pass","Package":"p","Test":"TestLonger","Elapsed":61}
{"Action":"pass","Package":"p"}
`
	var out strings.Builder
	if failed, err := summarise(strings.NewReader(said), &out, false); failed || err != nil {
		t.Errorf("failed: %v, %v", failed, err)
	}
	if want := "     61s  TestLonger of p\n      7s  TestLong of p\n"; !strings.HasSuffix(out.String(), "0 skipped\n"+want) {
		t.Errorf("got\n%s\nwant in the end\n%s", out.String(), want)
	}
}

// In CI what was skipped is a failure, were it a whole package, unless nothing can be
// done about it; elsewhere it is counted.
func TestSkipsInCI(t *testing.T) {
	const (
		skipped = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:9: %s\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`
		whole = `{"Action":"output","Package":"p","Output":"p: all tests skipped: no QEMU here\n"}
{"Action":"pass","Package":"p"}
`
	)
	for _, c := range []struct {
		said, want string
		fails      bool
	}{
		{fmt.Sprintf(skipped, "needs root"), "1  needs root", true},
		{fmt.Sprintf(skipped, mayBeSkipped[0]), "1  " + mayBeSkipped[0], false},
		{whole, "1  all tests skipped: no QEMU here", true},
	} {
		for _, strict := range []bool{true, false} {
			var out strings.Builder
			failed, err := summarise(strings.NewReader(c.said), &out, strict)
			if failed != (strict && c.fails) || err != nil || !strings.Contains(out.String(), c.want) {
				t.Errorf("strict %v: failed %v, %v, and said %s; want %q", strict, failed, err, out.String(), c.want)
			}
		}
	}
}
