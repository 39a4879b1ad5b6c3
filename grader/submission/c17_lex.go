package submission

import (
	"bytes"
	"strings"
)

// cToken is a word of a C text: what the compiler sees of it, more or less. It
// serves for messages; what a text really can reach is the jail's to say.
type cToken struct {
	kind cKind
	text string // of a string: what stands between its quotes; of a directive: the whole line after #
	line int
	at   int // where it begins; -1 within a directive
	end  int
}

type cKind int

const (
	cWord cKind = iota + 1
	cString
	cMark
	cDirective
	cChar // between single quotes
)

// cLexer cuts a text into tokens.
type cLexer struct {
	text   []byte
	at     int
	line   int
	fresh  bool // nothing but blanks stands before it in its line
	tokens []cToken
}

func cTokens(text []byte) []cToken {
	l := &cLexer{text: text, line: 1, fresh: true}
	for l.at < len(l.text) {
		l.next()
	}
	return l.tokens
}

func (l *cLexer) next() {
	rest := l.text[l.at:]
	switch c := rest[0]; {
	case l.splice():
	case c == '\n':
		l.skip(1)
		l.fresh = true
	case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
		l.skip(1)
	case bytes.HasPrefix(rest, []byte("//")):
		l.skip(l.lineEnd())
	case bytes.HasPrefix(rest, []byte("/*")):
		l.skip(through(rest, "*/"))
	case l.fresh && (c == '#' || bytes.HasPrefix(rest, []byte("%:")) || bytes.HasPrefix(rest, []byte("??="))):
		l.directive()
	case c == '"' || c == '\'':
		l.quoted(c)
	case isCWord(c):
		n := 0
		for n < len(rest) && isCWord(rest[n]) {
			n++
		}
		l.add(cWord, string(rest[:n]), n)
	default:
		l.add(cMark, string(rest[:1]), 1)
	}
}

// splice passes over a line that goes on in the next.
func (l *cLexer) splice() bool {
	if bytes.HasPrefix(l.text[l.at:], []byte("\\\n")) {
		l.skip(2)
		return true
	}
	return false
}

func (l *cLexer) skip(n int) {
	n = min(n, len(l.text)-l.at)
	l.line += bytes.Count(l.text[l.at:l.at+n], []byte("\n"))
	l.at += n
}

func (l *cLexer) add(kind cKind, text string, n int) {
	l.tokens = append(l.tokens, cToken{kind: kind, text: text, line: l.line, at: l.at, end: l.at + n})
	l.fresh = false
	l.skip(n)
}

// lineEnd is how many bytes are left of the line, with those that go on.
func (l *cLexer) lineEnd() int {
	rest := l.text[l.at:]
	for i, c := range rest {
		if c == '\n' && (i == 0 || rest[i-1] != '\\') {
			return i
		}
	}
	return len(rest)
}

// directive takes a whole line, without its comments. The strings in it are
// tokens as well.
func (l *cLexer) directive() {
	n := l.lineEnd()
	text := strings.ReplaceAll(string(l.text[l.at:l.at+n]), "\\\n", "")
	for _, hash := range []string{"#", "%:", "??="} {
		text = strings.TrimPrefix(text, hash)
	}
	for {
		open := strings.Index(text, "/*")
		if open < 0 {
			break
		}
		text = text[:open] + " " + text[open+through([]byte(text[open:]), "*/"):]
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "include") {
		text, _, _ = strings.Cut(text, "//")
	}
	l.tokens = append(l.tokens, cToken{kind: cDirective, text: strings.TrimSpace(text), line: l.line, at: l.at, end: l.at + n})
	for _, inside := range cTokens([]byte(text)) {
		if inside.kind == cString {
			inside.line, inside.at = l.line, -1
			l.tokens = append(l.tokens, inside)
		}
	}
	l.skip(n)
}

func (l *cLexer) quoted(quote byte) {
	rest := l.text[l.at:]
	n := 1
	for n < len(rest) && rest[n] != quote && rest[n] != '\n' {
		if rest[n] == '\\' {
			n++
		}
		n++
	}
	n = min(n, len(rest))
	kind := cString
	if quote == '\'' {
		kind = cChar
	}
	l.add(kind, string(rest[1:n]), n+1)
}

// through is how far it is to the end of mark.
func through(text []byte, mark string) int {
	if len(text) < 2 {
		return len(text)
	}
	if i := bytes.Index(text[2:], []byte(mark)); i >= 0 {
		return i + 2 + len(mark)
	}
	return len(text)
}

func isCWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
