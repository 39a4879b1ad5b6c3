package mutate

import (
	"bytes"
	"slices"

	"moulinette/grader/submission/c17"
)

// textC is a C text of the reference.
type textC struct {
	text []byte
	all  []c17.Declaration
}

// partC is what a mutant has otherwise in a text.
type partC struct {
	text      []byte
	own       map[string]bool            // names that mean something of its own
	includes  bool                       // a header that the reference does not
	functions map[string]c17.Declaration // of the reference, which do something else
	added     map[int][]c17.Declaration  // of own names, by the declaration of the reference that they follow
}

// part compares another text; nil if it differs in more than can stand beside the
// reference's.
func (t *textC) part(text []byte) *partC {
	p := &partC{text: text, own: map[string]bool{}, functions: map[string]c17.Declaration{}, added: map[int][]c17.Declaration{}}
	kept := map[int]c17.Declaration{} // by their index in the reference
	last, all := -1, c17.Declarations(text)
	for _, d := range all {
		if at := t.find(last+1, d, text); at >= 0 {
			kept[at], last = d, at
		} else if !p.adopt(last, d) {
			return nil
		}
	}
	for again := true; again; {
		again = false
		for at := range t.all { // what is a value of an own name is an own one
			if d, ok := kept[at]; ok && !d.Function && p.uses(d) {
				if !p.adopt(at, d) {
					return nil
				}
				delete(kept, at)
				again = true
			}
		}
	}
	for at, was := range t.all {
		d, ok := kept[at]
		if !ok || !d.Function || !p.uses(d) && bytes.Equal(t.text[was.Body:was.End], text[d.Body:d.End]) {
			continue
		}
		if _, _, ok := signature(text[d.Start:d.Body], d.Names[0]); !ok || t.several(d.Names[0]) {
			return nil
		}
		p.functions[d.Names[0]] = d
	}
	if t.misses(p, kept, all) || p.idle(all) {
		return nil
	}
	return p
}

// find is the index of a declaration in the reference, from one on; of a function,
// whatever its body is.
func (t *textC) find(from int, d c17.Declaration, text []byte) int {
	words := func(text []byte, d c17.Declaration) []byte {
		if d.Function {
			return bytes.TrimSpace(text[d.Start:d.Body])
		}
		return text[d.Start:d.End]
	}
	mine := words(text, d)
	i := slices.IndexFunc(t.all[from:], func(was c17.Declaration) bool {
		return was.Function == d.Function && bytes.Equal(words(t.text, was), mine)
	})
	if i < 0 {
		return -1
	}
	return from + i
}

// several tells whether more than one function has a name: the preprocessor
// chooses.
func (t *textC) several(name string) bool {
	named := 0
	for _, d := range t.all {
		if d.Function && d.Names[0] == name {
			named++
		}
	}
	return named > 1
}

// adopt makes a declaration one of the mutant's own, which gets another name
// beside the reference's. Of types, of what is seen elsewhere, and of
// directives it fails, but for system headers: they stand well beside each other.
func (p *partC) adopt(after int, d c17.Declaration) bool {
	name := nameable(d, p.text)
	includes := bytes.HasPrefix(p.text[d.Start:d.End], []byte("#include <"))
	if name == "" && !includes || after < 0 {
		return false
	}
	if includes {
		p.includes = true
	} else {
		p.own[name] = true
	}
	p.added[after] = append(p.added[after], d)
	return true
}

// nameable is the name of a static function, of a static variable that has a
// value, or of a macro; "" of anything else.
func nameable(d c17.Declaration, text []byte) string {
	words := text[d.Start:d.End]
	switch {
	case len(d.Names) == 0, reserved(d, text):
		return ""
	case d.Function && d.Static, bytes.HasPrefix(words, []byte("#define")):
		return d.Names[0]
	case !d.Function && d.Static && bytes.ContainsRune(words, '='):
		return d.Names[len(d.Names)-1] // before it may stand its type
	}
	return ""
}

func (p *partC) uses(d c17.Declaration) bool {
	return slices.ContainsFunc(d.Mentions, func(word string) bool { return p.own[word] })
}

// misses tells whether something is left out that concerns whoever does not
// mention it, or of which a name is mentioned that means something else now.
func (t *textC) misses(p *partC, kept map[int]c17.Declaration, all []c17.Declaration) bool {
	mentioned := func(name string) bool {
		return slices.ContainsFunc(all, func(d c17.Declaration) bool { return slices.Contains(d.Mentions, name) })
	}
	for at, was := range t.all {
		if _, ok := kept[at]; ok {
			continue
		}
		names := was.Names
		if name := nameable(was, t.text); name != "" {
			names = []string{name}
		}
		if len(names) == 0 || reserved(was, t.text) || slices.ContainsFunc(names, func(name string) bool { return !p.own[name] && mentioned(name) }) {
			return true
		}
	}
	return false
}

// idle tells whether a text has something static that it does not use. A compiler
// complains of that, and would not where others use it.
func (p *partC) idle(all []c17.Declaration) bool {
	return slices.ContainsFunc(all, func(d c17.Declaration) bool {
		name := nameable(d, p.text)
		return d.Static && name != "" && !slices.ContainsFunc(all, func(by c17.Declaration) bool {
			return nameable(by, p.text) != name && slices.Contains(by.Mentions, name)
		})
	})
}

// renamed is a text where names have a suffix.
func renamed(text []byte, names map[string]bool, suffix string) []byte {
	var patches []patch
	var read func(from int, text []byte)
	read = func(from int, text []byte) {
		for _, token := range c17.Tokens(text) {
			switch {
			case token.At < 0: // of a directive, as which it is read below
			case token.Kind == c17.Directive:
				inside := bytes.Clone(text[token.At:token.End])
				inside[0] = ' ' // its #
				read(from+token.At, inside)
			case token.Kind == c17.Word && names[token.Text]:
				patches = append(patches, patch{from + token.End, from + token.End, "__" + suffix})
			}
		}
	}
	if len(names) > 0 {
		read(0, text)
	}
	return patched(text, patches)
}

// signature reads the head of a function: what stands before a call whose value
// is returned, and the arguments' names. It fails for one that cannot be called
// by these.
func signature(head []byte, name string) (returns string, args []string, ok bool) {
	tokens := c17.Tokens(head)
	is := func(i int, mark string) bool {
		return i < len(tokens) && tokens[i].Kind == c17.Mark && tokens[i].Text == mark
	}
	at := slices.IndexFunc(tokens, func(t c17.Token) bool { return t.Kind == c17.Word && t.Text == name })
	if at < 0 || !is(at+1, "(") {
		return "", nil, false
	}
	returns = "return "
	for i := range at {
		if tokens[i].Text == "void" && !is(at-1, "*") {
			returns = ""
		}
	}
	depth, from := 0, at+2
	for i := at + 1; i < len(tokens); i++ {
		if is(i, "(") {
			depth++
		}
		if is(i, ")") {
			depth--
		}
		if depth != 0 && (depth != 1 || !is(i, ",")) {
			continue
		}
		arg, named := argument(tokens[from:i])
		if arg != "" {
			args = append(args, arg)
		}
		if from = i + 1; !named {
			return "", nil, false
		}
		if depth == 0 {
			return returns, args, from == len(tokens)
		}
	}
	return "", nil, false
}

// argument is the name that one declares, "" if it says that there is none. It
// fails if there is one without a name.
func argument(tokens []c17.Token) (name string, ok bool) {
	if len(tokens) == 1 {
		return "", tokens[0].Text == "void"
	}
	for i, t := range tokens {
		switch {
		case t.Kind == c17.Mark && t.Text == "[" || t.Kind == c17.Mark && t.Text == "(" && name != "" && i > 0 && tokens[i-1].Text == ")":
			return name, name != ""
		case t.Kind == c17.Mark && t.Text == "(":
			name = "" // a pointer to a function: its name follows
		case t.Kind == c17.Word:
			name = t.Text
		}
	}
	return name, name != ""
}

// lineOf is the line of a place.
func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }
