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
	bound     bindings
}

// read takes a file apart. It answers nil for one that does not parse.
func read(name string, text []byte) *source {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil
	}
	src := &source{
		name: name, text: text, file: file, functions: map[string]*ast.FuncDecl{}, bound: bindings{},
		offset: func(p token.Pos) int { return fset.PositionFor(p, false).Offset },
	}
	src.bound.read(name, file)
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

// names are those that a declaration makes known in its package: of methods, and
// of imports, none.
func names(d ast.Decl) (names []string) {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			names = append(names, f.Name.Name)
		}
		return names
	}
	for _, spec := range d.(*ast.GenDecl).Specs {
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

// asked are the names of the methods that interfaces in a declaration ask for.
func asked(d ast.Decl) (names []string) {
	ast.Inspect(d, func(n ast.Node) bool {
		if i, ok := n.(*ast.InterfaceType); ok {
			for _, method := range i.Methods.List {
				for _, id := range method.Names {
					names = append(names, id.Name)
				}
			}
		}
		return true
	})
	return names
}

func add(set map[string]bool, names ...string) {
	for _, name := range names {
		set[name] = true
	}
}

// shape is the type of a function, and of its receiver: its head without the names
// that parameters and results have inside.
func shape(f *ast.FuncDecl, of func(ast.Node) string) string {
	var out strings.Builder
	for _, list := range []*ast.FieldList{f.Recv, f.Type.TypeParams, f.Type.Params, f.Type.Results} {
		if list != nil {
			for _, field := range list.List {
				out.WriteString(strings.Repeat(of(field.Type)+",", max(1, len(field.Names))))
			}
		}
		out.WriteString(";")
	}
	return out.String()
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

// renames gives a function of a mutant its own name, but for a method of a type of
// its own, and calls what is the mutant's own by its own, too.
func (src *source) renames(d ast.Decl, own map[string]bool, id string) (patches []patch) {
	f, _ := d.(*ast.FuncDecl)
	if f != nil && f.Recv != nil && own[receiver(f.Recv.List[0].Type)] {
		f = nil
	}
	ast.Inspect(d, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && (f != nil && name == f.Name || own[name.Name]) {
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
