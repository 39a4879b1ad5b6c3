// Package report writes a sheet for its readers: text for a student's terminal,
// JSON for programs, JUnit for CI servers, and what Gradescope reads. It decides
// nothing: every verdict, score and sentence is in the sheet already.
//
// A sheet holds text that a submission chose (panics, compiler output, file
// names, what the kernel showed). All of it passes through [clean], so that no
// report can move a cursor, forge a line or break its own format.
package report

import (
	"fmt"
	"io"

	"moulinette/grader/judge"
)

// Formats are the names that [Write] takes.
func Formats() []string { return []string{"text", "json", "junit", "gradescope"} }

// Write writes the sheet in the named format.
func Write(w io.Writer, format string, sheet *judge.Sheet, o Options) error {
	switch format {
	case "text":
		return writeText(w, sheet, o)
	case "json":
		if len(o.Key) > 0 {
			return signed(w, document(sheet, o.Lang), o.Key)
		}
		return encode(w, document(sheet, o.Lang))
	case "junit":
		return writeJUnit(w, sheet, o.Lang)
	case "gradescope":
		return writeGradescope(w, sheet, o)
	}
	return fmt.Errorf("report: no format %q; there are %q", format, Formats())
}
