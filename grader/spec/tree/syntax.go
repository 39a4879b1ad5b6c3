package tree

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

var (
	atLine        = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)
	leadingTab    = regexp.MustCompile(`(?m)^ *\t`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	adviceSyntax  = "see https://yaml.org/spec/1.2.2/#chapter-2-language-overview, or compare with a neighbour"
	adviceAlias   = "write the value out: aliases are not taken"
)

// syntax turns an error of the parser into a problem.
func syntax(file string, data []byte, err error) Problem {
	m := atLine.FindStringSubmatch(err.Error())
	p := Problem{File: file, What: strings.TrimPrefix(err.Error(), m[0]), Do: adviceSyntax}
	if strings.HasPrefix(m[0], "yaml: ") || m[1] != "" {
		p.Line, p.Column = lineOf(p.What, m[1], data), 1
	}
	if errors.Is(err, errSecondDocument) {
		p.Do = "keep one document a file: remove the '---' line"
		return p
	}
	if p.What == errEmpty.Error() {
		p.Do = "write something into it, or do not name it"
		return p
	}
	if m := unknownAnchor.FindStringSubmatch(p.What); m != nil {
		p.Line, p.Column = Place(data, alias(data, m[1], err))
		p.What, p.Do = "an alias (*"+m[1]+")", adviceAlias
		return p
	}
	if at, r := control(data); at >= 0 && strings.Contains(p.What, "control characters") {
		p.Line, p.Column = Place(data, at)
		p.What, p.Do = fmt.Sprintf("a control character (%U)", r), "remove it"
		return p
	}
	if tab := leadingTab.FindIndex(data); tab != nil && strings.Contains(p.What, "cannot start any token") {
		p.Line, p.Column = Place(data, tab[1]-1)
		p.What, p.Do = "a tab in the indentation", "indent with blanks"
	}
	return p
}

// ofParser are the errors that yaml.v3 gives a line counted from 0: those of its parser.
// Those of its scanner it counts from 1 (decode.go, fail).
var ofParser = []string{
	"did not find expected <stream-start>", "did not find expected <document start>", "did not find expected node content",
	"did not find expected '-' indicator", "did not find expected key", "did not find expected ',' or ']'", "did not find expected ',' or '}'",
	"found undefined tag handle", "found duplicate %YAML directive", "found duplicate %TAG directive", "found incompatible YAML document",
}

// lineOf is the line of an error, which leaves it out for the first; at most the last.
func lineOf(what, told string, data []byte) int {
	line, _ := strconv.Atoi(told)
	if told == "" || slices.Contains(ofParser, what) {
		line++
	}
	last, _ := Place(bytes.TrimRight(data, " \r\n"), len(data))
	return min(line, last)
}

// alias finds the alias that made the error. It is the one in whose place an anchor would
// do: the same word may stand in comments and in quotes.
func alias(data []byte, name string, err error) int {
	const tries = 20 // each reads the file again
	first, word := -1, []byte("*"+name)
	for at, try := bytes.Index(data, word), 0; at >= 0 && try < tries; try++ {
		if first < 0 {
			first = at
		}
		other := bytes.Clone(data)
		other[at] = '&'
		if _, e := parse(other); e == nil || e.Error() != err.Error() {
			return at
		}
		next := bytes.Index(data[at+1:], word)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return first
}

// control is the first character that YAML does not take, with its offset, or -1.
func control(data []byte) (int, rune) {
	for i, r := range string(data) {
		if unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r) || r == 0xFFFE || r == 0xFFFF {
			return i, r
		}
	}
	return -1, 0
}
