package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"moulinette/grader/judge"
	"moulinette/grader/report"
	"moulinette/grader/spec"
)

// element is what the strict schema says of one element.
type element struct {
	required, optional, children []string
	text                         bool
}

// strict is the part of Jenkins' xUnit schema that a report may use.
var strict = map[string]element{
	"testsuites": {optional: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
	"testsuite": {
		required: []string{"name", "tests", "failures", "errors"}, optional: []string{"time", "skipped"},
		children: []string{"properties", "testcase", "system-out", "system-err"},
	},
	"properties": {children: []string{"property"}},
	"property":   {required: []string{"name", "value"}},
	"testcase": {
		required: []string{"name"}, optional: []string{"time", "classname"},
		children: []string{"failure", "error", "skipped", "system-out", "system-err"},
	},
	"failure": {optional: []string{"type", "message"}, text: true},
	"error":   {optional: []string{"type", "message"}, text: true},
	"skipped": {optional: []string{"type", "message"}, text: true},

	"system-out": {text: true},
}

// surefireTime is the schema's pattern of a suite's time.
var surefireTime = regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$`)

func TestJUnitIsStrict(t *testing.T) {
	for name, sheet := range map[string]*judge.Sheet{"pass": passing(), "fail": failing(), "build": unbuildable(), "broken": broken(), "empty": {}} {
		t.Run(name, func(t *testing.T) { checkJUnit(t, sheet) })
	}
}

func TestJUnitNamesAreUnique(t *testing.T) {
	sheet := passing()
	sheet.Rows[1].Scenarios = sheet.Rows[0].Scenarios
	checkJUnit(t, sheet)
}

// A scenario is told its own reason, and no finding that costs nothing is a failure.
func TestJUnitTellsWhatIsTrue(t *testing.T) {
	sheet := passing()
	why := func(s string) spec.Text { return spec.Text{EN: s, FR: s} }
	sheet.Rows[0].Verdict, sheet.Rows[0].Reason = judge.Fail, why("the first hung")
	sheet.Rows[0].Scenarios = []judge.Scenario{
		{ID: "first", Verdict: judge.Fail, Reason: why("the first hung"), Expectations: []judge.Expectation{{That: "a", Judged: true, Hint: why("of no interest")}}},
		{ID: "second", Verdict: judge.Fail, Expectations: []judge.Expectation{{That: "b", Judged: true, Hint: why("look there")}}},
	}
	sheet.Rows[1].Verdict, sheet.Rows[1].Reason = judge.NotJudged, why("another row comes first")
	sheet.Rows[1].Scenarios = []judge.Scenario{{ID: "closed", Verdict: judge.Fail}}
	sheet.Norm = judge.Norm{Findings: []judge.Finding{{Rule: "other_function", Where: "a.c:1", Message: why("at no cost")}}}
	var out bytes.Buffer
	if err := report.Write(&out, "junit", sheet, report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for what, want := range map[string]int{
		"the first hung": 2, "of no interest": 0, "look there": 1, "another row comes first": 2, "<failure": 2,
		"<system-out>a.c:1: at no cost</system-out>": 1,
	} {
		if got := strings.Count(text, what); got != want {
			t.Errorf("%q stands there %d times; want %d:\n%s", what, got, want, text)
		}
	}
	checkJUnit(t, sheet)
}

func checkJUnit(t *testing.T, sheet *judge.Sheet) {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, "junit", sheet, report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	if found := command.FindString(out.String()); found != "" {
		t.Errorf("JUnit report holds the command %q", found)
	}
	c := junitChecker{t: t, names: map[string]bool{}}
	dec := xml.NewDecoder(&out)
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("JUnit report: %v", err)
		}
		c.token(token)
	}
	c.counts()
}

// junitChecker walks a report along the schema.
type junitChecker struct {
	t     *testing.T
	path  []string
	names map[string]bool
	said  map[string]int // attributes of the suite under way
	seen  map[string]int // its elements
	text  int            // bytes in the element under way
}

func (c *junitChecker) token(token xml.Token) {
	switch token := token.(type) {
	case xml.StartElement:
		c.start(token)
	case xml.CharData:
		c.text += len(bytes.TrimSpace(token))
	case xml.EndElement:
		name := token.Name.Local
		if slices.Contains([]string{"failure", "error", "skipped"}, name) && c.text == 0 {
			c.t.Errorf("<%s> without a text: GitLab shows nothing", name)
		}
		if name == "testsuite" {
			c.counts()
		}
		c.path = c.path[:len(c.path)-1]
	}
}

func (c *junitChecker) start(e xml.StartElement) {
	c.t.Helper()
	name := e.Name.Local
	rule, ok := strict[name]
	if !ok {
		c.t.Fatalf("element <%s> is not in the schema", name)
	}
	if len(c.path) > 0 && !slices.Contains(strict[c.path[len(c.path)-1]].children, name) {
		c.t.Errorf("<%s> in <%s>", name, c.path[len(c.path)-1])
	}
	c.path, c.text = append(c.path, name), 0
	attrs := c.attributes(e, rule)
	switch name {
	case "testsuite":
		c.said, c.seen = map[string]int{}, map[string]int{}
		for _, key := range []string{"tests", "failures", "errors", "skipped"} {
			n, err := strconv.Atoi(attrs[key])
			if err != nil {
				c.t.Errorf("testsuite: %s=%q", key, attrs[key])
			}
			c.said[key] = n
		}
	case "testcase":
		if c.names[attrs["name"]] {
			c.t.Errorf("testcase %q comes twice", attrs["name"])
		}
		c.names[attrs["name"]] = true
		c.seen["tests"]++
	case "failure", "skipped", "error":
		c.seen[map[string]string{"failure": "failures", "error": "errors", "skipped": "skipped"}[name]]++
	}
}

func (c *junitChecker) attributes(e xml.StartElement, rule element) map[string]string {
	attrs := map[string]string{}
	for _, a := range e.Attr {
		attrs[a.Name.Local] = a.Value
		if !slices.Contains(rule.required, a.Name.Local) && !slices.Contains(rule.optional, a.Name.Local) {
			c.t.Errorf("<%s> has an attribute %q", e.Name.Local, a.Name.Local)
		}
		if a.Name.Local == "time" && !surefireTime.MatchString(a.Value) {
			c.t.Errorf("<%s time=%q>", e.Name.Local, a.Value)
		}
	}
	for _, key := range rule.required {
		if _, ok := attrs[key]; !ok {
			c.t.Errorf("<%s> without %q", e.Name.Local, key)
		}
	}
	return attrs
}

// counts compares a suite's counts with its cases.
func (c *junitChecker) counts() {
	for key, n := range c.said {
		if c.seen[key] != n {
			c.t.Errorf("testsuite says %d %s, holds %d", n, key, c.seen[key])
		}
	}
	c.said = nil
}
