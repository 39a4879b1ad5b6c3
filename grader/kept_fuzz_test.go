package grader_test

import (
	"encoding/json"
	"io"
	"testing"

	"moulinette/grader"
	"moulinette/grader/report"
	"moulinette/grader/spec"
	"moulinette/specs"
)

// FuzzKept judges any text as a kept grading, and reports on it: records of a
// foreign hand may be odd, and must not be more than that.
func FuzzKept(f *testing.F) {
	ex, err := spec.Load(specs.FS, "ex02.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		`{"version":1,"exercise":"ex02","grading":{"Submission":"x","Language":"go"}}`,
		`{"version":1,"exercise":"ex02","grading":{"Records":{"pid.child_is_init":null},"Build":{}}}`,
		`{"version":1,"exercise":"ex02","grading":{"Records":{"pid.child_is_init":{"version":1,"scenario":"pid.child_is_init","end":{"outcome":"completed"},"probes":{"probe":{"seen":true,"nspid":[-1]}},"order":["x"],"at":{"before":null}}},"Only":["", "pid"]}}`,
		`{"version":1,"exercise":"ex02","grading":{"Records":{"pid.child_is_init":{"millis":1e308}}}}`,
		`{"version":1,"exercise":"ex02","grading":{"Harness":{"pid.child_is_init":"\u0000"},"Environment":null,"Findings":[{"Blocking":true}]},"notices":[{}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		kept := &grader.Kept{}
		if json.Unmarshal(data, kept) != nil || kept.Check() != nil {
			return
		}
		sheet := kept.Judge(ex)
		if sheet.Score < 0 || sheet.Score > sheet.MaxScore || sheet.BonusEarned > sheet.BonusMax {
			t.Errorf("score %d of %d, bonus %d of %d", sheet.Score, sheet.MaxScore, sheet.BonusEarned, sheet.BonusMax)
		}
		for _, format := range report.Formats() {
			if err := report.Write(io.Discard, format, sheet, report.Options{Lang: "fr", Trace: true, Key: []byte("0123456789abcdef")}); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		}
	})
}
