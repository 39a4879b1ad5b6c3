package mutate

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// Schemata is one package that is the reference and many mutants of it ("mutant
// schemata", Untch, Offutt and Harrold 1993): a function that mutants change has
// the bodies of all of them, and the environment of the process chooses. So what
// they share is compiled once, and several can be tried at a time.
type Schemata struct {
	reference submission.Files
	pkg       string
	functions map[string]*switched // by file, receiver and name
	members   map[string]*member
	order     []string // ids of members
	files     submission.Files
	moves     []move
}

// switched is a function of the reference of which mutants have others.
type switched struct {
	file string
	decl *ast.FuncDecl
	by   []string // ids
}

// member is a mutant's part.
type member struct {
	changed []string // keys of functions
	files   submission.Files
}

// move tells where a text of a file stands in the schemata.
type move struct {
	id       string // of the mutant; empty: the reference's
	file     string
	from, to int
	into     string
	at       int
	patches  []patch
}

// source is a file taken apart.
type source struct {
	name      string
	text      []byte
	file      *ast.File
	offset    func(token.Pos) int
	functions map[string]*ast.FuncDecl
	others    []*ast.GenDecl // but for imports
}

// base is what the function of the reference is called beside the others.
const base = "reference"

// NewSchemata begins with the reference alone.
func NewSchemata(reference submission.Files) *Schemata {
	return &Schemata{reference: reference, functions: map[string]*switched{}, members: map[string]*member{}}
}

// Add takes a mutant in, given by its files. It fails, and changes nothing, if
// the mutant changes more than what is inside functions, or adds what is executed
// before any call or may make a type another.
func (s *Schemata) Add(id string, files submission.Files) bool {
	part, changes := &member{files: submission.Files{}}, map[string]*switched{}
	for _, name := range sortedFiles(files) {
		if bytes.Equal(files[name], s.reference[name]) {
			continue
		}
		mine, theirs := read(name, s.reference[name]), read(name, files[name])
		if strings.Contains(name, "/") || mine == nil || theirs == nil || !alike(mine, theirs) {
			return false
		}
		part.files[name] = files[name]
		for key, f := range theirs.functions {
			was := mine.functions[key]
			if was == nil || mine.of(was) == theirs.of(f) {
				continue
			}
			changes[key] = &switched{file: name, decl: was}
			part.changed = append(part.changed, key)
		}
	}
	for _, name := range sortedFiles(s.reference) {
		if _, kept := files[name]; !kept {
			return false
		}
	}
	if len(part.changed) == 0 {
		return false
	}
	slices.Sort(part.changed)
	for key, f := range changes {
		if s.functions[key] == nil {
			s.functions[key] = f
		}
		s.functions[key].by = append(s.functions[key].by, id)
	}
	s.members[id] = part
	s.order = append(s.order, id)
	s.files = nil
	return true
}

// Drop leaves a mutant out again.
func (s *Schemata) Drop(id string) {
	for key, f := range s.functions {
		f.by = slices.DeleteFunc(f.by, func(by string) bool { return by == id })
		if len(f.by) == 0 {
			delete(s.functions, key)
		}
	}
	delete(s.members, id)
	s.order = slices.DeleteFunc(s.order, func(of string) bool { return of == id })
	s.files = nil
}

// Has tells whether a mutant was taken in.
func (s *Schemata) Has(id string) bool { return s.members[id] != nil }

// Apart tells whether no function is changed by two of the mutants: they can be
// chosen together.
func (s *Schemata) Apart(ids ...string) bool {
	seen := map[string]bool{}
	for _, id := range ids {
		for _, key := range s.members[id].changed {
			if seen[key] {
				return false
			}
			seen[key] = true
		}
	}
	return true
}

// Choice is what the environment has to say after the package's name for these
// mutants together; for the reference, none.
func Choice(ids ...string) string { return ":" + strings.Join(ids, "+") }

// Owner is the mutant that a file of the schemata was made for, if there is one.
func (s *Schemata) Owner(file string) string {
	for _, m := range s.moves {
		if m.id != "" && m.into == file {
			return m.id
		}
	}
	return ""
}

// Files are those of the package.
func (s *Schemata) Files() submission.Files {
	if s.files != nil {
		return s.files
	}
	s.moves, s.files = nil, maps.Clone(s.reference)
	for _, name := range sortedFiles(s.reference) {
		src := read(name, s.reference[name])
		if src == nil || strings.Contains(name, "/") { // of another package
			continue
		}
		s.pkg = src.file.Name.Name
		s.files[name] = s.switching(src)
	}
	for _, id := range s.order {
		s.emit(id, s.members[id])
	}
	s.files[choosingFile] = s.choosing()
	return s.files
}

// Place is where a piece of the reference, or of a mutant that was taken in, is
// in the schemata. It fails for what is not there, as it is nobody's own.
func (s *Schemata) Place(id string, p Piece) (Piece, bool) {
	s.Files()
	for _, m := range s.moves {
		if m.id == id && m.file == p.File && m.from <= p.From && p.To <= m.to {
			return Piece{p.Name, m.into, m.place(p.From), m.place(p.To)}, true
		}
	}
	return Piece{}, false
}

func (m move) place(offset int) int {
	at := m.at + offset - m.from
	for _, p := range m.patches {
		if p.end <= offset {
			at += len(p.text) - (p.end - p.start)
		}
	}
	return at
}

// switching is a file of the reference whose functions have what mutants change
// beside them.
func (s *Schemata) switching(src *source) []byte {
	var patches []patch
	var tail strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.functions)) {
		if f := s.functions[key]; f.file == src.name {
			decl := src.functions[key]
			patches = append(patches, src.rename(decl.Name, base))
			s.dispatch(&tail, src, decl, f.by)
		}
	}
	slices.SortFunc(patches, func(a, b patch) int { return cmp.Compare(a.start, b.start) })
	s.moves = append(s.moves, move{file: src.name, to: len(src.text), into: src.name, patches: patches})
	return append(patched(src.text, patches), tail.String()...)
}

// dispatch writes the function that calls the chosen one.
func (s *Schemata) dispatch(out *strings.Builder, src *source, decl *ast.FuncDecl, by []string) {
	part := func(n ast.Node) string { return string(src.text[src.offset(n.Pos()):src.offset(n.End())]) }
	var params, args, results []string
	for _, field := range decl.Type.Params.List {
		for range max(1, len(field.Names)) {
			arg := fmt.Sprint("p", len(args))
			params = append(params, arg+" "+part(field.Type))
			if _, many := field.Type.(*ast.Ellipsis); many {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	if decl.Type.Results != nil {
		for _, field := range decl.Type.Results.List {
			for range max(1, len(field.Names)) {
				results = append(results, part(field.Type))
			}
		}
	}
	of, to, returns := "", "", "return "
	if decl.Recv != nil {
		of, to = "(on "+part(decl.Recv.List[0].Type)+") ", "on."
	}
	call := func(which string) string {
		return fmt.Sprintf("%s%s__%s(%s)", to, decl.Name.Name, which, strings.Join(args, ", "))
	}
	if len(results) == 0 {
		returns = ""
	}
	fmt.Fprintf(out, "\nfunc %s%s(%s) (%s) {\n\tswitch {\n", of, decl.Name.Name, strings.Join(params, ", "), strings.Join(results, ", "))
	for _, id := range by {
		fmt.Fprintf(out, "\tcase chosenVariants[%d]:\n\t\t%s%s\n", slices.Index(s.order, id), returns, call(id))
	}
	fmt.Fprintf(out, "\tdefault:\n\t\t%s%s\n\t}\n}\n", returns, call(base))
}

// emit writes what a mutant has otherwise, a file for each that it changes.
func (s *Schemata) emit(id string, m *member) {
	own := map[string]bool{}
	var changed []*source
	decls := map[*source][]ast.Decl{}
	for _, name := range sortedFiles(m.files) {
		src := read(name, m.files[name])
		decls[src] = src.otherwise(read(name, s.reference[name]), own)
		changed = append(changed, src)
	}
	for _, src := range changed {
		into := "variant_" + id + "__" + src.name
		var out bytes.Buffer
		out.Write(src.text[:src.offset(src.file.Package)])
		fmt.Fprintf(&out, "package %s\n%s", src.file.Name.Name, src.imports(decls[src]))
		for _, d := range decls[src] {
			from, to := src.offset(d.Pos()), src.offset(d.End())
			patches := src.renames(d, own, id)
			out.WriteString("\n")
			s.moves = append(s.moves, move{id, src.name, from, to, into, out.Len(), patches})
			out.Write(slice(src.text, from, to, patches))
			out.WriteString("\n")
		}
		s.files[into] = out.Bytes()
	}
}

// otherwise lists the declarations that another file has not, or not so, and
// adds the names of the new ones to own.
func (src *source) otherwise(was *source, own map[string]bool) (decls []ast.Decl) {
	for _, d := range src.added(was) {
		add(own, src.names(d)...)
		decls = append(decls, d)
	}
	for key, f := range src.functions {
		old := was.functions[key]
		if old == nil {
			own[f.Name.Name] = true
		}
		if old == nil || src.of(f) != was.of(old) {
			decls = append(decls, f)
		}
	}
	slices.SortFunc(decls, func(a, b ast.Decl) int { return cmp.Compare(a.Pos(), b.Pos()) })
	return decls
}

// slice is a part of a text with the patches made that lie in it.
func slice(text []byte, from, to int, patches []patch) []byte {
	moved := make([]patch, len(patches))
	for i, p := range patches {
		moved[i] = patch{p.start - from, p.end - from, p.text}
	}
	return patched(text[from:to], moved)
}

// choosingFile holds what chooses.
const choosingFile = "chosen_variants.go"

const choosingText = `package %s

import (
	"os"
	"strings"
)

var chosenVariants = chooseVariants()

func chooseVariants() (chosen [%d]bool) {
	_, ids, _ := strings.Cut(os.Getenv(%q), ":")
	for id := range strings.SplitSeq(ids, "+") {
		switch id {
		case "":
%s		default:
			panic("no variant " + id)
		}
	}
	return chosen
}
`

func (s *Schemata) choosing() []byte {
	var cases strings.Builder
	for i, id := range s.order {
		fmt.Fprintf(&cases, "\t\tcase %q:\n\t\t\tchosen[%d] = true\n", id, i)
	}
	return fmt.Appendf(nil, choosingText, s.pkg, len(s.order), scenario.VariantVariable, cases.String())
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
