package mutate

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"moulinette/grader/submission"
)

// part is what a mutant has otherwise: functions in the place of the reference's,
// and what they use of its own.
type part struct {
	of      *Schemata
	changed []place
	own     map[string]bool        // names that mean something of its own
	turned  map[string]bool        // those among them that mean something in the reference, too
	sources []*source              // in the order of their names
	decls   map[*source][]ast.Decl // those of changed, and of own
}

// place is where a function of the reference stands.
type place struct{ file, key string }

// part compares a mutant's files with the reference's. It is nil if more differs
// than can stand beside the reference.
func (s *Schemata) part(files submission.Files) *part {
	p := &part{of: s, own: map[string]bool{}, turned: map[string]bool{}, decls: map[*source][]ast.Decl{}}
	for name := range s.reference {
		if _, kept := files[name]; !kept {
			return nil
		}
	}
	for _, name := range sortedFiles(files) {
		mine := s.sources[name]
		if was, known := s.reference[name]; known && bytes.Equal(files[name], was) {
			if mine != nil {
				p.sources = append(p.sources, mine)
			}
			continue
		}
		theirs := read(name, files[name])
		if theirs == nil || strings.Contains(name, "/") {
			return nil
		}
		if mine == nil {
			mine = read(name, []byte("package "+theirs.file.Name.Name))
		}
		p.sources = append(p.sources, theirs)
		if !p.compare(mine, theirs) {
			return nil
		}
	}
	if !p.spread() {
		return nil
	}
	for src, decls := range p.decls {
		slices.SortFunc(decls, func(a, b ast.Decl) int { return cmp.Compare(a.Pos(), b.Pos()) })
		p.decls[src] = decls
	}
	return p
}

// compare notes what a file has otherwise than the reference's.
func (p *part) compare(mine, theirs *source) bool {
	if string(mine.text[:mine.offset(mine.file.Package)]) != string(theirs.text[:theirs.offset(theirs.file.Package)]) {
		return false // a constraint, perhaps
	}
	if mine.bound.differ(theirs.bound) {
		return false // what is as in the reference may mean something else
	}
	for _, d := range mine.others {
		if d.Tok == token.VAR && calls(d) && !theirs.has(d, mine) {
			return false // the reference executes something here
		}
	}
	for _, d := range theirs.others {
		if !mine.has(d, theirs) && !p.adopt(theirs, d) {
			return false
		}
	}
	for key, f := range mine.functions {
		if theirs.functions[key] == nil && (!mine.switches(f) || f.Recv != nil && p.asked(f.Name.Name)) {
			return false
		}
	}
	for key, f := range theirs.functions {
		was := mine.functions[key]
		switch {
		case was == nil:
			if f.Recv == nil && p.of.taken[f.Name.Name] || !p.adopt(theirs, f) { // taken: it moved here
				return false
			}
		case mine.of(was) == theirs.of(f):
		case !mine.switches(was) || !theirs.switches(f):
			return false
		case shape(was, mine.of) == shape(f, theirs.of):
			p.change(theirs, f)
		case f.Recv != nil || !p.adopt(theirs, f):
			return false
		}
	}
	return true
}

// has tells whether a file has a declaration, but for functions, of another.
func (src *source) has(d *ast.GenDecl, of *source) bool {
	return slices.ContainsFunc(src.others, func(mine *ast.GenDecl) bool { return src.of(mine) == of.of(d) })
}

// change gives a function the place of the reference's.
func (p *part) change(src *source, f *ast.FuncDecl) {
	p.changed = append(p.changed, place{src.name, key(src.name, f)})
	p.decls[src] = append(p.decls[src], f)
}

// asked tells whether somebody may ask for a type that has a method of this name,
// and find another one: of what is not exported, only an interface of the package.
func (p *part) asked(name string) bool { return ast.IsExported(name) || p.of.asked[name] }

// adopt makes a declaration one of the mutant's own, which gets another name
// beside the reference's. It fails for what is executed before any call, and for
// types that the reference has otherwise.
func (p *part) adopt(src *source, d ast.Decl) bool {
	f, isFunction := d.(*ast.FuncDecl)
	gen, _ := d.(*ast.GenDecl)
	switch {
	case !isFunction && gen.Tok == token.VAR && calls(gen), isFunction && !src.switches(f):
		return false
	case isFunction && f.Recv != nil && p.of.taken[receiver(f.Recv.List[0].Type)]:
		if p.asked(f.Name.Name) || p.of.taken[f.Name.Name] || p.of.methods[f.Name.Name] {
			return false
		}
		p.own[f.Name.Name] = true
	}
	for _, name := range names(d) {
		if name == "_" || p.of.methods[name] || !isFunction && gen.Tok == token.TYPE && p.of.taken[name] {
			return false
		}
		p.own[name] = true
		if p.of.taken[name] {
			p.turned[name] = true
		}
	}
	p.decls[src] = append(p.decls[src], d)
	return true
}

// spread makes the mutant's what is as in the reference, but mentions what is not:
// it means something else there.
func (p *part) spread() bool {
	for again := len(p.turned) > 0; again; {
		again = false
		for _, src := range p.sources {
			for _, d := range src.file.Decls {
				if slices.Contains(p.decls[src], d) || !mentions(d, p.turned) {
					continue
				}
				f, isFunction := d.(*ast.FuncDecl)
				switch again = true; {
				case isFunction && src.switches(f):
					p.change(src, f)
				case isFunction || !p.adopt(src, d):
					return false
				}
			}
		}
	}
	return true
}

// mentions tells whether one of the names stands in a declaration.
func mentions(d ast.Decl, names map[string]bool) (found bool) {
	ast.Inspect(d, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && names[id.Name]
		return !found
	})
	return found
}
