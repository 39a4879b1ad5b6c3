package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"moulinette/grader/judge"
)

// writeGradescope writes the sheet as Gradescope's results.json: a test for each row.
// The score stands at the top, where it overrides the sum of the tests; a bonus
// row has none, because the bonus is no part of it. All text is plain text to
// Gradescope, so nothing in it can be markup.
func writeGradescope(w io.Writer, sheet *judge.Sheet, o Options) error {
	g := gradescope{Options{Lang: o.Lang, Trace: o.Trace}, sheet}
	r := g.results()
	for _, row := range sheet.Rows {
		r.Tests = append(r.Tests, g.row(row, len(r.Tests)+1))
	}
	for _, row := range sheet.Bonus {
		r.Tests = append(r.Tests, g.bonus(row, len(r.Tests)+1))
	}
	return encode(w, r)
}

// GradescopeNote writes a results.json that says in a few lines why there is no
// grading, or none yet.
func GradescopeNote(w io.Writer, text string) error {
	return encode(w, results{Output: Clean(text), plain: plainly, Tests: []resultsTest{}, Extra: map[string]any{}})
}

// results is results.json, as far as we use it.
type results struct {
	Score         int            `json:"score"`
	ExecutionTime float64        `json:"execution_time"` // seconds, of all scenarios
	Output        string         `json:"output"`
	Tests         []resultsTest  `json:"tests"`
	Extra         map[string]any `json:"extra_data"`
	plain
}

// plain says how texts are meant and who sees them.
type plain struct {
	OutputFormat     string `json:"output_format"`
	TestOutputFormat string `json:"test_output_format"`
	TestNameFormat   string `json:"test_name_format"`
	Visibility       string `json:"visibility"`
	StdoutVisibility string `json:"stdout_visibility"`
}

// plainly: students see what is written here, and not what was printed.
var plainly = plain{"text", "text", "text", "visible", "hidden"}

type resultsTest struct {
	Number   string   `json:"number"`
	Name     string   `json:"name"`
	Score    *int     `json:"score,omitempty"`
	MaxScore *int     `json:"max_score,omitempty"`
	Status   string   `json:"status,omitempty"` // passed, failed; none if not judged
	Output   string   `json:"output"`
	Tags     []string `json:"tags"`
}

// gradescope is such a report under way.
type gradescope struct {
	options Options
	sheet   *judge.Sheet
}

func (g gradescope) results() results {
	s := g.sheet
	r := results{
		Score: s.Score, Output: g.outcome(), plain: plainly, Tests: []resultsTest{},
		Extra: map[string]any{
			"exercise": clean(s.Exercise), "language": clean(s.Language), "isolation": clean(s.Isolation), "seed": s.Seed,
			"passed": s.Passed, "max_score": s.MaxScore, "passing_score": s.PassingScore, "unjudged": s.Unjudged,
			"bonus": s.BonusEarned, "max_bonus": s.BonusMax, "xp": s.XP, "harness_faults": allIn(s.Faults, g.options.Lang),
		},
	}
	for _, row := range slices.Concat(s.Rows, s.Bonus) {
		for _, scenario := range row.Scenarios {
			r.ExecutionTime += finite(scenario.Millis) / 1000
		}
	}
	r.ExecutionTime = finite(r.ExecutionTime)
	return r
}

// outcome is what concerns the whole grading.
func (g gradescope) outcome() string {
	t := newText(g.options)
	t.header(g.sheet)
	t.faults(g.sheet)
	t.build(g.sheet)
	if g.sheet.Build == nil {
		t.unjudged(g.sheet)
		t.concepts(g.sheet)
	}
	t.norm(g.sheet)
	t.notices(g.sheet)
	t.outcome(g.sheet)
	return t.String()
}

// String is the page, without the empty lines around it.
func (t *text) String() string { return strings.Trim(t.buf.String(), "\n") }

func (g gradescope) row(r judge.Row, number int) resultsTest {
	test := g.test(r, number)
	test.Score, test.MaxScore = &r.Earned, &r.Points
	return test
}

func (g gradescope) bonus(r judge.Row, number int) resultsTest {
	test, words := g.test(r, number), wordsIn(g.options.Lang)
	test.Name = fmt.Sprintf("%s%s%s (%s)", words.Bonus, words.Colon, test.Name, ratio(r.Earned, r.Points))
	test.Tags = append(test.Tags, "bonus")
	return test
}

func (g gradescope) test(r judge.Row, number int) resultsTest {
	name := in(r.Title, g.options.Lang)
	if name == "" {
		name = clean(r.ID)
	}
	return resultsTest{
		Number: strconv.Itoa(number), Name: name, Output: g.explain(r),
		Status: map[judge.Verdict]string{judge.Pass: "passed", judge.Fail: "failed"}[r.Verdict],
		Tags:   []string{clean(r.ID), string(r.Verdict)},
	}
}

// explain is a row's own page: it does not point to another's.
func (g gradescope) explain(r judge.Row) string {
	t := newText(g.options)
	switch {
	case r.Verdict == judge.Pass:
	case g.sheet.Build != nil:
		t.para("", t.words.BuildTitle)
	case r.Verdict == judge.Fail:
		t.explain(r)
	case r.Verdict == judge.HarnessFault:
		t.para("", t.words.FaultsText)
		t.reason("", r.Reason)
	default:
		t.para("", t.words.verdict(r.Verdict))
		t.reason("", r.Reason)
	}
	return t.String()
}
