// Package tree reads strict YAML: it bounds hostile input before the parser
// sees it, decodes nodes into Go types, and reports everything that is wrong at
// once, each with its place and what to do about it. It knows nothing of
// exercises.
package tree

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong in a file. Line and Column count from 1; they are
// 0 where the whole file is meant.
type Problem struct {
	File   string
	Line   int
	Column int
	What   string // what is wrong
	Do     string // what to do about it
}

// String is "file:line:column: what; do".
func (p Problem) String() string {
	text := p.File
	if p.Line > 0 {
		text += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	text += ": " + p.What
	if p.Do != "" {
		text += "; " + p.Do
	}
	return text
}

// Problems is everything that is wrong, as an error.
type Problems []Problem

// Error has one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sorted is ps in the order of files and places, each problem once.
func (ps Problems) Sorted() Problems {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(sorted)
}

// Err is ps as an error, nil if nothing is wrong.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.Sorted()
}
