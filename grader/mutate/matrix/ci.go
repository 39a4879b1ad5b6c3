package matrix

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"moulinette/grader/mutate/verify"
	"moulinette/grader/spec"
)

// writeGitHub writes the errors as annotations of GitHub Actions, each at the file to
// open, and what was not tried.
func writeGitHub(w io.Writer, r *verify.Result, lang string) error {
	var out strings.Builder
	for _, e := range r.Errors {
		fmt.Fprintf(&out, "::error file=%s", property(e.File))
		if e.Line > 0 {
			fmt.Fprintf(&out, ",line=%d", e.Line)
		}
		if e.Column > 0 {
			fmt.Fprintf(&out, ",col=%d", e.Column)
		}
		fmt.Fprintf(&out, ",title=%s::%s\n", property(string(e.Kind)+": "+e.Subject), data(e.Text.In(lang)))
	}
	for _, f := range r.Faults {
		fmt.Fprintf(&out, "::error title=%s::%s\n", verify.HarnessFault, data(f))
	}
	for _, a := range r.Absent {
		fmt.Fprintf(&out, "::notice title=%s::%s\n", property(spec.Text{FR: "non essayée : ", EN: "not tried: "}.In(lang)+a.ID), data(a.Why))
	}
	if onlyReferences(r) {
		fmt.Fprintf(&out, "::notice::%s\n", data(nothingElse().In(lang)))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// data and property escape as the runner reads it.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Time     string       `xml:"time,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string       `xml:"name,attr"`
	Classname string       `xml:"classname,attr"`
	Time      string       `xml:"time,attr"`
	Failure   *junitResult `xml:"failure"`
	Error     *junitResult `xml:"error"`
	Skipped   *junitSkip   `xml:"skipped"`
}

type junitSkip struct {
	Message string `xml:"message,attr,omitempty"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes a test case for each solution, and for each error that is about
// none.
func writeJUnit(w io.Writer, r *verify.Result, lang string) error {
	all := junitSuites{Name: "moulinette verify", Time: seconds(r.Building.Seconds() + r.Running.Seconds())}
	told, untried := map[string]bool{}, r.Untried()
	for _, kind := range []verify.Kind{verify.Reference, verify.Alternative, verify.Mutant, verify.Skeleton} {
		suite := junitSuite{Name: string(kind)}
		for _, s := range r.Solutions {
			if s.Kind == kind {
				told[s.ID] = true
				c := result(s, r.Errors, lang)
				if slices.Contains(untried, s.ID) {
					c.Skipped = skip(r, s.ID)
				}
				suite.add(c)
			}
		}
		all.add(suite)
	}
	others := junitSuite{Name: "grading"}
	for _, a := range r.Absent {
		if !told[a.ID] {
			others.add(junitCase{Name: a.ID, Classname: string(verify.Mutant), Time: "0.000", Skipped: skip(r, a.ID)})
		}
	}
	for _, e := range r.Errors {
		if !told[e.Subject] {
			others.add(junitCase{Name: string(e.Kind) + " " + place(e) + " " + e.Subject, Classname: "grading", Time: "0.000", Failure: failure([]verify.Error{e}, lang)})
		}
	}
	for i, f := range r.Faults {
		fault := verify.Error{Kind: verify.HarnessFault, Text: spec.Text{FR: f, EN: f}}
		others.add(junitCase{Name: fmt.Sprintf("harness fault %d", i+1), Classname: "grading", Time: "0.000", Error: failure([]verify.Error{fault}, lang)})
	}
	all.add(others)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// add leaves empty suites out.
func (a *junitSuites) add(s junitSuite) {
	if s.Tests > 0 {
		a.Suites = append(a.Suites, s)
		a.Tests, a.Failures, a.Errors, a.Skipped = a.Tests+s.Tests, a.Failures+s.Failures, a.Errors+s.Errors, a.Skipped+s.Skipped
	}
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
}

// skip tells why a solution was not tried, if that is known.
func skip(r *verify.Result, id string) *junitSkip {
	for _, a := range r.Absent {
		if a.ID == id {
			return &junitSkip{a.Why}
		}
	}
	return &junitSkip{}
}

func result(s *verify.Solution, errors []verify.Error, lang string) junitCase {
	c := junitCase{Name: s.ID, Classname: string(s.Kind)}
	millis := 0.0
	for _, cell := range s.Cells {
		if !cell.Inferred {
			millis += cell.Millis
		}
	}
	c.Time = seconds(millis / 1000)
	var wrong, faults []verify.Error
	for _, e := range errors {
		switch {
		case e.Subject != s.ID:
		case e.Kind == verify.HarnessFault || e.Kind == verify.NotJudged:
			faults = append(faults, e)
		default:
			wrong = append(wrong, e)
		}
	}
	c.Failure, c.Error = failure(wrong, lang), failure(faults, lang)
	return c
}

func failure(errors []verify.Error, lang string) *junitResult {
	if len(errors) == 0 {
		return nil
	}
	var lines []string
	for _, e := range errors {
		lines = append(lines, place(e)+": "+e.Text.In(lang))
	}
	return &junitResult{Message: errors[0].Text.In(lang), Type: string(errors[0].Kind), Text: strings.Join(lines, "\n")}
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
