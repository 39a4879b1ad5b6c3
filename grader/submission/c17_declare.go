package submission

import (
	"slices"
	"strings"
)

// CDeclaration is a declaration of a C text at the level of the file, or a
// directive there.
type CDeclaration struct {
	Names    []string // what it declares or defines; none of a directive but #define
	Mentions []string // words in it, keywords left out
	Function bool     // it has a body
	Static   bool
	Start    int // of its first word
	Body     int // of a function: where its body begins
	End      int
}

// CDeclarations reads a text as a compiler does, more or less: it does not see
// what macros make of it.
func CDeclarations(text []byte) (all []CDeclaration) {
	var r cReader
	for _, t := range cTokens(text) {
		if t.at < 0 {
			continue
		}
		if t.kind == cDirective && len(r.tokens) == 0 {
			all = append(all, cDefinition(t))
			continue
		}
		if r.take(t) {
			all = append(all, r.declaration())
			r = cReader{}
		}
	}
	return all
}

// cDefinition reads a directive.
func cDefinition(t cToken) CDeclaration {
	d := CDeclaration{Start: t.at, End: t.end}
	name, rest := cutDirective(t.text)
	words := cWords(cTokens([]byte(rest)))
	if name == "define" && len(words) > 0 {
		d.Names, d.Mentions = words[:1], words[1:]
	}
	return d
}

// cReader gathers the tokens of one declaration.
type cReader struct {
	tokens   []cToken
	braces   int
	round    int
	opened   int  // the first brace at the level of the file; 0: none
	function bool // what stands before that brace has arguments
	value    bool // an = was seen before it
}

// take tells whether t is the last of the declaration.
func (r *cReader) take(t cToken) bool {
	r.tokens = append(r.tokens, t)
	if t.kind != cMark {
		return false
	}
	switch t.text {
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
func (r *cReader) body() bool { return r.function && !r.value && r.opened > 0 }

func (r *cReader) declaration() CDeclaration {
	d := CDeclaration{Start: r.tokens[0].at, End: r.tokens[len(r.tokens)-1].end, Function: r.body()}
	for _, t := range r.tokens {
		d.Static = d.Static || t.kind == cWord && t.text == "static" && (!d.Function || t.at < r.tokens[r.opened].at)
	}
	if d.Function {
		d.Body = r.tokens[r.opened].at
	}
	d.Names = r.names(d.Function)
	d.Mentions = cWords(r.tokens)
	return d
}

// names are a function's own, or else every word that might be declared: a few
// too many do no harm.
func (r *cReader) names(function bool) (names []string) {
	depth, enum := 0, r.tokens[0].text == "enum" || len(r.tokens) > 1 && r.tokens[1].text == "enum"
	for i, t := range r.tokens {
		mark := ""
		if t.kind == cMark {
			mark = t.text
		}
		switch {
		case mark == "{":
			depth++
		case mark == "}":
			depth--
		case depth == 0 && mark == "(" && r.function && i > 0 && r.tokens[i-1].kind == cWord && !cKeywords[r.tokens[i-1].text]:
			return []string{r.tokens[i-1].text}
		case depth == 0 && mark == "=":
			return names
		case t.kind == cWord && !cKeywords[t.text] && !cNumber(t.text) && (depth == 0 || enum && !function):
			names = append(names, t.text)
		}
	}
	return names
}

// cWords are the names among tokens, each once.
func cWords(tokens []cToken) (words []string) {
	for _, t := range tokens {
		switch {
		case t.kind == cWord && !cKeywords[t.text] && !cNumber(t.text):
			words = append(words, t.text)
		case t.kind == cDirective:
			_, rest := cutDirective(t.text)
			words = append(words, cWords(cTokens([]byte(rest)))...)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(words, func(w string) bool {
		old := seen[w]
		seen[w] = true
		return old
	})
}

func cNumber(word string) bool { return '0' <= word[0] && word[0] <= '9' }

// cKeywords say nothing about what is declared: those of the language, and the
// types of the system that stand in every text.
var cKeywords = func() map[string]bool {
	words := map[string]bool{}
	for w := range strings.FieldsSeq(`auto break case char const continue default do double else enum extern float for goto if inline int long
		register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool _Noreturn bool true false
		size_t ssize_t pid_t uid_t gid_t int32_t uint8_t uint16_t uint32_t uint64_t NULL errno`) {
		words[w] = true
	}
	return words
}()
