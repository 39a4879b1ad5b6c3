package mutate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"sync"

	"moulinette/grader/submission"
)

// Graph tells which declarations of a package lead to which others, by their
// names alone: a declaration that mentions a name may use whatever bears it.
// That is more than it really uses, never less.
type Graph struct {
	nodes map[string]*node
	heads map[string]string // by file: what concerns all of it, as a build constraint does
	bound bindings          // what imports are called
	// What is made of the nodes when it is first asked for.
	index  sync.Once
	users  map[string][]string // by name: who mentions it
	called map[string][]string // by [CallName]
	early  []string            // executed before any call
	// led is what was found by [Graph.leading], by names: scenarios are many,
	// their questions alike.
	led   map[string]map[string]bool
	mu    sync.Mutex // guards led
	c     bool       // it is of a text in C
	whole bool       // nothing can be told: it does not parse, or executes itself in a way of its own
}

// node is all that bears one name.
type node struct {
	text      []string
	mentions  map[string]bool
	early     bool                 // executed before any call
	kind      string               // of what it stands for in Go, if that is a value made by no code
	functions map[string]*function // those among text, by the type of the receiver
}

// function is a declaration with a body.
type function struct {
	file       string
	at         int // where the body begins in the file
	head, body string
	shape      string // what callers see of the head
}

// entry is the method that runs in a process which [entryCommand] prepares.
const entry, entryCommand = "ContainerEntry", "EntryCommand"

// NewGraph reads the package, or the C text, of files.
func NewGraph(files submission.Files) *Graph {
	g := &Graph{heads: map[string]string{}, bound: bindings{}, nodes: map[string]*node{}, led: map[string]map[string]bool{}}
	methods := map[string][]string{} // by type
	g.readC(files)
	for _, name := range sortedFiles(files) {
		text := files[name]
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil || strings.Contains(string(text), "self/exe") || strings.Contains(string(text), "os.Executable") {
			g.whole = true
			return g
		}
		src := &reading{g: g, name: name, text: text, offset: func(p token.Pos) int { return fset.PositionFor(p, false).Offset }, methods: methods}
		g.heads[name] = constraints(text[:src.offset(file.Package)])
		g.bound.read(name, file)
		for _, d := range file.Decls {
			src.declaration(d)
		}
	}
	for receiver, names := range methods {
		// Methods of the runtime are called by their names; others may be by
		// whoever has a value, as fmt does.
		if n := g.nodes[receiver]; n != nil && !slices.Contains(names, entry) {
			for _, name := range names {
				n.mentions[name] = true
			}
		}
	}
	return g
}

// constraints are the lines before a package clause that are more than comments.
func constraints(head []byte) (lines string) {
	for line := range strings.Lines(string(head)) {
		if strings.HasPrefix(line, "//go:") || strings.HasPrefix(line, "// +build") {
			lines += line
		}
	}
	return lines
}

func sortedFiles(files submission.Files) (names []string) {
	for name := range files {
		if strings.HasSuffix(name, ".go") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Share takes the texts of another graph where they are the same: mutants by the
// hundred are their reference but for a line.
func (g *Graph) Share(other *Graph) {
	for name, n := range g.nodes {
		m := other.nodes[name]
		if m == nil || !slices.Equal(n.text, m.text) {
			continue
		}
		n.text = m.text
		if maps.Equal(n.mentions, m.mentions) {
			n.mentions = m.mentions
		}
		for receiver, f := range n.functions {
			if h := m.functions[receiver]; h != nil && f.head == h.head && f.body == h.body {
				f.head, f.body = h.head, h.body
			}
		}
	}
}

// Changed lists the names whose declarations differ between two packages, and
// tells whether that is all that differs.
func (g *Graph) Changed(other *Graph) (names map[string]bool, known bool) {
	if g.whole || other.whole || g.bound.differ(other.bound) {
		return nil, false
	}
	for _, pair := range [][2]*Graph{{g, other}, {other, g}} {
		for file, head := range pair[0].heads {
			if head != pair[1].heads[file] { // of a file that is not there: nothing
				return nil, false
			}
		}
	}
	names = map[string]bool{}
	for _, pair := range [][2]*Graph{{g, other}, {other, g}} {
		for name, n := range pair[0].nodes {
			if m := pair[1].nodes[name]; m == nil || !slices.Equal(n.text, m.text) {
				names[name] = true
			}
		}
	}
	return names, true
}

// Reaches tells whether calls of the contract, in the form that [CallName] gives
// them, may come to one of the names.
func (g *Graph) Reaches(calls []string, names map[string]bool) bool {
	g.index.Do(g.indexed)
	leads := g.leading(names)
	return slices.ContainsFunc(g.roots(calls), func(name string) bool { return leads[name] })
}

// LeadsTo tells whether what a name stands for may come to another.
func (g *Graph) LeadsTo(name, other string) bool {
	g.index.Do(g.indexed)
	return g.leading(map[string]bool{other: true})[name]
}

// leading is every name that may come to one of names, and these; found once.
func (g *Graph) leading(names map[string]bool) map[string]bool {
	key := strings.Join(slices.Sorted(maps.Keys(names)), " ")
	g.mu.Lock()
	defer g.mu.Unlock()
	if seen, known := g.led[key]; known {
		return seen
	}
	seen := map[string]bool{}
	queue := slices.Collect(maps.Keys(names))
	for len(queue) > 0 {
		name := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !seen[name] {
			seen[name] = true
			queue = append(queue, g.users[name]...)
		}
	}
	g.led[key] = seen
	return seen
}

// Entered tells whether calls may prepare a process, by the contract's EntryCommand
// or in C by forking, that comes to a name.
func (g *Graph) Entered(calls []string, name string) bool {
	if g.c {
		return g.Reaches(calls, map[string]bool{"fork": true, "vfork": true, "clone": true, "syscall": true}) && g.Reaches(calls, map[string]bool{name: true})
	}
	return g.Reaches(calls, map[string]bool{entry: true}) && g.Reaches([]string{strings.ToLower(entry)}, map[string]bool{name: true})
}

// roots are where calls begin, with what is executed before any of them.
func (g *Graph) roots(calls []string) (roots []string) {
	if slices.Contains(calls, "demo") {
		return slices.Collect(maps.Keys(g.nodes))
	}
	for _, call := range calls {
		roots = append(roots, g.called[CallName(call)]...)
	}
	return append(roots, g.early...)
}

func (g *Graph) indexed() {
	g.users, g.called = map[string][]string{}, map[string][]string{}
	g.early = []string{"New", "init", "_"}
	for name, n := range g.nodes {
		for used := range n.mentions {
			g.users[used] = append(g.users[used], name)
		}
		call := CallName(strings.ToLower(name))
		g.called[call] = append(g.called[call], name)
		if n.early {
			g.early = append(g.early, name)
		}
	}
}

// CallName is a call of a scenario as a method's name without capitals.
func CallName(call string) string { return strings.ReplaceAll(call, "_", "") }

// reading is one file being read.
type reading struct {
	g       *Graph
	name    string
	text    []byte
	offset  func(token.Pos) int
	methods map[string][]string
}

func (r *reading) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		r.function(d, r.add(d.Name.Name, d, d))
		if d.Recv != nil && len(d.Recv.List) == 1 {
			receiver := receiver(d.Recv.List[0].Type)
			r.methods[receiver] = append(r.methods[receiver], d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			r.spec(d, spec)
		}
	}
}

func (r *reading) function(d *ast.FuncDecl, n *node) {
	if d.Body == nil {
		return
	}
	of := ""
	if d.Recv != nil && len(d.Recv.List) == 1 {
		of = receiver(d.Recv.List[0].Type)
	}
	at, text := r.offset(d.Body.Pos()), n.text[len(n.text)-1]
	head := at - r.offset(d.Pos())
	n.functions[of] = &function{file: r.name, at: at, head: text[:head], body: text[head:], shape: shape(d, r.of)}
}

func (r *reading) spec(d *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		r.add(spec.Name.Name, spec, spec)
	case *ast.ValueSpec:
		var text, uses ast.Node = spec, spec
		if d.Tok == token.CONST { // iota counts the lines before
			text, uses = d, d
		}
		for _, id := range spec.Names {
			n := r.add(id.Name, text, uses)
			if n.kind = d.Tok.String(); d.Tok == token.VAR && calls(spec) {
				n.early, n.kind = true, ""
			}
		}
	}
}

// of is the text of a node.
func (r *reading) of(n ast.Node) string { return string(r.text[r.offset(n.Pos()):r.offset(n.End())]) }

// add notes a declaration, and the names that it mentions.
func (r *reading) add(name string, text, uses ast.Node) *node {
	n := r.g.nodes[name]
	if n == nil {
		n = &node{mentions: map[string]bool{}, functions: map[string]*function{}}
		r.g.nodes[name] = n
	}
	n.text = append(n.text, r.of(text))
	ast.Inspect(uses, func(at ast.Node) bool {
		if id, ok := at.(*ast.Ident); ok && id.Name != name {
			n.mentions[id.Name] = true
			if id.Name == entryCommand {
				n.mentions[entry] = true
			}
		}
		return true
	})
	return n
}

func receiver(t ast.Expr) string {
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// calls tells whether a variable's value is made by code.
func calls(spec ast.Node) (found bool) {
	ast.Inspect(spec, func(at ast.Node) bool {
		switch at.(type) {
		case *ast.CallExpr, *ast.UnaryExpr:
			found = true
		case *ast.FuncLit:
			return false
		}
		return !found
	})
	return found
}
