package mutate

import (
	"go/ast"
	"go/scanner"
	"go/token"
	"slices"
	"strings"
	"unicode"
)

// Difference is what tells two packages apart.
type Difference struct {
	// Pieces are texts of the first package that stand otherwise in the second,
	// each within one function of both; in C they are the bodies of functions,
	// which differ or use a value that does.
	Pieces []Piece
	// Names are declarations that differ in another way.
	Names map[string]bool
}

// Piece is a text of a file, by byte offsets; an empty one is a place where
// something was put in.
type Piece struct {
	Name     string // of the function
	File     string
	From, To int
}

// Difference compares the declarations of g with those of other.
func (g *Graph) Difference(other *Graph) (d Difference) {
	changed, _ := g.Changed(other)
	d.Names = map[string]bool{}
	for name := range changed {
		pieces, ok := g.pieces(other, name)
		if !ok {
			pieces, ok = g.uses(other, name)
		}
		if !ok {
			d.Names[name] = true
			continue
		}
		d.Pieces = append(d.Pieces, pieces...)
	}
	return d
}

// pieces lists what differs in the functions of a name. It fails if more differs
// than their bodies: whoever calls them is concerned, too.
func (g *Graph) pieces(other *Graph, name string) (pieces []Piece, ok bool) {
	mine, theirs := g.nodes[name], other.nodes[name]
	switch {
	case mine == nil:
		return nil, theirs.own(name, g)
	case theirs == nil:
		return nil, mine.own(name, other)
	}
	if len(mine.functions) != len(theirs.functions) || !sameBut(mine, theirs) {
		return nil, false
	}
	for receiver, f := range mine.functions {
		h := theirs.functions[receiver]
		if h == nil || f.shape != h.shape {
			return nil, false
		}
		if f.body == h.body {
			continue
		}
		if isC(f.file) || f.head != h.head {
			pieces = append(pieces, f.whole(name))
			continue
		}
		from, to, ok := apart(f.body, h.body)
		switch {
		case !ok:
			pieces = append(pieces, f.whole(name))
		case to >= 0: // more than a comment
			pieces = append(pieces, Piece{name, f.file, f.at + from, f.at + to})
		}
	}
	return pieces, true
}

// own tells whether a name that another text does not have concerns nobody there, as
// whoever mentions it has changed as well: of a plain function, of a method that nobody
// else can ask for, and of a value or a type in Go; not of what is executed unasked.
func (n *node) own(name string, without *Graph) bool {
	private := !without.c && len(n.functions) == len(n.text) && !ast.IsExported(name)
	inert := len(n.functions) == 0 && len(n.text) == 1 && (!without.c || n.value() != "")
	return name != "init" && !n.early && (n.plain() != nil || (private || inert) && !without.mentions(name))
}

// uses lists, for a name that stands for a value in both texts, the bodies of the
// functions that use it, for it shows nowhere else; so of a plain function in Go that
// is called in another way, with its own. It fails for what a type or a condition of
// the preprocessor depends on: that shows also where nobody mentions it.
func (g *Graph) uses(other *Graph, name string) (pieces []Piece, ok bool) {
	mine, theirs := g.nodes[name], other.nodes[name]
	if f := mine.plain(); f != nil && !g.c && theirs.plain() != nil {
		pieces = append(pieces, f.whole(name))
	} else if mine.value() == "" || mine.value() != theirs.value() {
		return nil, false
	}
	for _, head := range g.heads {
		if g.c && strings.Contains(head, name) {
			return nil, false
		}
	}
	g.index.Do(g.indexed)
	seen, queue := map[string]bool{name: true}, []string{name}
	for len(queue) > 0 {
		used := queue[0]
		queue = queue[1:]
		for _, user := range g.users[used] {
			n := g.nodes[user]
			switch {
			case seen[user]:
				continue
			case len(n.functions) == len(n.text), g.c && n.functions[""] != nil:
				pieces = append(pieces, n.users(user, used)...)
			case n.value() != "":
				queue = append(queue, user)
			default:
				return nil, false
			}
			seen[user] = true
		}
	}
	return pieces, true
}

// users are the bodies of the functions of a name that mention another.
func (n *node) users(name, used string) (pieces []Piece) {
	for _, f := range n.functions {
		words, _ := scan(f.body)
		if isC(f.file) || slices.ContainsFunc(words, func(w word) bool { return w.text == used }) {
			pieces = append(pieces, f.whole(name))
		}
	}
	return pieces
}

// plain is the function that a name alone stands for.
func (n *node) plain() *function {
	if n == nil || len(n.text) != 1 {
		return nil
	}
	return n.functions[""]
}

// whole is the body of a function.
func (f *function) whole(name string) Piece { return Piece{name, f.file, f.at, f.at + len(f.body)} }

// value is what a variable in C or a macro is declared as, without its value, and
// in Go the kind of its declaration; "" for anything else.
func (n *node) value() string {
	if n == nil || len(n.text) != 1 || len(n.functions) > 0 {
		return ""
	}
	if n.kind != "" {
		return n.kind
	}
	if rest, isMacro := strings.CutPrefix(n.text[0], "#define "); isMacro {
		return "#define " + rest[:strings.IndexFunc(rest+" ", unicode.IsSpace)]
	}
	declared, _, isVariable := strings.Cut(n.text[0], "=")
	if !isVariable {
		return ""
	}
	return declared
}

// mentions tells whether somebody uses a name.
func (g *Graph) mentions(name string) bool {
	g.index.Do(g.indexed)
	return len(g.users[name]) > 0
}

// sameBut tells whether what two nodes hold besides functions is the same.
func sameBut(a, b *node) bool {
	others := func(n *node) (texts []string) {
		for _, text := range n.text {
			if !n.isFunction(text) {
				texts = append(texts, text)
			}
		}
		return texts
	}
	x, y := others(a), others(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

func (n *node) isFunction(text string) bool {
	for _, f := range n.functions {
		if f.head+f.body == text {
			return true
		}
	}
	return false
}

// apart finds the piece of a that stands otherwise in b; to is -1 if only
// comments do. It fails if no such
// piece keeps to the block that it stands in: then what follows it may belong to
// another block in b.
func apart(a, b string) (from, to int, ok bool) {
	x, okA := scan(a)
	y, okB := scan(b)
	if !okA || !okB {
		return 0, 0, false
	}
	head := 0
	for head < min(len(x), len(y)) && x[head].same(y[head]) {
		head++
	}
	if head == len(x) && head == len(y) {
		return 0, -1, true
	}
	m, n := len(x), len(y)
	for m > head && n > head && x[m-1].same(y[n-1]) {
		m, n = m-1, n-1
	}
	for head > 0 && (!whole(x[head:m]) || !whole(y[head:n])) {
		// What was taken out or put in may be said to begin earlier, if what
		// stands before it also stands at its end.
		if (head != m || !y[head-1].same(y[n-1])) && (head != n || !x[head-1].same(x[m-1])) {
			return 0, 0, false
		}
		head, m, n = head-1, m-1, n-1
	}
	if head == 0 || m == len(x) {
		return 0, 0, false
	}
	if head == m {
		return x[m].at, x[m].at, true
	}
	return x[head].at, x[m-1].end(), true
}

// word is a token of Go.
type word struct {
	at   int
	tok  token.Token
	text string
}

func (w word) same(other word) bool { return w.tok == other.tok && w.text == other.text }
func (w word) end() int             { return w.at + len(w.text) }

// scan takes a text apart; comments are left out.
func scan(text string) (words []word, ok bool) {
	file := token.NewFileSet().AddFile("", -1, len(text))
	ok = true
	var s scanner.Scanner
	s.Init(file, []byte(text), func(token.Position, string) { ok = false }, 0)
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return words, ok
		}
		if literal == "" {
			literal = tok.String()
		}
		words = append(words, word{file.Offset(pos), tok, literal})
	}
}

// whole tells whether words leave the block that they stand in as it is.
func whole(words []word) bool {
	depth := 0
	for _, w := range words {
		switch {
		case w.tok == token.LBRACE:
			depth++
		case w.tok == token.RBRACE:
			depth--
		case depth == 0 && (w.tok == token.CASE || w.tok == token.DEFAULT):
			return false
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}
