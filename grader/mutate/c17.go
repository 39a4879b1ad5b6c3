package mutate

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"moulinette/grader/submission"
	"moulinette/grader/submission/c17"
)

// C17Folder is the folder of the reference that holds its C text.
const C17Folder = "c17"

// isC tells whether a file is a C text.
func isC(file string) bool { return path.Ext(file) == ".c" || path.Ext(file) == ".h" }

// languageOf is what edits are made in.
func languageOf(edits []Edit) submission.Language {
	if len(edits) > 0 && isC(edits[0].File) {
		return submission.C17
	}
	return submission.Go
}

// Language is what the mutant is written in.
func (m *Mutant) Language() submission.Language { return languageOf(m.Edits) }

// Language is what the alternative is written in, if it is not a whole package.
func (a *Alternative) Language() submission.Language { return languageOf(a.Edits) }

// WithC17 adds the reference's C text to its Go files.
func WithC17(reference, c17 submission.Files) submission.Files {
	all := maps.Clone(reference)
	for name, text := range c17 {
		all[path.Join(C17Folder, name)] = text
	}
	return all
}

// In leaves the files of a language, as a submission hands them in.
func In(language submission.Language, files submission.Files) submission.Files {
	left := submission.Files{}
	for name, text := range files {
		if isC(name) == (language == submission.C17) {
			left[strings.TrimPrefix(name, C17Folder+"/")] = text
		}
	}
	return left
}

// cFunction finds a function, with the comment right before it, and lists all.
func cFunction(text, name string) (found string, known []string) {
	known = []string{}
	for _, d := range c17.Declarations([]byte(text)) {
		if !d.Function {
			continue
		}
		if known = append(known, d.Names...); slices.Contains(d.Names, name) {
			return text[commentBefore(text, d.Start):d.End], nil
		}
	}
	return "", known
}

// commentBefore is where the comment begins that ends right before a place.
func commentBefore(text string, at int) int {
	before := strings.TrimRight(text[:at], "\n")
	if len(text[:at])-len(before) != 1 || !strings.HasSuffix(before, "*/") {
		return at
	}
	return strings.LastIndex(before, "/*")
}

// readC adds C texts to a graph. Nothing can be told of one that does something
// before main, or has its own way with the linker or the machine. Headers of the
// system are taken to add names and to change none.
func (g *Graph) readC(files submission.Files) {
	r := readingC{g: g, public: map[string]bool{}}
	texts := map[string][]c17.Declaration{}
	for name, text := range files {
		if !isC(name) {
			continue
		}
		texts[name] = c17.Declarations(text)
		for _, d := range texts[name] {
			for _, own := range d.Names {
				r.public[own] = r.public[own] || path.Ext(name) == ".h"
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		g.c = true
		r.file(name, files[name], texts[name])
	}
}

// readingC is the C texts of a submission being read.
type readingC struct {
	g      *Graph
	public map[string]bool // names that a header declares
}

func (r *readingC) file(name string, text []byte, declarations []c17.Declaration) {
	for _, word := range []string{"self/exe", "__attribute__", "asm", "_Pragma"} {
		r.g.whole = r.g.whole || bytes.Contains(text, []byte(word))
	}
	headers := 0
	for _, d := range declarations {
		words := string(text[d.Start:d.End])
		switch {
		case strings.HasPrefix(words, "#include <"):
			headers++
		case len(d.Names) == 0:
			r.g.heads[name] += words + "\n"
		case reserved(d, text): // the headers after it may be others
			r.g.heads[name] += fmt.Sprintf("%s after %d headers\n", words, headers)
		}
		for _, own := range d.Names {
			r.add(own, name, text, d)
		}
	}
}

// reserved tells whether a declaration is a macro whose name belongs to the compiler
// and the C library, as _GNU_SOURCE: it may change what nobody mentions it for.
func reserved(d c17.Declaration, text []byte) bool {
	return len(d.Names) > 0 && bytes.HasPrefix(text[d.Start:d.End], []byte("#")) && library.MatchString(d.Names[0])
}

var library = regexp.MustCompile(`^_[A-Z_]`)

func (r *readingC) add(name, file string, text []byte, d c17.Declaration) {
	n := r.g.nodes[name]
	if n == nil {
		n = &node{mentions: map[string]bool{}, functions: map[string]*function{}}
		r.g.nodes[name] = n
	}
	words := string(text[d.Start:d.End])
	n.text = append(n.text, words)
	if d.Function {
		head := d.Body - d.Start
		n.functions[""] = &function{file: file, at: d.Body, head: words[:head], body: words[head:], shape: strings.TrimSpace(words[:head])}
	}
	for _, word := range d.Mentions {
		if word != name {
			n.mentions[word] = true
		}
	}
	// One that nobody was promised may stand before the C library's own.
	n.early = n.early || d.Function && !d.Static && !r.public[name]
}
