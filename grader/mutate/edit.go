package mutate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/spec"
	"moulinette/grader/spec/tree"
	"moulinette/grader/submission"
)

// Span is where a piece of text stands in a file of the reference: bytes from
// Start to before End.
type Span struct {
	File       string
	Start, End int
}

// Apply makes the mutant's files. The error is [spec.Problems] with the edits
// that no longer apply.
func (m *Mutant) Apply(reference submission.Files) (submission.Files, error) {
	return apply(m.File, m.Edits, reference)
}

// Apply makes the alternative's files, if it is not a whole package.
func (a *Alternative) Apply(reference submission.Files) (submission.Files, error) {
	return apply(a.File, a.Edits, reference)
}

// Spans tells where in the reference the edits are made. One that is made on
// what another has left is where that one is.
func (m *Mutant) Spans(reference submission.Files) (spans []Span) {
	for _, e := range m.Edits {
		text := string(reference[e.File])
		e, _ = e.whole(text)
		if start, _ := e.find(text); start >= 0 && e.From != "" {
			spans = append(spans, Span{e.File, start, start + len(e.From)})
		} else if len(spans) == 0 || spans[len(spans)-1].File != e.File {
			spans = append(spans, Span{e.File, 0, 0})
		}
	}
	return spans
}

// Place is the first edit's, for whoever has to open the file.
func (m *Mutant) Place() tree.Pos {
	if len(m.Edits) > 0 {
		return m.Edits[0].at
	}
	return m.at
}

func apply(file string, edits []Edit, reference submission.Files) (submission.Files, error) {
	files := maps.Clone(reference)
	touched := map[string]bool{}
	var problems spec.Problems
	for _, e := range edits {
		what, do := e.make(files)
		if what != "" {
			problems = append(problems, spec.Problem{File: file, Line: e.at.Line, Column: e.at.Column, What: what, Do: do})
		}
		touched[e.File] = true
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	known := packages()
	for edited := range touched {
		if !isC(edited) {
			files[edited] = mendImports(edited, files, known)
		}
	}
	return files, nil
}

// make makes one edit, or tells why it cannot be made and what to do.
func (e Edit) make(files submission.Files) (what, do string) {
	old, exists := files[e.File]
	e, known := e.whole(string(old))
	switch {
	case known != nil:
		return fmt.Sprintf("%s has no function %s", e.File, e.Func), tree.Suggest(e.Func, known)
	case e.From == "" && exists:
		return fmt.Sprintf("the file %s is there already", e.File), "give from:, or another name"
	case e.From == "":
		files[e.File] = []byte(e.To)
		return "", ""
	case !exists:
		return fmt.Sprintf("the reference has no file %s", e.File), tree.Suggest(e.File, slices.Collect(maps.Keys(files)))
	}
	text := string(old)
	start, count := e.find(text)
	switch {
	case start < 0 && count == 0:
		return fmt.Sprintf("the text is not in %s: %s", e.File, quote(e.From)), nearest(text, e)
	case start < 0:
		return fmt.Sprintf("the text is in %s %d times only", e.File, count), "lower nth"
	case count > 1 && e.Nth == 0 && !e.All:
		return fmt.Sprintf("the text is in %s %d times: %s", e.File, count, quote(e.From)), "give more of it, or nth:, or all: true"
	case e.All:
		text = strings.ReplaceAll(text, e.From, e.To)
	default:
		text = text[:start] + e.To + text[start+len(e.From):]
	}
	files[e.File] = []byte(text)
	return "", ""
}

// whole is e with the text of the function that it names in from. If there is
// none of that name, it answers those that there are.
func (e Edit) whole(text string) (_ Edit, known []string) {
	if e.Func == "" {
		return e, nil
	}
	if isC(e.File) {
		e.From, known = cFunction(text, e.Func)
		e.To = strings.TrimSuffix(e.To, "\n")
		return e, known
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, e.File, text, parser.ParseComments)
	if err != nil {
		return e, []string{}
	}
	known = []string{}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if known = append(known, f.Name.Name); f.Name.Name != e.Func {
			continue
		}
		start := f.Pos()
		if f.Doc != nil {
			start = f.Doc.Pos()
		}
		e.From = text[fset.PositionFor(start, false).Offset:fset.PositionFor(f.End(), false).Offset]
		e.To = strings.TrimSuffix(e.To, "\n")
		return e, nil
	}
	return e, known
}

// find gives the place of the occurrence that is meant, -1 if there is none, and
// how many there are.
func (e Edit) find(text string) (start, count int) {
	start, wanted := -1, max(e.Nth, 1)
	for from := 0; e.From != ""; {
		i := strings.Index(text[from:], e.From)
		if i < 0 {
			break
		}
		if count++; count == wanted {
			start = from + i
		}
		from += i + len(e.From)
	}
	return start, count
}

// nearest is advice: the place that looks most like what was meant.
func nearest(text string, e Edit) string {
	wanted := strings.TrimSpace(firstLine(e.From))
	known := map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == wanted || len(wanted) > 3 && strings.Contains(trimmed, wanted) {
			return fmt.Sprintf("its first line looks like %s:%d, %q: do the blanks and the lines after it agree?", e.File, i+1, line)
		}
		known[trimmed] = i + 1
	}
	best := tree.Nearest(wanted, slices.Collect(maps.Keys(known)))
	if best == "" {
		return "nothing in " + e.File + " looks like it; look for where it went"
	}
	return fmt.Sprintf("the nearest is %s:%d, %q", e.File, known[best], best)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n")
	return line
}

// quote shows the beginning of a text.
func quote(text string) string {
	const most = 70
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
