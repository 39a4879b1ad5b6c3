// Package lack is what a host lacks for a grading, with its cure, in both languages:
// a student meets such an error as often as a report.
package lack

import (
	"fmt"
	"strings"
)

// Error is something that a host lacks. What the kernel or a tool says of it follows as
// its cause, in their own words.
type Error struct {
	EN, FR string
	Err    error // may be nil
}

// Error is the English text.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.EN
	}
	return e.EN + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// In is the text of err in lang, "fr" or "en": of what is nobody's lack it is err's own
// in both. What was put around a lack on its way is left out in French.
func In(lang string, err error) string {
	if lang == "fr" {
		if text := french(err); text != "" {
			return text
		}
	}
	return err.Error()
}

// french is empty where nothing in err's tree is in French.
func french(err error) string {
	switch e := err.(type) { //nolint:errorlint // one level at a time: what is outermost speaks
	case *Error:
		if e.Err == nil {
			return e.FR
		}
		return fmt.Sprintf("%s : %s", e.FR, In("fr", e.Err))
	case interface{ Unwrap() error }:
		return french(e.Unwrap())
	case interface{ Unwrap() []error }:
		var lines []string
		some := false
		for _, each := range e.Unwrap() {
			some = some || french(each) != ""
			lines = append(lines, In("fr", each))
		}
		if some {
			return strings.Join(lines, "\n")
		}
	}
	return ""
}
