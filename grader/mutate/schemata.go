package mutate

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
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
	sources   map[string]*source   // of the reference, by file: those of the package itself
	taken     map[string]bool      // names that it declares
	methods   map[string]bool      // names of its methods
	asked     map[string]bool      // and of those that its interfaces ask for
	functions map[string]*switched // by file, receiver and name
	members   map[string]*part
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

// move tells where a text of a file stands in the schemata.
type move struct {
	id       string // of the mutant; empty: the reference's
	file     string
	from, to int
	into     string
	at       int
	patches  []patch
}

// base is what the function of the reference is called beside the others.
const base = "reference"

// NewSchemata begins with the reference alone.
func NewSchemata(reference submission.Files) *Schemata {
	s := &Schemata{
		reference: reference, sources: map[string]*source{}, taken: map[string]bool{}, methods: map[string]bool{}, asked: map[string]bool{},
		functions: map[string]*switched{}, members: map[string]*part{},
	}
	for _, name := range sortedFiles(reference) {
		src := read(name, reference[name])
		if src == nil || strings.Contains(name, "/") { // of another package
			continue
		}
		s.sources[name] = src
		for _, d := range src.file.Decls {
			add(s.taken, names(d)...)
			add(s.asked, asked(d)...)
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				s.methods[f.Name.Name] = true
			}
		}
	}
	return s
}

// Add takes a mutant in, given by its files. It fails, and changes nothing, if
// the mutant is more than functions with other bodies, and what they use of its
// own: functions, constants, variables and types; or if it adds what is executed
// before any call, or may make a type another.
func (s *Schemata) Add(id string, files submission.Files) bool {
	part := s.part(files)
	if part == nil || len(part.changed) == 0 {
		return false
	}
	for _, at := range part.changed {
		f := s.functions[at.key]
		if f == nil {
			f = &switched{file: at.file, decl: s.sources[at.file].functions[at.key]}
			s.functions[at.key] = f
		}
		f.by = append(f.by, id)
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

// Apart tells whether no function is changed by two of the mutants: they can be
// chosen together.
func (s *Schemata) Apart(ids ...string) bool {
	seen := map[string]bool{}
	for _, id := range ids {
		for _, at := range s.members[id].changed {
			if seen[at.key] {
				return false
			}
			seen[at.key] = true
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
	for _, name := range slices.Sorted(maps.Keys(s.sources)) {
		s.files[name] = s.switching(s.sources[name])
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

// emit writes what a mutant has otherwise, a file for each where it has something.
func (s *Schemata) emit(id string, p *part) {
	for _, src := range p.sources {
		decls := p.decls[src]
		if len(decls) == 0 {
			continue
		}
		into := "variant_" + id + "__" + src.name
		var out bytes.Buffer
		out.Write(src.text[:src.offset(src.file.Package)])
		fmt.Fprintf(&out, "package %s\n%s", src.file.Name.Name, src.imports(decls))
		for _, d := range decls {
			from, to := src.offset(d.Pos()), src.offset(d.End())
			patches := src.renames(d, p.own, id)
			out.WriteString("\n")
			s.moves = append(s.moves, move{id, src.name, from, to, into, out.Len(), patches})
			out.Write(slice(src.text, from, to, patches))
			out.WriteString("\n")
		}
		s.files[into] = out.Bytes()
	}
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
	pkg := ""
	for _, src := range s.sources {
		pkg = src.file.Name.Name
	}
	return fmt.Appendf(nil, choosingText, pkg, len(s.order), scenario.VariantVariable, cases.String())
}
