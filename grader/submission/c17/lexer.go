// Package c17 reads texts in C: their words, and what they declare. It does not
// know what a submission is, nor what is wrong with one.
package c17

import (
	"bytes"
	"strings"
)

// Token is a word of a C text: what the compiler sees of it, more or less. It
// serves for messages; what a text really can reach is the jail's to say.
type Token struct {
	Kind Kind
	Text string // of a string: what stands between its quotes; of a directive: the whole line after #
	Line int
	At   int // where it begins; -1 within a directive
	End  int
}

// Kind is what a token is.
type Kind int

// The kinds.
const (
	Word Kind = iota + 1
	String
	Mark
	Directive
	Char // between single quotes
)

// lexer cuts a text into tokens.
type lexer struct {
	text   []byte
	at     int
	line   int
	fresh  bool // nothing but blanks stands before it in its line
	tokens []Token
}

// Tokens cuts a text, of whatever kind, into its words.
func Tokens(text []byte) []Token { return cut(&lexer{text: text, line: 1, fresh: true}) }

// words cuts what stands within a directive: no other begins there, whatever its first
// character is.
func words(text string) []Token { return cut(&lexer{text: []byte(text), line: 1}) }

func cut(l *lexer) []Token {
	l.tokens = make([]Token, 0, len(l.text)/4) // about as many as they are
	for l.at < len(l.text) {
		l.next()
	}
	return l.tokens
}

func (l *lexer) next() {
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
	case isWord(c):
		n := 0
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		l.add(Word, string(rest[:n]), n)
	default:
		l.add(Mark, string(rest[:1]), 1)
	}
}

// splices end a line that goes on in the next: here, and where editors of another
// system end lines.
var splices = []string{"\\\n", "\\\r\n"}

// splice passes over the end of such a line.
func (l *lexer) splice() bool {
	for _, end := range splices {
		if bytes.HasPrefix(l.text[l.at:], []byte(end)) {
			l.skip(len(end))
			return true
		}
	}
	return false
}

func (l *lexer) skip(n int) {
	n = min(n, len(l.text)-l.at)
	l.line += bytes.Count(l.text[l.at:l.at+n], []byte("\n"))
	l.at += n
}

func (l *lexer) add(kind Kind, text string, n int) {
	l.tokens = append(l.tokens, Token{Kind: kind, Text: text, Line: l.line, At: l.at, End: l.at + n})
	l.fresh = false
	l.skip(n)
}

// lineEnd is how many bytes are left of the line, with those that go on.
func (l *lexer) lineEnd() int {
	rest := l.text[l.at:]
	for i, c := range rest {
		if c == '\n' && !bytes.HasSuffix(bytes.TrimSuffix(rest[:i], []byte("\r")), []byte("\\")) {
			return i
		}
	}
	return len(rest)
}

// directive takes a whole line, without its comments. The strings in it are
// tokens as well.
func (l *lexer) directive() {
	n := l.lineEnd()
	text := string(l.text[l.at : l.at+n])
	for _, end := range splices {
		text = strings.ReplaceAll(text, end, "")
	}
	for _, hash := range []string{"#", "%:", "??="} {
		text = strings.TrimPrefix(text, hash)
	}
	text = withoutComments(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "include") {
		text, _, _ = strings.Cut(text, "//")
	}
	l.tokens = append(l.tokens, Token{Kind: Directive, Text: strings.TrimSpace(text), Line: l.line, At: l.at, End: l.at + n})
	for _, inside := range words(text) {
		if inside.Kind == String {
			inside.Line, inside.At = l.line, -1
			l.tokens = append(l.tokens, inside)
		}
	}
	l.skip(n)
}

// withoutComments puts a blank in the place of each comment.
func withoutComments(line string) string {
	var b strings.Builder
	for {
		before, rest, more := strings.Cut(line, "/*")
		b.WriteString(before)
		if !more {
			return b.String()
		}
		b.WriteByte(' ')
		_, line, _ = strings.Cut(rest, "*/")
	}
}

func (l *lexer) quoted(quote byte) {
	rest := l.text[l.at:]
	n := 1
	for n < len(rest) && rest[n] != quote && rest[n] != '\n' {
		if rest[n] == '\\' {
			n++
		}
		n++
	}
	n = min(n, len(rest))
	kind := String
	if quote == '\'' {
		kind = Char
	}
	l.add(kind, string(rest[1:n]), n+1)
}

// CutDirective is the name of a directive, and what follows.
func CutDirective(line string) (name, rest string) {
	line = strings.TrimSpace(line)
	end := strings.IndexFunc(line, func(r rune) bool { return r > 0x7F || !isWord(byte(r)) })
	if end < 0 {
		return line, ""
	}
	return line[:end], line[end:]
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

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
