package report_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"moulinette/grader/judge"
	"moulinette/grader/report"
	"moulinette/grader/spec"
)

// hostile puts s wherever a submission, or a kept grading of anybody's, can put a string.
func hostile(s string) *judge.Sheet {
	sheet := failing()
	sheet.Submission, sheet.Content, sheet.Language, sheet.Isolation = s, s, s, s
	said := spec.Text{FR: s, EN: s}
	for i := range sheet.Rows {
		sheet.Rows[i].Reason = said
		for k := range sheet.Rows[i].Scenarios {
			sc := &sheet.Rows[i].Scenarios[k]
			sc.Reason, sc.Stderr, sc.Trace = said, s, []string{s}
			for e := range sc.Expectations {
				sc.Expectations[e].Got = s
			}
		}
	}
	sheet.Norm.Findings[0].Rule, sheet.Norm.Findings[0].Where, sheet.Norm.Findings[0].Message = s, s, said
	sheet.Environment["x"] = s
	sheet.Faults = []spec.Text{said}
	if len(s)%2 == 1 {
		sheet.Build = &judge.Build{Reason: said, Output: s}
	}
	return sheet
}

func FuzzReportsStayWhole(f *testing.F) {
	for _, s := range []string{
		"", "\x1b[2J\x1b]52;c;AAAA\a", "\xff\xfe\x00", "]]></failure></testcase>", "::error::owned", "##[error]owned",
		"\u202eevil\u2066", "a\r\nb\vc\fd\u0085e\u2028f", strings.Repeat("x", 5000), strings.Repeat("y\n", 5000),
		"\ufffe\uffff\U000e0041", "{\"score\": 100}", "=cmd|' /C calc'!A0", "<script>", "\u200b\u00ad", "::stop-commands::x\n::set-output name=a::b",
		strings.Repeat("x ", 60) + "\u00a0::error::owned", strings.Repeat(" \u202f::error::owned", 9), strings.Repeat("##[error]", 30),
		"##vso[task.setvariable variable=a]b", "##teamcity[buildStop]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sheet := hostile(s)
		checkText(t, sheet)
		checkJSON(t, sheet)
		checkJUnit(t, sheet)
		checkGradescope(t, sheet)
	})
}

// command matches what CI servers take as orders.
var command = regexp.MustCompile(`(?m)^[\s\pZ]*::|##\w*\[`)

func checkText(t *testing.T, sheet *judge.Sheet) {
	t.Helper()
	for _, lang := range []string{"en", "fr"} {
		var out bytes.Buffer
		if err := report.Write(&out, "text", sheet, report.Options{Lang: lang, Trace: true}); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(out.Bytes()) {
			t.Errorf("%s text is not UTF-8", lang)
		}
		for _, r := range out.String() {
			if r != '\n' && r != '\u00a0' && r != '\u202f' && !unicode.IsPrint(r) {
				t.Fatalf("%s text holds %U", lang, r)
			}
		}
		if found := command.FindString(out.String()); found != "" {
			t.Errorf("%s text holds the command %q", lang, found)
		}
		if out.Len() > 200_000 {
			t.Errorf("%s text of %d bytes", lang, out.Len())
		}
	}
}

func checkGradescope(t *testing.T, sheet *judge.Sheet) {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, "gradescope", sheet, report.Options{}); err != nil {
		t.Fatal(err)
	}
	if found := command.FindString(out.String()); found != "" {
		t.Errorf("Gradescope report holds the command %q", found)
	}
	var results struct {
		Score  *int
		Output string
		Tests  []struct{ Name, Output string }
	}
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatalf("Gradescope report: %v", err)
	}
	if results.Score == nil || *results.Score != sheet.Score || len(results.Tests) != len(sheet.Rows)+len(sheet.Bonus) {
		t.Errorf("Gradescope report says %v in %d tests; want %d", results.Score, len(results.Tests), sheet.Score)
	}
	texts := results.Output
	for _, test := range results.Tests {
		texts += "\n" + test.Name + "\n" + test.Output
	}
	for _, r := range texts {
		if r != '\n' && r != '\u00a0' && r != '\u202f' && !unicode.IsPrint(r) {
			t.Fatalf("Gradescope report holds %U", r)
		}
	}
}

func checkJSON(t *testing.T, sheet *judge.Sheet) {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, "json", sheet, report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	if found := command.FindString(out.String()); found != "" {
		t.Errorf("JSON report holds the command %q", found)
	}
	for _, r := range out.String() {
		if r != '\n' && r != '\u00a0' && r != '\u202f' && !unicode.IsPrint(r) {
			t.Fatalf("JSON report holds %U", r)
		}
	}
	var doc report.Document
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("JSON report: %v", err)
	}
	if doc.Score != sheet.Score || len(doc.Rows) != len(sheet.Rows) {
		t.Errorf("JSON report says score %d, %d rows; want %d, %d", doc.Score, len(doc.Rows), sheet.Score, len(sheet.Rows))
	}
}
