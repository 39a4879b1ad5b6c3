package c17

import (
	"bytes"
	"slices"
	"strings"
)

// splice is how long the ends of lines are, one after another, that go on in the next:
// a backslash, or the trigraph of one, and blanks behind it, which compilers forgive.
func splice(rest []byte) (n int) {
	for {
		i := n
		switch {
		case bytes.HasPrefix(rest[i:], []byte("\\")):
			i++
		case bytes.HasPrefix(rest[i:], []byte("??/")):
			i += len("??/")
		default:
			return n
		}
		for i < len(rest) && isBlank(rest[i]) {
			i++
		}
		if i == len(rest) || rest[i] != '\n' {
			return n
		}
		n = i + 1
	}
}

// unspliced is a text whose lines that go on are one.
func unspliced(text []byte) string {
	var b strings.Builder
	for n := 0; n < len(text); {
		if s := splice(text[n:]); s > 0 {
			n += s
			continue
		}
		b.WriteByte(text[n])
		n++
	}
	return b.String()
}

// starts is how long a mark is with which rest begins, though a line may end, and go on,
// within it; 0 if rest does not begin so.
func starts(rest []byte, mark string) (n int) {
	for i := range len(mark) {
		if i > 0 {
			n += splice(rest[n:])
		}
		if n == len(rest) || rest[n] != mark[i] {
			return 0
		}
		n++
	}
	return n
}

// hash is how long the mark is that begins a directive; 0 if there is none.
func hash(rest []byte) int {
	if bytes.HasPrefix(rest, []byte("??=")) {
		return len("??=")
	}
	return max(starts(rest, "#"), starts(rest, "%:"))
}

// lineEnd is how far it is to the end of the line, with those in which it goes on.
func lineEnd(rest []byte) (n int) {
	for n < len(rest) && rest[n] != '\n' {
		n += max(1, splice(rest[n:]))
	}
	return n
}

// commentEnd is how long the comment is that begins here.
func commentEnd(rest []byte) int {
	for n := starts(rest, "/*"); n < len(rest); n++ {
		if end := starts(rest[n:], "*/"); end > 0 {
			return n + end
		}
	}
	return len(rest)
}

// quotedEnd is where the quote is that closes the one that begins here, or the end of
// the line if none does.
func quotedEnd(rest []byte, quote byte, escapes bool) int {
	n := 1
	for n < len(rest) && rest[n] != quote && rest[n] != '\n' {
		switch s := splice(rest[n:]); {
		case s > 0:
			n += s
		case rest[n] == '\\' && escapes:
			n++
			n += splice(rest[n:])
			n++
		default:
			n++
		}
	}
	return min(n, len(rest))
}

// logicalLine is the text of a directive after its hash, with a blank in the place of
// each comment, and how long it is: a comment that begins in it may end lines below.
func logicalLine(rest []byte) (text string, n int) {
	var b []byte
	open := 0 // up to there, no name of a header is closed
	for n < len(rest) && rest[n] != '\n' {
		part := rest[n:]
		switch s := splice(part); {
		case s > 0:
			n += s
		case starts(part, "//") > 0:
			n += lineEnd(part)
		case starts(part, "/*") > 0:
			b = append(b, ' ')
			n += commentEnd(part)
		default:
			end := textEnd(b, part, n >= open)
			if part[0] == '<' && end > 1 && part[end-1] != '>' {
				open, end = n+end, 1
			}
			b = append(b, unspliced(part[:end])...)
			n += end
		}
	}
	return strings.TrimSpace(string(b)), n
}

// textEnd is how long a piece of a directive is in which no comment begins: a text
// between quotes, the name of a header where there may be one, or one character.
func textEnd(before, rest []byte, header bool) int {
	last := rest[0]
	switch last {
	default:
		return 1
	case '<':
		if last = '>'; !header || !namesHeader(before) {
			return 1
		}
	case '"', '\'':
		header = namesHeader(before)
	}
	end := quotedEnd(rest, last, !header)
	if end < len(rest) && rest[end] == last {
		end++
	}
	return end
}

// namesHeader tells whether the name of a header comes next in a directive.
func namesHeader(before []byte) bool {
	before = bytes.TrimRight(before, " \t(")
	return slices.ContainsFunc([]string{"include", "include_next", "import", "embed"}, func(name string) bool {
		return bytes.HasSuffix(before, []byte(name))
	})
}

// isBlank is what stands between words, but for the end of a line.
func isBlank(c byte) bool { return c != '\n' && bytes.IndexByte([]byte(" \t\r\f\v\x00"), c) >= 0 }
