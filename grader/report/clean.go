package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Cuts, in runes and lines. A report is read by people; records keep the rest.
const (
	maxField = 600
	maxLine  = 400 // a compiler's sentence about a type that lacks a method is longer than 200
	maxLines = 12
)

// clean makes s one line that does nothing but show: control characters, escape
// sequences, bidi overrides and other invisible characters become visible
// escapes, invalid UTF-8 becomes U+FFFD, and the end is cut.
func clean(s string) string { return cleanTo(s, maxField) }

func cleanTo(s string, limit int) string {
	var b strings.Builder
	for n := 0; len(s) > 0; n++ {
		if n == limit {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		b.WriteString(visible(r))
		s = s[size:]
	}
	return b.String()
}

// visible is r itself if a terminal and an XML parser take it as a plain
// character.
func visible(r rune) string {
	switch {
	case r == '\t':
		return "    "
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == ' ', r == '\u00a0', r == '\u202f', unicode.IsPrint(r):
		return string(r)
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// cleanLines makes at most maxLines clean lines of s: the first ones, as for a
// compiler's output, or with tail the last ones.
func cleanLines(s string, tail bool) []string {
	lines := strings.Split(strings.TrimRight(s, "\r\n\t "), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	if over := len(lines) - maxLines; over > 0 {
		if tail {
			lines = append([]string{"…"}, lines[over:]...)
		} else {
			lines = append(lines[:maxLines:maxLines], "…")
		}
	}
	for i, line := range lines {
		lines[i] = cleanTo(strings.TrimRight(line, "\r"), maxLine)
	}
	return lines
}

// cleanText is cleanLines in one string.
func cleanText(s string, tail bool) string { return strings.Join(cleanLines(s, tail), "\n") }

// cleanAll cleans each string of a list; it is never nil.
func cleanAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = clean(s)
	}
	return out
}

// Clean makes text of a submission fit for a terminal: line by line as in a
// report, and all of it.
func Clean(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = disarm(cleanTo(strings.TrimRight(line, "\r"), maxSentence))
	}
	return strings.Join(lines, "\n")
}
