package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"moulinette/grader/judge"
)

// writeJUnit writes the sheet as JUnit XML, within what Jenkins' strict schema takes
// (no file, line or property on a test case) and the way GitLab reads it: the
// message stands in the text of failure and error, and no name comes twice. A
// harness fault is an error, what was not judged is skipped. A suite is a row, a
// test case is a scenario.
func writeJUnit(w io.Writer, sheet *judge.Sheet, lang string) error {
	out := bytes.NewBufferString(xml.Header)
	enc := xml.NewEncoder(out)
	enc.Indent("", "  ")
	if err := enc.Encode(suites(sheet, lang)); err != nil {
		return err
	}
	out.WriteByte('\n')
	return disarmed(w, out.Bytes(), bracketXML)
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Time     string       `xml:"time,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string           `xml:"name,attr"`
	Tests      int              `xml:"tests,attr"`
	Failures   int              `xml:"failures,attr"`
	Errors     int              `xml:"errors,attr"`
	Skipped    int              `xml:"skipped,attr"`
	Time       string           `xml:"time,attr"`
	Properties *junitProperties `xml:"properties"`
	Cases      []junitCase      `xml:"testcase"`

	millis float64
}

type junitProperties struct {
	List []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string       `xml:"name,attr"`
	Classname string       `xml:"classname,attr"`
	Time      string       `xml:"time,attr"`
	Failure   *junitResult `xml:"failure"`
	Error     *junitResult `xml:"error"`
	Skipped   *junitResult `xml:"skipped"`
	Output    string       `xml:"system-out,omitempty"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func suites(s *judge.Sheet, lang string) junitSuites {
	j := junit{exercise: clean(s.Exercise), lang: lang, words: wordsIn(lang), names: map[string]int{}}
	doc := junitSuites{Name: "moulinette " + j.exercise}
	list := []junitSuite{}
	for _, r := range slices.Concat(s.Rows, s.Bonus) {
		list = append(list, j.suite(r, s.Build))
	}
	list = append(list, j.norm(s.Norm))
	if len(s.Faults) > 0 {
		list = append(list, j.faults(allIn(s.Faults, lang)))
	}
	list[0].Properties = properties(s)
	millis := 0.0
	for _, suite := range list {
		doc.Tests += suite.Tests
		doc.Failures += suite.Failures
		doc.Errors += suite.Errors
		millis += suite.millis
	}
	doc.Time, doc.Suites = seconds(millis), list
	return doc
}

// properties tells the score, for a reader of the file.
func properties(s *judge.Sheet) *junitProperties {
	passed := "undecided"
	if s.Passed != nil {
		passed = fmt.Sprint(*s.Passed)
	}
	return &junitProperties{[]junitProperty{
		{"moulinette.submission", clean(s.Submission)},
		{"moulinette.seed", fmt.Sprint(s.Seed)},
		{"moulinette.isolation", clean(s.Isolation)},
		{"moulinette.passed", passed},
		{"moulinette.score", ratio(s.Score, s.MaxScore)},
		{"moulinette.bonus", ratio(s.BonusEarned, s.BonusMax)},
		{"moulinette.unjudged", fmt.Sprint(s.Unjudged)},
	}}
}

// junit is a JUnit report under way.
type junit struct {
	exercise string
	lang     string
	words    words
	names    map[string]int // how often each name was used
}

func (j *junit) suite(r judge.Row, build *judge.Build) junitSuite {
	suite := junitSuite{Name: in(r.Title, j.lang)}
	if suite.Name == "" {
		suite.Name = clean(r.ID)
	}
	if build != nil || len(r.Scenarios) == 0 {
		c := j.testcase(r.ID, r.ID, 0)
		text := reason(r.Reason, j.lang)
		if build != nil {
			text = in(build.Reason, j.lang) + "\n" + cleanText(build.Output, false)
		}
		c.set(r.Verdict, text)
		suite.add(c, 0)
	} else {
		for _, s := range r.Scenarios {
			c := j.testcase(s.ID, r.ID, s.Millis)
			if r.Verdict == judge.NotJudged && !r.Open { // another row has to pass first
				c.set(r.Verdict, reason(r.Reason, j.lang))
			} else {
				c.set(s.Verdict, j.explain(s))
			}
			suite.add(c, s.Millis)
		}
	}
	suite.Time = seconds(suite.millis)
	return suite
}

func (j *junit) norm(n judge.Norm) junitSuite {
	suite := junitSuite{Name: j.words.NormTitle}
	c := j.testcase("norm", "norm", 0)
	var lines []string
	for _, f := range n.Findings {
		lines = append(lines, strings.TrimPrefix(clean(f.Where)+": "+in(f.Message, j.lang), ": "))
	}
	if text := strings.Join(lines, "\n"); n.Blocking {
		c.set(judge.Fail, text)
	} else { // it costs nothing
		c.Output = text
	}
	suite.add(c, 0)
	suite.Time = seconds(0)
	return suite
}

func (j *junit) faults(list []string) junitSuite {
	suite := junitSuite{Name: j.words.HarnessFault}
	for i, f := range list {
		c := j.testcase(fmt.Sprintf("harness.%d", i+1), "harness", 0)
		c.set(judge.HarnessFault, f)
		suite.add(c, 0)
	}
	suite.Time = seconds(0)
	return suite
}

// testcase makes a case whose name is unique in the file.
func (j *junit) testcase(name, class string, millis float64) junitCase {
	name = clean(name)
	j.names[name]++
	if n := j.names[name]; n > 1 {
		name = fmt.Sprintf("%s (%s, %d)", name, clean(class), n)
	}
	return junitCase{Name: name, Classname: j.exercise + "." + clean(class), Time: seconds(millis)}
}

// explain is all that is to be said of a scenario, in lines. What was expected says
// nothing about a run that went wrong in another way.
func (j *junit) explain(s judge.Scenario) string {
	lines := []string{in(s.Title, j.lang)}
	if !s.Reason.IsZero() {
		return strings.Join(append(lines, reason(s.Reason, j.lang)), "\n")
	}
	for _, e := range s.Expectations {
		if !e.Judged || e.OK {
			continue
		}
		for _, f := range []struct{ label, text string }{
			{j.words.Expected, clean(e.That)},
			{j.words.Got, clean(e.Got)},
			{j.words.Hint, in(e.Hint, j.lang)},
			{j.words.Lesson, in(e.Lesson, j.lang)},
			{j.words.Read, strings.Join(cleanAll(e.Read), ", ")},
		} {
			if f.text != "" {
				lines = append(lines, "  "+f.label+j.words.Colon+f.text)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// set gives the case its verdict. A pass says nothing.
func (c *junitCase) set(v judge.Verdict, text string) {
	text = cmp.Or(strings.TrimSpace(text), string(v))
	first, _, _ := strings.Cut(text, "\n")
	r := &junitResult{Message: first, Type: string(v), Text: text}
	switch v {
	case judge.Pass:
	case judge.NotJudged:
		c.Skipped = r
	case judge.Fail:
		c.Failure = r
	case judge.HarnessFault:
		c.Error = r
	default:
		c.Error = &junitResult{Message: "no verdict", Type: "none", Text: "no verdict " + text}
	}
}

func (s *junitSuite) add(c junitCase, millis float64) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	s.millis += finite(millis)
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

// seconds is a time as the schemas want it: no exponent, no sign.
func seconds(millis float64) string {
	return fmt.Sprintf("%.3f", min(max(finite(millis), 0), 1e9)/1000)
}
