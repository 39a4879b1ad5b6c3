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
	all    bool // what stands under #if 0 counts, too
	dead   int  // how many conditionals are open in a group under #if 0; 0: it is in none
	tokens []Token
}

// byteOrderMark may begin a text, and is no part of it.
const byteOrderMark = "\xEF\xBB\xBF"

// Tokens cuts a text, of whatever kind, into its words. What stands under a literal
// #if 0 is none, as for the compiler.
func Tokens(text []byte) []Token {
	l := &lexer{text: text, line: 1, fresh: true}
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		l.at = len(byteOrderMark)
	}
	// Compilers do not agree on whether it ends a line, and so on what #if 0 leaves out.
	l.all = bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n"))
	return cut(l)
}

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
	case splice(rest) > 0:
		l.skip(splice(rest))
	case c == '\n':
		l.skip(1)
		l.fresh = true
	case isBlank(c):
		l.skip(1)
	case starts(rest, "//") > 0:
		l.skip(lineEnd(rest))
	case starts(rest, "/*") > 0:
		l.skip(commentEnd(rest))
	case l.fresh && hash(rest) > 0:
		l.directive(hash(rest))
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

func (l *lexer) skip(n int) {
	n = min(n, len(l.text)-l.at)
	l.line += bytes.Count(l.text[l.at:l.at+n], []byte("\n"))
	l.at += n
}

func (l *lexer) add(kind Kind, text string, n int) {
	if l.dead == 0 {
		l.tokens = append(l.tokens, Token{Kind: kind, Text: text, Line: l.line, At: l.at, End: l.at + n})
	}
	l.fresh = false
	l.skip(n)
}

// directive takes a whole line, without its comments. The strings in it are
// tokens as well.
func (l *lexer) directive(hash int) {
	text, n := logicalLine(l.text[l.at+hash:])
	n += hash
	if l.condition(text) {
		l.tokens = append(l.tokens, Token{Kind: Directive, Text: text, Line: l.line, At: l.at, End: l.at + n})
		for _, inside := range words(text) {
			if inside.Kind == String {
				inside.Line, inside.At = l.line, -1
				l.tokens = append(l.tokens, inside)
			}
		}
	}
	l.skip(n)
}

// condition follows the groups under #if 0, and tells whether a directive counts. What
// comes after #else or #elif may be read, whatever it asks for.
func (l *lexer) condition(directive string) bool {
	name, rest := CutDirective(directive)
	if l.dead == 0 {
		if name == "if" && strings.TrimSpace(rest) == "0" && !l.all {
			l.dead = 1
		}
		return true
	}
	switch name {
	case "if", "ifdef", "ifndef":
		l.dead++
	case "else", "elif", "elifdef", "elifndef":
		if l.dead == 1 {
			l.dead = 0
		}
	case "endif":
		l.dead--
	}
	return l.dead == 0
}

func (l *lexer) quoted(quote byte) {
	rest := l.text[l.at:]
	n := quotedEnd(rest, quote, true)
	text := unspliced(rest[1:n])
	if n < len(rest) && rest[n] == quote {
		n++
	}
	kind := String
	if quote == '\'' {
		kind = Char
	}
	l.add(kind, text, n)
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

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
