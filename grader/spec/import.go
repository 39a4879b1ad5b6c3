package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"moulinette/grader/spec/tree"
)

// Import makes a YAML spec of a spec.json: a draft, since it has neither rows
// nor scenarios. What has no field here is kept under extra, at the same place.
// The error is [Problems], at lines of file.
func Import(file string, data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors begin a file
	root, problem := readJSON(file, data)
	if problem != nil {
		return nil, Problems{*problem}
	}
	if root.Kind != yaml.MappingNode {
		return nil, Problems{{File: file, Line: 1, Column: 1, What: "a spec.json is an object", Do: "begin with {"}}
	}
	extra := split(root, reflect.TypeFor[Exercise]())
	if extra != nil {
		set(root, "extra", extra)
	}
	set(root, "draft", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	var ex Exercise
	d := tree.NewDecoder(file)
	d.Decode(root, &ex)
	if err := d.Problems.Err(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# Imported from a spec.json. Add a title, concepts, rows and scenarios, then remove draft.\n")
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if _, problems := tree.Parse(file, out.Bytes()); len(problems) > 0 { // of lines that nobody has
		return nil, fmt.Errorf("%s: what was made of it cannot be read again: %s", file, problems[0].What)
	}
	return out.Bytes(), nil
}

// set puts a value under a key, first in the map.
func set(n *yaml.Node, key string, value *yaml.Node) {
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Style: style(key)}
	n.Content = append([]*yaml.Node{k, value}, n.Content...)
}

// style quotes what YAML would take for something else than text, and its encoder
// does not know of.
func style(text string) yaml.Style {
	const breaks = "\u0085\u2028\u2029" // to YAML they end a line as \n does
	switch {
	case text == "<<", strings.ContainsAny(text, breaks):
		return yaml.DoubleQuotedStyle
	case !strings.Contains(text, "\n"):
		return 0
	case strings.IndexByte(" \t\n", text[0]) >= 0: // which a block would take for its indentation
		return yaml.DoubleQuotedStyle
	}
	return yaml.LiteralStyle
}

// split takes out of a node what type t has no field for, and gives it in the
// same shape, or nil. Items of lists stand under their number. An empty or null
// value of a field says what its absence says.
func split(n *yaml.Node, t reflect.Type) *yaml.Node {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		return splitStruct(n, t)
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		extra := &yaml.Node{Kind: yaml.MappingNode}
		for i, item := range n.Content {
			if rest := split(item, t.Elem()); rest != nil {
				set(extra, fmt.Sprint(i), rest)
			}
		}
		return some(extra)
	}
	return nil
}

func splitStruct(n *yaml.Node, t reflect.Type) *yaml.Node {
	keys, extra := tree.Keys(t), &yaml.Node{Kind: yaml.MappingNode}
	var kept []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, known := keys[key.Value]
		switch {
		case !known, ours(t, key.Value), null(value) && t.Field(field).Type.Kind() != reflect.Interface:
			set(extra, key.Value, value)
			continue
		}
		if rest := split(value, t.Field(field).Type); rest != nil {
			set(extra, key.Value, rest)
		}
		kept = append(kept, key, value)
	}
	n.Content = kept
	return some(extra)
}

// ours tells whether a key of an exercise is the grader's own: in a spec.json
// it means something else.
func ours(t reflect.Type, key string) bool {
	if t != reflect.TypeFor[Exercise]() {
		return false
	}
	return strings.Contains(" title draft rows bonus concepts quiz use scenarios extra ", " "+key+" ")
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func some(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// misplaced is what is wrong at an offset.
type misplaced struct {
	at   int
	what string
}

func (m *misplaced) Error() string { return m.what }

// jsonReader makes nodes of JSON, with their places.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder
}

var errDepth = errors.New("nested too deeply")

func readJSON(file string, data []byte) (*yaml.Node, *Problem) {
	fail := func(offset int, what string) *Problem {
		line, column := tree.Place(data, offset)
		return &Problem{File: file, Line: line, Column: column, What: what, Do: "correct the JSON"}
	}
	switch {
	case len(data) > tree.MaxBytes:
		return nil, &Problem{File: file, What: fmt.Sprintf("the file has %d bytes, more than %d", len(data), tree.MaxBytes), Do: "leave out what is no part of the exercise"}
	case !utf8.Valid(data):
		return nil, fail(tree.FirstInvalid(data), "this is not UTF-8")
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, &raw); errors.As(err, &syntax) {
		return nil, fail(int(syntax.Offset)-1, strings.TrimPrefix(err.Error(), "json: "))
	} else if err != nil {
		return nil, fail(0, err.Error())
	}
	r := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data))}
	r.decoder.UseNumber()
	n, err := r.value(0)
	if wrong, ok := errors.AsType[*misplaced](err); ok {
		return nil, fail(wrong.at, wrong.what)
	} else if err != nil {
		return nil, fail(int(r.decoder.InputOffset()), err.Error())
	}
	return n, nil
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	const deepest = 32
	if depth > deepest {
		return nil, errDepth
	}
	n := &yaml.Node{}
	n.Line, n.Column = tree.Place(r.data, r.next())
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	if delimiter, ok := token.(json.Delim); ok {
		return r.children(n, delimiter, depth)
	}
	n.Kind = yaml.ScalarNode
	switch token := token.(type) {
	case string:
		n.Tag, n.Value, n.Style = "!!str", token, style(token)
	case json.Number:
		n.Tag, n.Value = "!!int", token.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(token)
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}

// next is where the next value begins.
func (r *jsonReader) next() int {
	at := int(r.decoder.InputOffset())
	for at < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[at]) >= 0 {
		at++
	}
	return at
}

func (r *jsonReader) children(n *yaml.Node, open json.Delim, depth int) (*yaml.Node, error) {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	keys := map[string]bool{}
	for r.decoder.More() {
		at := r.next()
		child, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
		if n.Kind == yaml.MappingNode {
			if keys[child.Value] {
				return nil, &misplaced{at, fmt.Sprintf("key %q stands twice", child.Value)}
			}
			keys[child.Value] = true
			value, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, value)
		}
	}
	_, err := r.decoder.Token()
	return n, err
}
