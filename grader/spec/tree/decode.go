package tree

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Pos is a place in the file being decoded.
type Pos struct{ Line, Column int }

// Decoder fills Go values from nodes of one file. Keys are the yaml tags;
// unknown and repeated keys, wrong types and null texts are problems. It
// remembers where each value came from.
type Decoder struct {
	File     string
	Problems Problems
	at       map[any]Pos
	styles   map[any]yaml.Style
	around   map[any]Pos
	stands   map[*yaml.Node]string
}

// Unmarshaler is a type that reads its node itself.
type Unmarshaler interface {
	UnmarshalTree(d *Decoder, n *yaml.Node)
}

// NewDecoder is a decoder for nodes of file.
func NewDecoder(file string) *Decoder {
	return &Decoder{File: file, at: map[any]Pos{}, styles: map[any]yaml.Style{}, around: map[any]Pos{}, stands: map[*yaml.Node]string{}}
}

// At is the place of the value that pointer points to, or of nothing if the
// file does not give it.
func (d *Decoder) At(pointer any) Pos { return d.at[pointer] }

// Inside is the place of a line and a column, both from 1, of the text that pointer points
// to. YAML does not tell how far a block is indented, nor where it folded one: of these it
// is the line at best.
func (d *Decoder) Inside(pointer any, line, column int) Pos {
	at := d.at[pointer]
	switch style := d.styles[pointer]; {
	case style&yaml.LiteralStyle != 0:
		return Pos{at.Line + line, 1}
	case style&yaml.FoldedStyle != 0:
		return Pos{at.Line + 1, 1}
	case line > 1:
		return at
	case style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at.Column++
	}
	at.Column += column - 1
	return at
}

// Near is At, or the place of the map that lacks the value.
func (d *Decoder) Near(pointer any) Pos {
	if at, given := d.at[pointer]; given {
		return at
	}
	return d.around[pointer]
}

// Stands remembers that the value of n is that of a reference, which problems name: the
// file does not have the value itself.
func (d *Decoder) Stands(n *yaml.Node, reference string) { d.stands[n] = reference }

// Report adds a problem at a place.
func (d *Decoder) Report(at Pos, what, do string) {
	d.Problems = append(d.Problems, Problem{d.File, at.Line, at.Column, what, do})
}

// ReportNode adds a problem at a node.
func (d *Decoder) ReportNode(n *yaml.Node, what, do string) {
	d.Report(Pos{n.Line, n.Column}, what, do)
}

// Reported tells whether something is wrong at a place: what was not understood there
// need not be found missing as well.
func (d *Decoder) Reported(at Pos) bool {
	return slices.ContainsFunc(d.Problems, func(p Problem) bool { return p.Line == at.Line && p.Column == at.Column })
}

// Decode fills the value that into points to.
func (d *Decoder) Decode(n *yaml.Node, into any) { d.DecodePart(n, into, "the document") }

// DecodePart is Decode for a part of the document, which problems call by its name.
func (d *Decoder) DecodePart(n *yaml.Node, into any, name string) {
	d.value(n, reflect.ValueOf(into).Elem(), name)
}

func (d *Decoder) value(n *yaml.Node, v reflect.Value, name string) {
	pointer := v.Addr().Interface()
	d.at[pointer], d.styles[pointer] = Pos{n.Line, n.Column}, n.Style
	if u, ok := reflect.TypeAssert[Unmarshaler](v.Addr()); ok {
		u.UnmarshalTree(d, n)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if isNull(n) {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), name)
	case reflect.Struct:
		d.structure(n, v, name)
	case reflect.Slice:
		d.list(n, v, name)
	case reflect.Map:
		d.table(n, v, name)
	case reflect.Interface:
		if value := d.anything(n); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		d.scalar(n, v, name)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func (d *Decoder) structure(n *yaml.Node, v reflect.Value, name string) {
	keys := Keys(v.Type())
	for _, i := range keys {
		d.around[v.Field(i).Addr().Interface()] = Pos{n.Line, n.Column}
	}
	for _, e := range d.Entries(n, name) {
		i, known := keys[e.Key.Value]
		if !known {
			d.ReportNode(e.Key, fmt.Sprintf("unknown key %q in %s", e.Key.Value, name), Suggest(e.Key.Value, names(keys)))
			continue
		}
		d.value(e.Value, v.Field(i), e.Key.Value)
	}
}

func names(keys map[string]int) []string {
	all := make([]string, 0, len(keys))
	for k := range keys {
		all = append(all, k)
	}
	return all
}

// Keys maps the yaml keys of a struct type to its field indexes.
func Keys(t reflect.Type) map[string]int {
	keys := map[string]int{}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key != "" && key != "-" {
			keys[key] = i
		}
	}
	return keys
}

// Entry is a key of a map with its value.
type Entry struct{ Key, Value *yaml.Node }

// Entries gives the keys of a map in their order, and reports what is no map,
// no plain key, or a key given twice. A null is a map without keys.
func (d *Decoder) Entries(n *yaml.Node, name string) []Entry {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, name, aMap)
		return nil
	}
	seen := map[string]int{}
	var entries []Entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge":
			d.ReportNode(key, "a key that is no plain word", "write the keys out")
			continue
		case seen[key.Value] > 0:
			d.ReportNode(key, fmt.Sprintf("key %q stands twice in %s, first at line %d", key.Value, name, seen[key.Value]), "remove one")
			continue
		}
		seen[key.Value] = key.Line
		entries = append(entries, Entry{key, n.Content[i+1]})
	}
	return entries
}

func (d *Decoder) list(n *yaml.Node, v reflect.Value, name string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, name, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), "an item of "+name)
	}
}

func (d *Decoder) table(n *yaml.Node, v reflect.Value, name string) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.Entries(n, name) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, item, e.Key.Value)
		v.SetMapIndex(reflect.ValueOf(e.Key.Value), item)
	}
}

func (d *Decoder) scalar(n *yaml.Node, v reflect.Value, name string) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode {
		tag = ""
	}
	switch v.Kind() {
	case reflect.String:
		if tag != "!!str" {
			d.wrong(n, name, "text")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		var b bool
		if tag != "!!bool" || n.Decode(&b) != nil {
			d.wrong(n, name, "true or false")
			return
		}
		v.SetBool(b)
	case reflect.Float64:
		var f float64
		if tag != "!!int" && tag != "!!float" || n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			d.wrong(n, name, "a number")
			return
		}
		v.SetFloat(f)
	default:
		d.integer(n, v, name, tag)
	}
}

func (d *Decoder) integer(n *yaml.Node, v reflect.Value, name, tag string) {
	i, err := strconv.ParseInt(n.Value, 0, 64)
	if tag != "!!int" || err != nil {
		d.wrong(n, name, "a whole number")
		return
	}
	switch {
	case v.CanInt() && !v.OverflowInt(i):
		v.SetInt(i)
	case v.CanUint() && i >= 0 && !v.OverflowUint(uint64(i)):
		v.SetUint(uint64(i))
	default:
		d.ReportNode(n, fmt.Sprintf("%s is out of range: %d", name, i), "give a smaller number")
	}
}

// anything gives a node as plain maps, lists, texts and numbers.
func (d *Decoder) anything(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		table := map[string]any{}
		for _, e := range d.Entries(n, "a map") {
			table[e.Key.Value] = d.anything(e.Value)
		}
		return table
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = d.anything(item)
		}
		return list
	default: // a scalar: Parse lets no alias through
	}
	var value any
	if err := n.Decode(&value); err != nil {
		d.ReportNode(n, "a value that cannot be read: "+n.Value, "put it in quotes")
	}
	if !plain(value) {
		return n.Value
	}
	return value
}

func plain(value any) bool {
	switch value.(type) {
	case nil, string, bool, int, int64, uint64, float64:
		return true
	}
	return false
}

// NoMap says that a document is no map.
func NoMap(file string, root *yaml.Node) Problem {
	d := NewDecoder(file)
	d.wrong(root, "the document", aMap)
	return d.Problems[0]
}

const aMap = "a map of keys and values"

func (d *Decoder) wrong(n *yaml.Node, name, wanted string) {
	if reference := d.stands[n]; reference != "" {
		if d.Reported(Pos{n.Line, n.Column}) { // it is not given at all
			return
		}
		d.ReportNode(n, fmt.Sprintf("%s must be %s, and %s is %s", name, wanted, reference, kind(n)), "give it such a value, or refer to another")
		return
	}
	do, found := "write "+wanted, describe(n)
	switch {
	case n.Kind != yaml.ScalarNode || isNull(n):
	case wanted == "text":
		do = "put it in quotes"
	case quoted(n):
		found = "the text " + found
		if bare := (&yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}); kind(bare) == wanted {
			do = "take the quotes away"
		}
	}
	d.ReportNode(n, fmt.Sprintf("%s must be %s, found %s", name, wanted, found), do)
}

func quoted(n *yaml.Node) bool { return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 }

// kind is what a scalar is.
func kind(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!int":
		return "a whole number"
	case "!!bool":
		return "true or false"
	}
	return "text"
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	text := n.Value
	if len(text) > 40 {
		text = strings.ToValidUTF8(text[:40], "") + "..."
	}
	return strconv.Quote(text)
}
