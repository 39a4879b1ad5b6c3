package matrix

import (
	"encoding/json"
	"io"
	"path"
	"strings"

	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/mutate/verify"
	"moulinette/grader/spec/tree"
	"moulinette/grader/submission"
)

// The mutation testing report schema, version 2.
type (
	strykerReport struct {
		SchemaVersion string                     `json:"schemaVersion"`
		Thresholds    strykerThresholds          `json:"thresholds"`
		Files         map[string]*strykerFile    `json:"files"`
		TestFiles     map[string]strykerTestFile `json:"testFiles"`
		Framework     strykerFramework           `json:"framework"`
	}
	strykerThresholds struct {
		High int `json:"high"`
		Low  int `json:"low"`
	}
	strykerFramework struct {
		Name string `json:"name"`
	}
	strykerFile struct {
		Language string          `json:"language"`
		Source   string          `json:"source"`
		Mutants  []strykerMutant `json:"mutants"`
	}
	strykerMutant struct {
		ID          string          `json:"id"`
		MutatorName string          `json:"mutatorName"`
		Description string          `json:"description"`
		Replacement string          `json:"replacement"`
		Location    strykerLocation `json:"location"`
		Status      Status          `json:"status"`
		Reason      string          `json:"statusReason,omitempty"`
		CoveredBy   []string        `json:"coveredBy"`
		KilledBy    []string        `json:"killedBy"`
		Tests       int             `json:"testsCompleted"`
		Duration    float64         `json:"duration"`
	}
	strykerLocation struct {
		Start strykerPosition `json:"start"`
		End   strykerPosition `json:"end"`
	}
	strykerPosition struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	}
	strykerTestFile struct {
		Tests []strykerTest `json:"tests"`
	}
	strykerTest struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
)

// writeStryker writes the result as a mutation testing report, which existing viewers
// show: mutants at their places in the reference, scenarios as tests.
func writeStryker(w io.Writer, r *verify.Result, lang string) error {
	report := strykerReport{
		SchemaVersion: "2", Thresholds: strykerThresholds{High: 100, Low: 90}, Files: map[string]*strykerFile{},
		TestFiles: tests(r, lang), Framework: strykerFramework{Name: "moulinette"},
	}
	folder := "reference"
	for _, s := range r.Solutions {
		if s.ID == mutate.Reference {
			folder = s.File
		}
	}
	for _, s := range r.Mutants() {
		spans := s.Mutant.Spans(r.Catalog.Reference)
		if len(spans) == 0 {
			continue
		}
		name := path.Join(folder, spans[0].File)
		if report.Files[name] == nil {
			report.Files[name] = &strykerFile{Language: languages[s.Mutant.Language()], Source: string(r.Catalog.Reference[spans[0].File])}
		}
		file := report.Files[name]
		file.Mutants = append(file.Mutants, mutant(r, s, spans[0], lang))
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(report)
}

// languages are those that viewers know how to colour.
var languages = map[submission.Language]string{submission.Go: "go", submission.C17: "c"}

func tests(r *verify.Result, lang string) map[string]strykerTestFile {
	files := map[string]strykerTestFile{}
	for _, id := range r.Scenarios {
		for _, ex := range r.Exercises {
			if sc := ex.Scenarios[id]; sc != nil {
				file := files[sc.File]
				file.Tests = append(file.Tests, strykerTest{ID: id, Name: sc.Title.In(lang)})
				files[sc.File] = file
				break
			}
		}
	}
	return files
}

func mutant(r *verify.Result, s *verify.Solution, at mutate.Span, lang string) strykerMutant {
	source := r.Catalog.Reference[at.File]
	m := strykerMutant{
		ID: s.ID, MutatorName: s.Mutant.Class, Description: s.Mutant.Title.In(lang), Replacement: s.Mutant.Edits[0].To,
		Location: strykerLocation{Start: position(source, at.Start), End: position(source, at.End)},
		Status:   StatusOf(s), CoveredBy: []string{}, KilledBy: []string{},
	}
	for _, id := range r.Scenarios {
		c := s.Cells[id]
		if c.Verdict == "" || c.Inferred || c.Skipped {
			continue
		}
		m.CoveredBy = append(m.CoveredBy, id)
		m.Tests++
		m.Duration += c.Millis
		if c.Verdict == judge.Fail {
			m.KilledBy = append(m.KilledBy, id)
		}
	}
	var reasons []string
	for _, e := range r.Errors {
		if e.Subject == s.ID {
			reasons = append(reasons, e.Text.In(lang))
		}
	}
	m.Reason = strings.Join(reasons, "\n")
	return m
}

func position(source []byte, offset int) strykerPosition {
	line, column := tree.Place(source, offset)
	return strykerPosition{line, column}
}
