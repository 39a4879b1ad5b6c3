package report

import (
	"io"

	"github.com/fatih/color"
)

// Item is one line of a checklist: a mark, a label, and what there is to say. An
// item of text alone is a paragraph.
type Item struct {
	Mark  string
	Ink   color.Attribute // of Mark
	Label string
	Text  string
	More  []Line
}

// Line is a labelled remark below an item.
type Line struct{ Label, Text string }

// Checklist writes items one below the other, their texts in one column.
func Checklist(w io.Writer, items []Item, o Options) error {
	p := newPaper(o)
	mark, label := 0, 0
	for _, item := range items {
		mark, label = max(mark, columns(item.Mark)), max(label, columns(item.Label))
	}
	for _, item := range items {
		if item.Mark == "" && item.Label == "" {
			p.line("")
			p.para("", clean(item.Text), color.Bold)
			continue
		}
		p.para(p.ink(pad(item.Mark, mark), item.Ink)+"  "+pad(item.Label, label)+"  ", clean(item.Text))
		var more []field
		for _, l := range item.More {
			more = append(more, field{l.Label, clean(l.Text), nil})
		}
		p.fields(pad("", mark+2), more)
	}
	_, err := w.Write(p.buf.Bytes())
	return err
}
