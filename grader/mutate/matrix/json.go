package matrix

import (
	"encoding/json"
	"io"
	"slices"

	"moulinette/grader/judge"
	"moulinette/grader/mutate/verify"
)

// jsonVersion is the version of the JSON report's format.
const jsonVersion = 1

type jsonReport struct {
	Version   int            `json:"version"`
	Verified  bool           `json:"verified"`
	Partial   bool           `json:"partial"`
	Exercises []string       `json:"exercises"`
	Scenarios []string       `json:"scenarios"`
	Solutions []jsonSolution `json:"solutions"`
	Errors    []jsonError    `json:"errors"`
	Faults    []string       `json:"faults"`
	Absent    []string       `json:"absent"` // ids of what was not tried
	Ran       int            `json:"ran"`
	Reused    int            `json:"reused"`
	Inferred  int            `json:"inferred"`
	Company   int            `json:"company"`
	Skipped   int            `json:"skipped"`
	Building  float64        `json:"building_seconds"`
	Running   float64        `json:"running_seconds"`
}

type jsonSolution struct {
	ID     string                              `json:"id"`
	Kind   verify.Kind                         `json:"kind"`
	File   string                              `json:"file"`
	Line   int                                 `json:"line,omitempty"`
	Class  string                              `json:"class,omitempty"`
	Origin []string                            `json:"origin,omitempty"`
	Status Status                              `json:"status,omitempty"` // of a mutant
	Rows   map[string]map[string]judge.Verdict `json:"rows"`             // by exercise
	Cells  map[string]jsonCell                 `json:"cells"`            // by scenario
}

type jsonCell struct {
	Verdict  judge.Verdict `json:"verdict"`
	Named    bool          `json:"named,omitempty"`
	Hung     bool          `json:"hung,omitempty"`
	Inferred bool          `json:"inferred,omitempty"`
	Company  bool          `json:"company,omitempty"`
	Millis   float64       `json:"ms,omitempty"`
}

type jsonError struct {
	Kind    verify.ErrorKind `json:"kind"`
	Subject string           `json:"subject"`
	File    string           `json:"file"`
	Line    int              `json:"line,omitempty"`
	Column  int              `json:"column,omitempty"`
	Message string           `json:"message"`
}

// writeJSON writes the result for programs.
func writeJSON(w io.Writer, r *verify.Result, lang string) error {
	report := jsonReport{
		Version: jsonVersion, Verified: len(r.Errors)+len(r.Faults) == 0, Partial: r.Partial,
		Scenarios: r.Scenarios, Errors: []jsonError{}, Faults: append([]string{}, r.Faults...), Absent: append([]string{}, r.Untried()...),
		Ran: r.Ran, Reused: r.Reused, Inferred: r.Inferred, Company: r.Company, Skipped: r.Skipped,
		Building: r.Building.Seconds(), Running: r.Running.Seconds(),
	}
	for _, ex := range r.Exercises {
		report.Exercises = append(report.Exercises, ex.Name)
	}
	for _, s := range r.Solutions {
		report.Solutions = append(report.Solutions, solution(r, s))
	}
	for _, e := range r.Errors {
		report.Errors = append(report.Errors, jsonError{e.Kind, e.Subject, e.File, e.Line, e.Column, e.Text.In(lang)})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(report)
}

func solution(r *verify.Result, s *verify.Solution) jsonSolution {
	j := jsonSolution{
		ID: s.ID, Kind: s.Kind, File: s.File, Line: s.Line,
		Rows: map[string]map[string]judge.Verdict{}, Cells: map[string]jsonCell{},
	}
	if s.Mutant != nil {
		j.Class, j.Origin, j.Status = s.Mutant.Class, s.Mutant.Origin, StatusOf(s)
	}
	for i, sheet := range s.Sheets {
		rows := map[string]judge.Verdict{}
		for _, row := range slices.Concat(sheet.Rows, sheet.Bonus) {
			rows[row.ID] = row.Verdict
		}
		j.Rows[r.Exercises[i].Name] = rows
	}
	for id, c := range s.Cells {
		if c.Skipped {
			continue
		}
		j.Cells[id] = jsonCell{c.Verdict, c.Named, c.Hung, c.Inferred, c.Company, c.Millis}
	}
	return j
}
