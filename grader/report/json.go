package report

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"

	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

// Version is the version of the JSON format. Keys may be added under the same
// version; none is renamed, removed or given another meaning.
const Version = 1

// Document is the JSON format: this type and those below are its definition.
// Lists and maps are never null. Sentences are in the language asked for.
type Document struct {
	Version       int               `json:"version"`
	Exercise      string            `json:"exercise"`
	Submission    string            `json:"submission"`
	Language      string            `json:"language"`  // go, c17
	Seed          uint64            `json:"seed"`      // --seed with it runs the same values again
	Isolation     string            `json:"isolation"` // ns, privileged, vm
	Passed        *bool             `json:"passed"`    // null: undecided
	Score         int               `json:"score"`     // 0 if a blocking finding of the norm stands
	MaxScore      int               `json:"max_score"`
	PassingScore  int               `json:"passing_score"`
	Unjudged      int               `json:"unjudged"` // points that this host could not judge
	Bonus         Bonus             `json:"bonus"`
	XP            int               `json:"xp"`
	Rows          []Row             `json:"rows"` // the point table; the sum of points is max_score
	Norm          Norm              `json:"norm"`
	Concepts      []Concept         `json:"concepts"`
	Environment   map[string]string `json:"environment"`
	HarnessFaults []string          `json:"harness_faults"`
	Build         *Build            `json:"build,omitempty"`             // only if the submission did not build
	Content       string            `json:"submission_sha256,omitempty"` // of the files that were built
	Signature     *Signature        `json:"signature,omitempty"`         // the last, with --sign-key
}

// Bonus is what was earned beside the score.
type Bonus struct {
	Earned int   `json:"earned"`
	Max    int   `json:"max"`
	Rows   []Row `json:"rows"`
}

// Row is a line of the point table.
type Row struct {
	ID        string        `json:"id"`
	Title     string        `json:"title"`
	Points    int           `json:"points"`
	Earned    int           `json:"earned"`
	Verdict   judge.Verdict `json:"verdict"` // pass, fail, not_judged, harness_fault
	Reason    string        `json:"reason,omitempty"`
	Scenarios []Scenario    `json:"scenarios"`
}

// Scenario is one run.
type Scenario struct {
	ID           string        `json:"id"`
	Verdict      judge.Verdict `json:"verdict"`
	Reason       string        `json:"reason"` // what went wrong before or instead of the expectations
	DurationMS   float64       `json:"duration_ms"`
	Expectations []Expectation `json:"expectations"`    // those that could be looked at
	Trace        []string      `json:"trace,omitempty"` // with --trace
}

// Expectation is one checked expression.
type Expectation struct {
	That   string `json:"that"`
	OK     bool   `json:"ok"`
	Got    string `json:"got"`
	Hint   string `json:"hint"`
	Lesson string `json:"lesson"`
}

// Norm is what the rules of style and safety found.
type Norm struct {
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
}

// Finding is one breach of the norm.
type Finding struct {
	Rule     string `json:"rule"`
	Where    string `json:"where"`
	Message  string `json:"message"`
	Blocking bool   `json:"blocking"`
}

// Concept is one notion of the exercise.
type Concept struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Mastered bool   `json:"mastered"`
	Judged   bool   `json:"judged"`
}

// Build tells why the submission did not build.
type Build struct {
	Reason string `json:"reason"`
	Output string `json:"output"`
}

// encode writes a document as JSON.
func encode(w io.Writer, document any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(document); err != nil {
		return err
	}
	return disarmed(w, out.Bytes(), bracketJSON)
}

func document(s *judge.Sheet, lang string) Document {
	d := Document{
		Version: Version, Exercise: clean(s.Exercise), Submission: clean(s.Submission),
		Language: clean(s.Language), Seed: s.Seed, Isolation: clean(s.Isolation),
		Passed: s.Passed, Score: s.Score, MaxScore: s.MaxScore, PassingScore: s.PassingScore,
		Unjudged: s.Unjudged, XP: s.XP, Content: clean(s.Content),
		Bonus:         Bonus{Earned: s.BonusEarned, Max: s.BonusMax, Rows: rows(s.Bonus, lang)},
		Rows:          rows(s.Rows, lang),
		Norm:          Norm{OK: s.Norm.OK, Findings: []Finding{}},
		Concepts:      []Concept{},
		Environment:   map[string]string{},
		HarnessFaults: allIn(s.Faults, lang),
	}
	for _, f := range s.Norm.Findings {
		d.Norm.Findings = append(d.Norm.Findings, Finding{clean(f.Rule), clean(f.Where), in(f.Message, lang), f.Blocking})
	}
	for _, c := range s.Concepts {
		d.Concepts = append(d.Concepts, Concept{c.ID, in(c.Title, lang), c.Mastered, c.Judged})
	}
	for k, v := range s.Environment {
		d.Environment[clean(k)] = clean(v)
	}
	if s.Build != nil {
		d.Build = &Build{Reason: in(s.Build.Reason, lang), Output: cleanText(s.Build.Output, false)}
	}
	return d
}

func rows(list []judge.Row, lang string) []Row {
	out := make([]Row, 0, len(list))
	for _, r := range list {
		row := Row{
			ID: r.ID, Title: in(r.Title, lang), Points: r.Points, Earned: r.Earned,
			Verdict: r.Verdict, Reason: reason(r.Reason, lang), Scenarios: []Scenario{},
		}
		for _, s := range r.Scenarios {
			row.Scenarios = append(row.Scenarios, oneScenario(s, lang))
		}
		out = append(out, row)
	}
	return out
}

func oneScenario(s judge.Scenario, lang string) Scenario {
	out := Scenario{
		ID: s.ID, Verdict: s.Verdict, Reason: reason(s.Reason, lang),
		DurationMS: finite(s.Millis), Expectations: []Expectation{},
	}
	for _, e := range s.Expectations {
		if e.Judged {
			out.Expectations = append(out.Expectations, Expectation{
				That: clean(e.That), OK: e.OK, Got: clean(e.Got), Hint: in(e.Hint, lang), Lesson: in(e.Lesson, lang),
			})
		}
	}
	if len(s.Trace) > 0 {
		out.Trace = cleanAll(s.Trace)
	}
	return out
}

// maxSentence is the cut, in runes, for sentences of a spec.
const maxSentence = 2000

// in is a sentence in a language. Sentences can hold what a submission said, so
// they are cleaned too.
func in(t spec.Text, lang string) string { return cleanTo(t.In(lang), maxSentence) }

// allIn are sentences in a language; the list is never nil.
func allIn(texts []spec.Text, lang string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = in(t, lang)
	}
	return out
}

// reasonLines is a reason in clean lines; there is at least one.
func reasonLines(t spec.Text, lang string) []string {
	first, rest, more := strings.Cut(t.In(lang), "\n")
	lines := []string{cleanTo(first, maxSentence)}
	if more {
		lines = append(lines, cleanLines(rest, false)...)
	}
	return lines
}

// reason is reasonLines in one string.
func reason(t spec.Text, lang string) string { return strings.Join(reasonLines(t, lang), "\n") }

// finite rounds to tenths. What no run takes, and JSON cannot say, becomes 0.
func finite(ms float64) float64 {
	if !(ms >= 0 && ms <= 1e12) {
		return 0
	}
	return math.Round(ms*10) / 10
}
