package mutate

import (
	"bytes"
	"regexp"
	"strconv"
)

// blockKey is a line that ends in the head of a block of text.
var blockKey = regexp.MustCompile(`^([ -]*)[A-Za-z_]+: [|>]([-+]?)[ \r]*$`)

// tabbed lets a block of text begin with a tab, as Go code does and YAML allows:
// the parser refuses that unless it is told how far the block is indented, so it
// is told. No line moves.
func tabbed(data []byte) []byte {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i := range lines {
		head := blockKey.FindSubmatchIndex(bytes.TrimSuffix(lines[i], []byte("\n")))
		if head == nil || i+1 == len(lines) {
			continue
		}
		next := lines[i+1]
		text := bytes.TrimLeft(next, " ")
		deeper := len(next) - len(text) - head[3] // than the key
		if deeper < 1 || deeper > 9 || text[0] != '\t' {
			continue
		}
		lines[i] = append(append(bytes.Clone(lines[i][:head[4]]), strconv.Itoa(deeper)...), lines[i][head[4]:]...)
	}
	return bytes.Join(lines, nil)
}
