package c17

import (
	"slices"
	"strings"
)

// Declaration is a declaration of a C text at the level of the file, or a
// directive there.
type Declaration struct {
	Names    []string // what it declares or defines; none of a directive but #define
	Mentions []string // words in it, keywords left out
	Function bool     // it has a body
	Static   bool
	Start    int // of its first word
	Body     int // of a function: where its body begins
	End      int
}

// Declarations reads a text as a compiler does, more or less: it does not see
// what macros make of it.
func Declarations(text []byte) (all []Declaration) {
	var r reader
	for _, t := range Tokens(text) {
		if t.At < 0 {
			continue
		}
		if t.Kind == Directive && len(r.tokens) == 0 {
			all = append(all, definition(t))
			continue
		}
		if r.take(t) {
			all = append(all, r.declaration())
			r = reader{}
		}
	}
	return all
}

// definition reads a directive.
func definition(t Token) Declaration {
	d := Declaration{Start: t.At, End: t.End}
	name, rest := CutDirective(t.Text)
	all := namesIn(words(rest))
	if name == "define" && len(all) > 0 {
		d.Names, d.Mentions = all[:1], all[1:]
	}
	return d
}

// reader gathers the tokens of one declaration.
type reader struct {
	tokens   []Token
	braces   int
	round    int
	opened   int  // the first brace at the level of the file; 0: none
	function bool // what stands before that brace has arguments
	value    bool // an = was seen before it
}

// take tells whether t is the last of the declaration.
func (r *reader) take(t Token) bool {
	r.tokens = append(r.tokens, t)
	if t.Kind != Mark {
		return false
	}
	switch t.Text {
	case "(":
		r.round++
	case ")":
		r.round--
		r.function = r.function || r.braces == 0 && r.round == 0 && !r.value && r.opened == 0
	case "=":
		r.value = r.value || r.braces == 0
	case "{":
		if r.braces++; r.braces == 1 && r.opened == 0 {
			r.opened = len(r.tokens) - 1
		}
	case "}":
		r.braces--
		return r.braces <= 0 && r.body()
	case ";":
		return r.braces <= 0 && r.round <= 0
	}
	return false
}

// body tells whether the braces are a function's.
func (r *reader) body() bool { return r.function && !r.value && r.opened > 0 }

func (r *reader) declaration() Declaration {
	d := Declaration{Start: r.tokens[0].At, End: r.tokens[len(r.tokens)-1].End, Function: r.body()}
	for _, t := range r.tokens {
		d.Static = d.Static || t.Kind == Word && t.Text == "static" && (!d.Function || t.At < r.tokens[r.opened].At)
	}
	if d.Function {
		d.Body = r.tokens[r.opened].At
	}
	d.Names = r.names(d.Function)
	d.Mentions = namesIn(r.tokens)
	return d
}

// names are a function's own, or else every word that might be declared: a few
// too many do no harm.
func (r *reader) names(function bool) (names []string) {
	depth, enum := 0, r.tokens[0].Text == "enum" || len(r.tokens) > 1 && r.tokens[1].Text == "enum"
	for i, t := range r.tokens {
		mark := ""
		if t.Kind == Mark {
			mark = t.Text
		}
		switch {
		case mark == "{":
			depth++
		case mark == "}":
			depth--
		case depth == 0 && mark == "(" && r.function && i > 0 && r.tokens[i-1].Kind == Word && !keywords[r.tokens[i-1].Text]:
			return []string{r.tokens[i-1].Text}
		case depth == 0 && mark == "=":
			return names
		case t.Kind == Word && !keywords[t.Text] && !isNumber(t.Text) && (depth == 0 || enum && !function):
			names = append(names, t.Text)
		}
	}
	return names
}

// namesIn are the names among tokens, each once.
func namesIn(tokens []Token) (all []string) {
	for _, t := range tokens {
		switch {
		case t.Kind == Word && !keywords[t.Text] && !isNumber(t.Text):
			all = append(all, t.Text)
		case t.Kind == Directive:
			_, rest := CutDirective(t.Text)
			all = append(all, namesIn(words(rest))...)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(w string) bool {
		old := seen[w]
		seen[w] = true
		return old
	})
}

func isNumber(word string) bool { return '0' <= word[0] && word[0] <= '9' }

// keywords say nothing about what is declared: those of the language, and the
// types of the system that stand in every text.
var keywords = func() map[string]bool {
	words := map[string]bool{}
	for w := range strings.FieldsSeq(`auto break case char const continue default do double else enum extern float for goto if inline int long
		register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool _Noreturn bool true false
		size_t ssize_t pid_t uid_t gid_t int32_t uint8_t uint16_t uint32_t uint64_t NULL errno`) {
		words[w] = true
	}
	return words
}()
