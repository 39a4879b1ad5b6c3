package mutate

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"moulinette/grader/scenario"
	"moulinette/grader/submission"
	"moulinette/grader/submission/c17"
)

// SchemataC17 is what [Schemata] is, in C: a function that mutants change calls
// the one that the environment chose when the program started.
type SchemataC17 struct {
	reference submission.Files
	texts     map[string]*textC
	members   map[string]map[string]*partC // by id and file
	order     []string                     // ids of members
	files     submission.Files
	places    map[placeC]Piece // of bodies
}

// placeC is a function in a file of a mutant; without an id, of the reference.
type placeC struct{ id, file, function string }

// NewSchemataC17 begins with the reference alone.
func NewSchemataC17(reference submission.Files) *SchemataC17 {
	s := &SchemataC17{reference: reference, texts: map[string]*textC{}, members: map[string]map[string]*partC{}}
	for name, text := range reference {
		if path.Ext(name) == ".c" {
			s.texts[name] = &textC{text, c17.Declarations(text)}
		}
	}
	return s
}

// Add takes a mutant in, given by its files. It fails, and changes nothing, if
// the mutant is more than functions with other bodies, and what they use of its
// own: static functions and variables, and macros.
func (s *SchemataC17) Add(id string, files submission.Files) bool {
	parts, changed := map[string]*partC{}, 0
	for name, text := range s.reference {
		other, there := files[name]
		if there && bytes.Equal(other, text) {
			continue
		}
		if !there || s.texts[name] == nil {
			return false
		}
		part := s.texts[name].part(other)
		if part == nil {
			return false
		}
		parts[name] = part
		changed += len(part.functions)
	}
	if changed == 0 || len(files) != len(s.reference) {
		return false
	}
	s.members[id], s.order, s.files = parts, append(s.order, id), nil
	return true
}

// Drop leaves a mutant out again.
func (s *SchemataC17) Drop(id string) {
	delete(s.members, id)
	s.order = slices.DeleteFunc(s.order, func(of string) bool { return of == id })
	s.files = nil
}

// Apart tells whether no function is changed by two of the mutants: they can be
// chosen together.
func (s *SchemataC17) Apart(ids ...string) bool {
	seen := map[placeC]bool{}
	for _, id := range ids {
		for file, part := range s.members[id] {
			for name := range part.functions {
				at := placeC{"", file, name}
				if seen[at] {
					return false
				}
				seen[at] = true
			}
		}
	}
	return true
}

// Owner is the mutant that a compiler speaks of by the name of a file, if there
// is one; of a header of the system, the last that brought any.
func (s *SchemataC17) Owner(file string) (owner string) {
	_, ours := s.reference[file]
	for _, id := range s.order {
		if file == ownFile(id) {
			return id
		}
		for _, part := range s.members[id] {
			if part.includes && !ours && path.Ext(file) == ".h" {
				owner = id
			}
		}
	}
	return owner
}

func ownFile(id string) string { return "variant_" + id + ".c" }

// Place is where the body of a function of the reference, or of a mutant that was
// taken in, is in the schemata. It fails for what is not there, as it is nobody's
// own.
func (s *SchemataC17) Place(id string, p Piece) (Piece, bool) {
	s.Files()
	at, ok := s.places[placeC{id, p.File, p.Name}]
	return at, ok
}

// Files are those of the submission.
func (s *SchemataC17) Files() submission.Files {
	if s.files == nil {
		s.files, s.places = maps.Clone(s.reference), map[placeC]Piece{}
		for name, t := range s.texts {
			s.files[name] = s.merged(name, t)
		}
	}
	return s.files
}

// merged is a text of the reference with all that mutants have otherwise in it.
func (s *SchemataC17) merged(name string, t *textC) []byte {
	out := &bytes.Buffer{}
	done, begun := 0, false
	for i, d := range t.all {
		out.Write(t.text[done:d.Start])
		done = d.End
		if d.Function && !begun {
			out.WriteString(s.choosing())
			begun = true
		}
		if d.Function {
			s.function(out, name, t, d)
		} else {
			out.Write(t.text[d.Start:d.End])
		}
		for _, id := range s.order {
			part := s.members[id][name]
			if part == nil {
				continue
			}
			for _, own := range part.added[i] {
				fmt.Fprintf(out, "\n#line %d \"submission/%s\"\n%s\n", lineOf(part.text, own.Start), ownFile(id), renamed(part.text[own.Start:own.End], part.own, id))
			}
		}
	}
	out.Write(t.text[done:])
	return out.Bytes()
}

// function writes one of the reference, with those that mutants have in its place.
func (s *SchemataC17) function(out *bytes.Buffer, file string, t *textC, d c17.Declaration) {
	name := d.Names[0]
	var by []string
	for _, id := range s.order {
		if part := s.members[id][file]; part != nil && part.functions[name].Function {
			by = append(by, id)
		}
	}
	reference := &partC{text: t.text}
	if len(by) == 0 {
		s.body(out, placeC{"", file, name}, reference, d, "")
		return
	}
	s.body(out, placeC{"", file, name}, reference, d, base)
	for _, id := range by {
		part := s.members[id][file]
		fmt.Fprintf(out, "\n#line %d \"submission/%s\"\n", lineOf(part.text, part.functions[name].Start), ownFile(id))
		s.body(out, placeC{id, file, name}, part, part.functions[name], id)
	}
	fmt.Fprintf(out, "\n#line %d \"submission/%s\"\n%s{\n\t", lineOf(t.text, d.Start), file, t.text[d.Start:d.Body])
	s.dispatch(out, t.text[d.Start:d.Body], name, by)
}

// body writes a function, which others stand beside if it gets a suffix.
func (s *SchemataC17) body(out *bytes.Buffer, at placeC, of *partC, d c17.Declaration, suffix string) {
	head := of.text[d.Start:d.Body]
	if suffix != "" {
		head = renamed(renamed(head, of.own, suffix), map[string]bool{at.function: true}, suffix)
		if !d.Static {
			out.WriteString("static ")
		}
	}
	out.Write(head)
	inside := renamed(of.text[d.Body:d.End], of.own, suffix)
	s.places[at] = Piece{at.function, at.file, out.Len(), out.Len() + len(inside)}
	out.Write(inside)
}

// dispatch calls the chosen one.
func (s *SchemataC17) dispatch(out *bytes.Buffer, head []byte, name string, by []string) {
	returns, args, _ := signature(head, name)
	given := strings.Join(args, ", ")
	for _, id := range by {
		fmt.Fprintf(out, "if (chosen_variants[%d])\n\t\t%s%s__%s(%s);\n\telse ", slices.Index(s.order, id), returns, name, id, given)
	}
	fmt.Fprintf(out, "\n\t\t%s%s__%s(%s);\n}\n", returns, name, base, given)
}

const choosingC = `
static unsigned char chosen_variants[%d];
extern char *getenv(const char *);
__attribute__((constructor)) static void choose_variants(void)
{
	static const char *const ids[] = { %s };
	const char *said = getenv(%q);
	while (said != 0 && *said != 0 && *said != ':')
		said++;
	while (said != 0 && *said != 0) {
		unsigned long i = 0, n = 0;
		for (said++; said[n] != 0 && said[n] != '+'; n++)
			continue;
		for (; n > 0; i++) {
			unsigned long same = 0;
			if (i == sizeof ids / sizeof ids[0])
				__builtin_trap(); /* no such variant */
			while (same < n && ids[i][same] == said[same])
				same++;
			if (same == n && ids[i][n] == 0)
				break;
		}
		if (n > 0)
			chosen_variants[i] = 1;
		said += n;
	}
}
`

func (s *SchemataC17) choosing() string {
	var ids []string
	for _, id := range s.order {
		ids = append(ids, fmt.Sprintf("%q", id))
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf(choosingC, len(ids), strings.Join(ids, ", "), scenario.VariantVariable)
}
