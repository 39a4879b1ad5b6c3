// Package matrix writes what a verification found for its readers: the kill
// matrix and the errors as text, JSON, JUnit, annotations for GitHub, and the
// schema that viewers of mutation tests read. It decides nothing.
package matrix

import (
	"fmt"
	"io"

	"moulinette/grader/judge"
	"moulinette/grader/mutate/verify"
)

// Formats are the names that [Write] takes.
func Formats() []string { return []string{"text", "json", "stryker", "junit", "github"} }

// Options say how to write.
type Options struct {
	Lang  string // fr; anything else is English
	Width int    // of the terminal; 0: as wide as need be
	Color bool
}

// Write writes a result in the named format.
func Write(w io.Writer, format string, r *verify.Result, o Options) error {
	switch format {
	case "text":
		return writeText(w, r, o)
	case "json":
		return writeJSON(w, r, o.Lang)
	case "stryker":
		return writeStryker(w, r, o.Lang)
	case "junit":
		return writeJUnit(w, r, o.Lang)
	case "github":
		return writeGitHub(w, r, o.Lang)
	}
	return fmt.Errorf("matrix: no format %q; there are %q", format, Formats())
}

// Status is what became of a mutant, in the words of the mutation testing
// schema.
type Status string

// Statuses. The zero value is invalid.
const (
	Killed       Status = "Killed"       // some scenario, or the norm, saw it
	Timeout      Status = "Timeout"      // it was seen by its hanging alone
	Survived     Status = "Survived"     // nothing saw it
	NoCoverage   Status = "NoCoverage"   // no scenario comes to what it changes
	CompileError Status = "CompileError" // it cannot be made, or does not compile
	RuntimeError Status = "RuntimeError" // the harness failed
	Ignored      Status = "Ignored"      // it was not tried
)

// StatusOf tells what became of a solution. Whether a mutant is dead verify says:
// what a scenario showed may count in no row.
func StatusOf(s *verify.Solution) Status {
	if s.Broken != nil || len(s.Cells) == 0 && s.Missing() {
		return CompileError
	}
	if len(s.Cells) == 0 {
		return Ignored
	}
	failed, hung, faults, inferred := 0, 0, 0, 0
	for _, c := range s.Cells {
		switch {
		case c.Verdict == judge.Fail && c.Hung:
			hung++
		case c.Verdict == judge.Fail:
			failed++
		case c.Verdict == judge.HarnessFault:
			faults++
		case c.Inferred:
			inferred++
		}
	}
	switch {
	case !s.Alive() && failed == 0 && hung > 0:
		return Timeout
	case !s.Alive():
		return Killed
	case faults > 0:
		return RuntimeError
	case inferred == len(s.Cells):
		return NoCoverage
	}
	return Survived
}

// dead tells whether something noticed a solution.
func dead(s *verify.Solution) bool {
	status := StatusOf(s)
	return status == Killed || status == Timeout
}
