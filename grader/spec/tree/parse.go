package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Bounds of one file. A spec is a few hundred lines; what is far over that is
// a mistake or an attack.
const (
	MaxBytes = 1 << 20
	maxDepth = 40
	maxNodes = 100_000
)

// Parse reads one YAML document of plain maps, lists and scalars. It returns
// nil and the problems if there is no such document.
func Parse(file string, data []byte) (*yaml.Node, Problems) {
	if p, bad := prescan(file, data); bad {
		return nil, Problems{p}
	}
	root, err := parse(data)
	if err != nil {
		return nil, Problems{syntax(file, data, err)}
	}
	w := walker{file: file}
	w.walk(root, 0)
	if len(w.problems) > 0 {
		return nil, w.problems
	}
	return root, nil
}

var (
	errSecondDocument = errors.New("a second document begins")
	errEmpty          = errors.New("the file is empty")
)

func parse(data []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be read as YAML: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF), err == nil && len(document.Content) == 0:
		return nil, errEmpty
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: %w", max(second.Line, 1), errSecondDocument)
	}
	return document.Content[0], nil
}

// prescan refuses what the parser should not even see.
func prescan(file string, data []byte) (Problem, bool) {
	if len(data) > MaxBytes {
		return Problem{file, 0, 0, fmt.Sprintf("the file has %d bytes, more than %d", len(data), MaxBytes), "split it, or leave the data out"}, true
	}
	if !utf8.Valid(data) {
		line, column := Place(data, FirstInvalid(data))
		return Problem{file, line, column, "this is not UTF-8", "save the file as UTF-8"}, true
	}
	if at := tooDeep(data); at >= 0 {
		line, column := Place(data, at)
		return Problem{file, line, column, "nested too deeply", fmt.Sprintf("stay below %d levels", maxDepth)}, true
	}
	return Problem{}, false
}

// FirstInvalid is the offset of the first byte that is not UTF-8.
func FirstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// tooDeep gives the offset at which brackets, or dashes at the beginning of a
// line, nest deeper than any honest file, or -1. It does not know strings from
// structure, so its bound is generous; the exact one is walker's.
func tooDeep(data []byte) int {
	brackets, dashes, start := 0, 0, true
	for i, c := range data {
		switch c {
		case '\n':
			dashes, start = 0, true
			continue
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(0, brackets-1)
		case '-', '?':
			if start {
				dashes++
			}
		}
		start = start && (c == ' ' || c == '-' || c == '?')
		if brackets > 8*maxDepth || dashes > 8*maxDepth {
			return i
		}
	}
	return -1
}

// Place is the line and column of an offset, counted from 1.
func Place(data []byte, offset int) (line, column int) {
	before := data[:min(max(offset, 0), len(data))]
	line = 1 + bytes.Count(before, []byte("\n"))
	return line, 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// walker refuses what YAML can do and a spec has no use for.
type walker struct {
	file     string
	nodes    int
	problems Problems
}

func (w *walker) walk(n *yaml.Node, depth int) {
	w.nodes++
	switch {
	case len(w.problems) > 0 && w.nodes > maxNodes:
		return
	case w.nodes > maxNodes:
		w.add(n, "more than "+strconv.Itoa(maxNodes)+" values", "split the file")
		return
	case depth > maxDepth:
		w.add(n, "nested too deeply", fmt.Sprintf("stay below %d levels", maxDepth))
		return
	case n.Kind == yaml.AliasNode:
		w.add(n, "an alias (*"+n.Value+")", adviceAlias)
		return
	case n.Anchor != "":
		w.add(n, "an anchor (&"+n.Anchor+")", "remove it: aliases are not taken")
	case n.Style&yaml.TaggedStyle != 0:
		w.add(n, "an explicit tag ("+n.Tag+")", "remove it")
	}
	for _, child := range n.Content {
		w.walk(child, depth+1)
	}
}

func (w *walker) add(n *yaml.Node, what, do string) {
	w.problems = append(w.problems, Problem{w.file, n.Line, n.Column, what, do})
}
