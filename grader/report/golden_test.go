package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"moulinette/grader/judge"
	"moulinette/grader/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestGolden(t *testing.T) {
	sheets := map[string]*judge.Sheet{"pass": passing(), "fail": failing(), "build": unbuildable(), "broken": broken()}
	files := map[string]bool{}
	for name, sheet := range sheets {
		for _, lang := range []string{"en", "fr"} {
			for _, format := range report.Formats() {
				file := name + "." + lang + "." + format
				files[file] = true
				t.Run(file, func(t *testing.T) {
					var out bytes.Buffer
					if err := report.Write(&out, format, sheet, report.Options{Lang: lang, Trace: true}); err != nil {
						t.Fatal(err)
					}
					golden(t, file, out.Bytes())
				})
			}
		}
	}
	files["fail.narrow.text"], files["fail.color.text"], files["json_keys.text"] = true, true, true
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() && !files[e.Name()] {
			t.Errorf("testdata/%s: no test uses it", e.Name())
		}
	}
}

func TestGoldenNarrow(t *testing.T) {
	var out bytes.Buffer
	if err := report.Write(&out, "text", failing(), report.Options{Width: 44}); err != nil {
		t.Fatal(err)
	}
	golden(t, "fail.narrow.text", out.Bytes())
}

func TestGoldenColor(t *testing.T) {
	var out bytes.Buffer
	if err := report.Write(&out, "text", failing(), report.Options{Color: true, Lang: "fr"}); err != nil {
		t.Fatal(err)
	}
	golden(t, "fail.color.text", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./grader/report -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}
