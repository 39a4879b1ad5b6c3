package report

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"
)

// Widths of the page.
const (
	minWidth     = 40
	defaultWidth = 80
	maxWidth     = 100
)

// ruler measures text as a terminal does, whatever the environment says.
var ruler = &runewidth.Condition{StrictEmojiNeutral: true}

// inks matches what [paper.ink] adds.
var inks = regexp.MustCompile("\x1b\\[[0-9;]*m")

// paper is a page of text being written: it wraps, indents and colours.
type paper struct {
	buf   bytes.Buffer
	width int
	color bool
}

func newPaper(o Options) *paper {
	width := o.Width
	if width <= 0 {
		width = defaultWidth
	}
	return &paper{width: min(max(width, minWidth), maxWidth), color: o.Color}
}

// ink colours s, or leaves it alone on a page without colours.
func (p *paper) ink(s string, attrs ...color.Attribute) string {
	if !p.color || len(attrs) == 0 {
		return s
	}
	c := color.New(attrs...)
	c.EnableColor()
	return c.Sprint(s)
}

// line writes one finished line.
func (p *paper) line(s string) {
	p.buf.WriteString(strings.TrimRight(s, " "))
	p.buf.WriteByte('\n')
}

// para writes text after head, wrapped; the lines after the first are indented
// by the width of head.
func (p *paper) para(head, text string, attrs ...color.Attribute) {
	indent := strings.Repeat(" ", columns(inks.ReplaceAllString(head, "")))
	for _, l := range wrap(text, p.width-len(indent)) {
		p.line(head + p.ink(disarm(l), attrs...))
		head = indent
	}
}

// quote writes lines of somebody else's text, each behind a bar and broken
// where the page ends.
func (p *paper) quote(indent string, lines []string) {
	for _, l := range lines {
		for _, part := range broken(l, p.width-len(indent)-2) {
			p.line(indent + "| " + p.ink(disarm(part), color.Faint))
		}
	}
}

// field is one labelled paragraph.
type field struct {
	label, text string
	attrs       []color.Attribute
}

// narrow is the width of a column in which reading is no pleasure.
const narrow = 30

// fields writes the fields that have a text, their texts in one column; on a
// narrow page each text stands below its label.
func (p *paper) fields(indent string, list []field) {
	column := 0
	for _, f := range list {
		if f.text != "" {
			column = max(column, columns(f.label))
		}
	}
	for _, f := range list {
		switch {
		case f.text == "":
		case p.width-len(indent)-column-2 < narrow:
			p.line(indent + p.ink(f.label, color.Faint))
			p.para(indent+"  ", f.text, f.attrs...)
		default:
			p.para(indent+p.ink(pad(f.label, column), color.Faint)+"  ", f.text, f.attrs...)
		}
	}
}

// disarm keeps a line from being read as a command by a CI server that watches
// the log: "::name::" at the start of a line, behind blanks of whatever kind, and
// [bracketed] anywhere.
func disarm(line string) string {
	if command := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(command, "::") {
		line = line[:len(line)-len(command)] + "\\" + command
	}
	return bracketed.ReplaceAllString(line, "# #${1}[")
}

// bracketed begins a command of GitHub (##[name]), Azure (##vso[name]) or TeamCity.
var bracketed = regexp.MustCompile(`##(\w*)\[`)

// disarmed writes JSON or XML in which the bracket is spelled in another way, to its
// readers the same. Texts do not begin a line there.
func disarmed(w io.Writer, text []byte, bracket string) error {
	_, err := w.Write(bracketed.ReplaceAll(text, []byte("##${1}"+bracket)))
	return err
}

// How JSON and XML can spell "[".
const (
	bracketJSON = `\u005b`
	bracketXML  = "&#91;"
)

// pad fills s with blanks up to a width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}

// padLeft moves points to the right end of their column.
func padLeft(s string) string {
	const width = len("100/100")
	return strings.Repeat(" ", max(0, width-columns(s))) + s
}

// wrap breaks text at blanks into lines of at most width columns; a longer word
// is broken anywhere. There is always at least one line.
func wrap(text string, width int) []string {
	width = max(width, 10)
	var lines []string
	line := ""
	for _, word := range unbroken(text) {
		if parts := chop(word, width); len(parts) > 1 {
			if line != "" {
				lines = append(lines, line)
			}
			last := len(parts) - 1
			lines, line, word = append(lines, parts[:last]...), "", parts[last]
		}
		switch {
		case line == "":
			line = word
		case columns(line)+1+columns(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// unbroken are the words of a text, those together that French typography keeps in
// one line: what stands before a mark, and what is quoted with the quotes.
func unbroken(text string) (all []string) {
	for word := range strings.SplitSeq(text, " ") {
		if n := len(all) - 1; n >= 0 && (strings.HasSuffix(all[n], "«") || strings.HasPrefix(word, "»") || slices.Contains([]string{":", ";", "?", "!"}, word)) {
			all[n] += " " + word
			continue
		}
		all = append(all, word)
	}
	return all
}

// broken breaks foreign text, of which nothing may be lost: after a blank if there is
// one in the last third of a line, anywhere otherwise.
func broken(text string, width int) []string {
	var parts []string
	for {
		near := min(len(text), 4*utf8.UTFMax*width) // enough for one line
		for near < len(text) && !utf8.RuneStart(text[near]) {
			near--
		}
		head := chop(text[:near], width)[0]
		if blank := strings.LastIndexByte(head, ' '); len(head) < len(text) && blank > len(head)*2/3 {
			head = head[:blank+1]
		}
		parts, text = append(parts, head), text[len(head):]
		if text == "" {
			return parts
		}
	}
}

// chop breaks text anywhere into parts of at most width columns.
func chop(text string, width int) []string {
	var parts []string
	for wider(text, width) {
		head := ruler.Truncate(text[:boundary(text, min(len(text)-1, utf8.UTFMax*width))], width, "")
		if head == "" {
			break // nothing of it fits; it stands out of the page
		}
		parts, text = append(parts, head), text[len(head):]
	}
	return append(parts, text)
}

// wider tells whether text takes more than width columns. It measures no more of
// a long text than it has to.
func wider(text string, width int) bool {
	for n := utf8.UTFMax * width; n < len(text); n *= 2 {
		if columns(text[:boundary(text, n)]) > width {
			return true
		}
	}
	return columns(text) > width
}

// boundary is the last place up to at where a rune begins.
func boundary(text string, at int) int {
	for !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// columns is how wide a terminal shows s.
func columns(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return ruler.StringWidth(s)
		}
	}
	return len(s) // clean text holds no control characters
}
