package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fatih/color"

	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

// maxExpectations of one scenario are shown; they tend to fail together.
const maxExpectations = 3

// maxTrace is how many of the last traced calls of a scenario are shown.
const maxTrace = 60

// failures explains each failed row, scenario by scenario.
func (t *text) failures(s *judge.Sheet) {
	first := true
	for _, rows := range [][]judge.Row{s.Rows, s.Bonus} {
		for _, r := range rows {
			if r.Verdict != judge.Fail {
				continue
			}
			if first {
				t.title(t.words.WrongTitle)
				first = false
			}
			t.failedRow(r)
		}
	}
}

func (t *text) failedRow(r judge.Row) {
	t.line("")
	t.line(t.ink(disarm(in(r.Title, t.lang)), color.Bold, color.FgRed) + "  " + ratio(r.Earned, r.Points) +
		"  " + t.ink("["+clean(r.ID)+"]", color.Faint))
	t.explain(r)
}

// explain tells why a row failed.
func (t *text) explain(r judge.Row) {
	told := slices.ContainsFunc(r.Scenarios, func(s judge.Scenario) bool { return s.Reason == r.Reason })
	if !r.Reason.IsZero() && !told {
		t.reason("  ", r.Reason)
	}
	for _, group := range t.alike(r.Scenarios) {
		t.failedScenarios(group)
	}
}

// alike puts together the failed scenarios of a row that went wrong in exactly
// the same way, so that it is explained once.
func (t *text) alike(scenarios []judge.Scenario) [][]judge.Scenario {
	var groups [][]judge.Scenario
	place := map[string]int{}
	for _, s := range scenarios {
		if s.Verdict != judge.Fail {
			continue
		}
		key := t.signature(s)
		i, known := place[key]
		if !known {
			i = len(groups)
			place[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// signature is all that would be told of a scenario but its name.
func (t *text) signature(s judge.Scenario) string {
	parts := []string{s.Reason.EN, s.Stderr}
	if t.trace {
		parts = append(parts, s.Trace...)
	}
	for _, e := range s.Expectations {
		if s.Reason.IsZero() && e.Judged && !e.OK {
			parts = append(parts, e.That, e.Got, e.Hint.EN)
		}
	}
	return strings.Join(parts, "\x00")
}

// failedScenarios explains scenarios that failed alike.
func (t *text) failedScenarios(group []judge.Scenario) {
	for _, s := range group {
		mark, attr := markOf(s.Verdict)
		t.para("  "+t.ink(mark, attr)+" ", in(s.Title, t.lang)+" ("+clean(s.ID)+")")
	}
	s := group[0]
	if s.Reason.IsZero() {
		t.expectations(s)
	} else { // what was expected says nothing about a run that went wrong in another way
		t.reason("      ", s.Reason)
	}
	t.printed(s)
	if t.trace && len(s.Trace) > 0 {
		t.para("      ", t.words.TraceTitle)
		t.quote("      ", cleanAll(s.Trace[max(0, len(s.Trace)-maxTrace):]))
	}
}

// reason tells why; what follows the first line, as a stack does, is quoted.
func (t *text) reason(indent string, why spec.Text) {
	lines := reasonLines(why, t.lang)
	t.para(indent, lines[0])
	t.quote(indent, lines[1:])
}

// printed shows what a program wrote: of one that did not get to its end, why;
// of one whose container never began, the step that failed.
func (t *text) printed(s judge.Scenario) {
	if lines := cleanLines(s.Stderr, true); len(lines) > 0 {
		t.para("      ", t.words.OutputTitle)
		t.quote("      ", lines)
	}
}

func (t *text) expectations(s judge.Scenario) {
	shown, more := 0, 0
	for _, e := range s.Expectations {
		switch {
		case !e.Judged || e.OK:
		case shown == maxExpectations:
			more++
		default:
			if shown++; shown > 1 {
				t.line("")
			}
			t.expectation(e)
		}
	}
	if more > 0 {
		t.para("      ", fmt.Sprintf(t.words.MoreExpectations, more), color.Faint)
	}
}

func (t *text) expectation(e judge.Expectation) {
	t.fields("      ", []field{
		{t.words.Expected, clean(e.That), []color.Attribute{color.FgCyan}},
		{t.words.Got, clean(e.Got), []color.Attribute{color.FgYellow}},
		{t.words.Hint, in(e.Hint, t.lang), nil},
		{t.words.Lesson, t.once(in(e.Lesson, t.lang)), nil},
		{t.words.Read, strings.Join(cleanAll(e.Read), ", "), []color.Attribute{color.Faint}},
	})
}

// once gives a lesson the first time, and a pointer to it afterwards.
func (t *text) once(lesson string) string {
	if lesson == "" {
		return ""
	}
	if t.taught[lesson] {
		return t.words.LessonAbove
	}
	t.taught[lesson] = true
	return lesson
}

// unjudged lists rows that were not judged, and why.
func (t *text) unjudged(s *judge.Sheet) {
	first := true
	for _, rows := range [][]judge.Row{s.Rows, s.Bonus} {
		for _, r := range rows {
			if r.Verdict != judge.NotJudged || r.Reason.IsZero() {
				continue
			}
			if first {
				t.title(t.words.UnjudgedTitle)
				first = false
			}
			t.para("  – ", in(r.Title, t.lang), color.Bold)
			t.reason("    ", r.Reason)
		}
	}
	if s.Unjudged > 0 {
		t.line("")
		t.para("", fmt.Sprintf(t.words.UnjudgedPoints, s.Unjudged), color.FgYellow)
	}
}
