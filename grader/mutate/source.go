package mutate

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// source is a file taken apart.
type source struct {
	name      string
	text      []byte
	file      *ast.File
	offset    func(token.Pos) int
	functions map[string]*ast.FuncDecl
	others    []*ast.GenDecl // but for imports
}

// read takes a file apart. It answers nil for one that does not parse.
func read(name string, text []byte) *source {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil
	}
	src := &source{
		name: name, text: text, file: file, functions: map[string]*ast.FuncDecl{},
		offset: func(p token.Pos) int { return fset.PositionFor(p, false).Offset },
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			src.functions[key(name, d)] = d
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				src.others = append(src.others, d)
			}
		}
	}
	return src
}

func key(file string, d *ast.FuncDecl) string {
	of := ""
	if d.Recv != nil && len(d.Recv.List) == 1 {
		of = receiver(d.Recv.List[0].Type)
	}
	return file + " " + of + "." + d.Name.Name
}

// of is the text of a declaration, without its comment.
func (src *source) of(n ast.Node) string {
	return string(src.text[src.offset(n.Pos()):src.offset(n.End())])
}

// added are the declarations, but for functions, that a file has and another has
// not.
func (src *source) added(other *source) (decls []*ast.GenDecl) {
	for _, d := range src.others {
		if !slices.ContainsFunc(other.others, func(o *ast.GenDecl) bool { return other.of(o) == src.of(d) }) {
			decls = append(decls, d)
		}
	}
	return decls
}

// names are those that a declaration declares.
func (src *source) names(d *ast.GenDecl) (names []string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, spec.Name.Name)
		case *ast.ValueSpec:
			for _, id := range spec.Names {
				names = append(names, id.Name)
			}
		}
	}
	return names
}

func add(set map[string]bool, names ...string) {
	for _, name := range names {
		set[name] = true
	}
}

// joins tells whether what b has beside a, but for functions, can stand beside
// all that a has: it has names of its own, and nothing is executed for it.
func joins(a, b *source) bool {
	taken := map[string]bool{}
	for _, d := range a.others {
		add(taken, a.names(d)...)
	}
	if len(a.added(b)) > 0 {
		return false
	}
	for _, d := range b.added(a) {
		if d.Tok == token.VAR && slices.ContainsFunc(d.Specs, func(s ast.Spec) bool { return calls(s) }) {
			return false
		}
		if slices.ContainsFunc(b.names(d), func(name string) bool { return taken[name] || name == "_" }) {
			return false
		}
	}
	return true
}

// alike tells whether two files differ in nothing but the bodies of functions
// that can be switched, in plain functions that only one of them has, and in what
// joins.
func alike(a, b *source) bool {
	if string(a.text[:a.offset(a.file.Package)]) != string(b.text[:b.offset(b.file.Package)]) {
		return false
	}
	if !joins(a, b) {
		return false
	}
	for _, pair := range [][2]*source{{a, b}, {b, a}} {
		for key, f := range pair[0].functions {
			g := pair[1].functions[key]
			switch {
			case g == nil && (f.Recv != nil || f.Name.Name == "init"):
				return false // whoever asks for an interface would find another type
			case g != nil && pair[0].of(f) == pair[1].of(g):
			case !pair[0].switches(f) || g != nil && pair[0].head(f) != pair[1].head(g):
				return false
			}
		}
	}
	return true
}

func (src *source) head(f *ast.FuncDecl) string {
	if f.Body == nil {
		return ""
	}
	return string(src.text[src.offset(f.Pos()):src.offset(f.Body.Pos())])
}

// switches tells whether a function may be called through another: one with
// directives, type parameters or recover may not.
func (src *source) switches(f *ast.FuncDecl) bool {
	if f.Body == nil || f.Type.TypeParams != nil || f.Name.Name == "init" || strings.Contains(src.of(f), "recover()") {
		return false
	}
	if f.Recv != nil && receiver(f.Recv.List[0].Type) == "" {
		return false
	}
	return f.Doc == nil || !slices.ContainsFunc(f.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:") })
}

func (src *source) rename(id *ast.Ident, to string) patch {
	return patch{src.offset(id.Pos()), src.offset(id.End()), id.Name + "__" + to}
}

// renames gives a function of a mutant its own name, and calls what only the
// mutant has by its own, too.
func (src *source) renames(d ast.Decl, added map[string]bool, id string) (patches []patch) {
	f, _ := d.(*ast.FuncDecl)
	ast.Inspect(d, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && (f != nil && name == f.Name || added[name.Name]) {
			patches = append(patches, src.rename(name, id))
		}
		return true
	})
	slices.SortFunc(patches, func(a, b patch) int { return cmp.Compare(a.start, b.start) })
	return patches
}

// imports are those of the file's that declarations mention.
func (src *source) imports(decls []ast.Decl) string {
	used := map[string]bool{}
	for _, d := range decls {
		ast.Inspect(d, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if name, ok := sel.X.(*ast.Ident); ok {
					used[name.Name] = true
				}
			}
			return true
		})
	}
	var out strings.Builder
	for _, spec := range src.file.Imports {
		if local := localName(spec); used[local] {
			fmt.Fprintf(&out, "\nimport %s\n", src.of(spec))
		}
	}
	return out.String()
}
