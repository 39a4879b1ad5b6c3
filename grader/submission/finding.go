package submission

import (
	"fmt"
	"strings"
)

// Finding is something to say about a submission's text: a reason why it does
// not build, a breach of the norm, or a notice.
type Finding struct {
	Rule   string // machine field, one of [Rules]
	File   string // slash-separated, relative to the submission's folder; empty: the whole of it
	Line   int    // from 1 on; 0: the whole file
	Column int    // from 1 on; 0: unknown
	FR, EN string // for the student
}

// Rules tells what each rule of a [Finding] is.
func Rules() map[string]string {
	return map[string]string{
		"compile":           "the compiler's own words",
		"syntax":            "not a Go file",
		"package":           "a package that cannot be imported: main, or several in one folder",
		"new":               "no New, or one of the wrong type",
		"import":            "an import that a submission may not make",
		"cgo":               "import \"C\"",
		"directive":         "a compiler directive that reaches out of the submission",
		"file":              "a file that may not be part of a submission",
		"main":              "a main of its own",
		"header":            "a header that does not fit the exercise",
		"feature_macro":     "a name that the C library does not show without _GNU_SOURCE",
		"link":              "the linker's own words",
		"timeout":           "the compiler does not come to an end",
		"ignored":           "notice: something in the folder has no effect",
		"forbidden_program": "norm: a program that would do the exercise",
		"forbidden_import":  "norm: a package that must not be imported",
		"other_import":      "remark: a package that the exercise does not list",
		"other_function":    "remark: a function that is neither allowed nor tolerated",
		"hidden_warning":    "norm: a pragma that hides warnings",
		"way_round":         "norm: a command executed instead of doing the work",
	}
}

func (f Finding) String() string {
	switch {
	case f.File == "":
		return f.EN
	case f.Line == 0:
		return f.File + ": " + f.EN
	case f.Column == 0:
		return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.EN)
	default:
		return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.EN)
	}
}

// Unusable says that there is no submission to grade: a wrong argument, not a
// wrong solution.
type Unusable struct {
	Path   string // as given
	FR, EN string
	Err    error // the cause, if there is one
}

func (e *Unusable) Error() string {
	text := fmt.Sprintf("submission %q: %s", e.Path, e.EN)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Unusable) Unwrap() error { return e.Err }

// BuildError says that a submission is graded 0 because it gives no driver.
type BuildError struct {
	Findings []Finding // at least one
}

func (e *BuildError) Error() string {
	lines := []string{"submission: does not build"}
	for _, f := range e.Findings {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}
