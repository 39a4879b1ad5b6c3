package mutate

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"moulinette/grader/submission"
)

// standard are packages of the standard library that an edit may begin to use.
const standard = `bufio bytes cmp context encoding/binary encoding/json errors fmt io io/fs maps math math/bits math/rand net net/netip
os os/exec os/signal os/user path path/filepath regexp runtime slices sort strconv strings sync sync/atomic syscall time unsafe`

// others are packages that a submission may import.
const others = `github.com/vishvananda/netlink github.com/vishvananda/netns golang.org/x/net/bpf golang.org/x/sys/unix
moulinette/grader/contract`

// packages are the import paths that edits may begin to use, by name.
func packages() map[string]string {
	known := map[string]string{}
	for p := range strings.FieldsSeq(standard + " " + others) {
		known[path.Base(p)] = p
	}
	return known
}

// mendImports makes the imports of an edited file fit what it uses, and moves no
// line: an unused one becomes blank, a missing one stands beside the package
// clause. What does not parse is left for the compiler to complain of.
func mendImports(name string, files submission.Files, known map[string]string) []byte {
	text := files[name]
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, 0)
	if err != nil {
		return text
	}
	used := unresolved(file)
	offset := func(p token.Pos) int { return fset.PositionFor(p, false).Offset }
	var patches []patch
	for _, spec := range file.Imports {
		local := localName(spec)
		if !used[local] && local != "_" && local != "." {
			patches = append(patches, patch{offset(spec.Pos()), offset(spec.Path.Pos()), "_ "})
		}
		delete(used, local)
	}
	var missing strings.Builder
	for _, p := range slices.Sorted(maps.Keys(used)) {
		if known[p] != "" && !declared(p, files) {
			fmt.Fprintf(&missing, "; import %q", known[p])
		}
	}
	end := offset(file.Name.End())
	return patched(text, append([]patch{{end, end, missing.String()}}, patches...))
}

// localName is the name that an import has in its file.
func localName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	p, _ := strconv.Unquote(spec.Path.Value)
	if major.MatchString(path.Base(p)) {
		p = path.Dir(p)
	}
	return path.Base(p)
}

// major is the end of a path that is a version, as in math/rand/v2.
var major = regexp.MustCompile(`^v[0-9]+$`)

// bindings are the paths that a name of an import stands for, by file and name, and
// by the name alone.
type bindings map[string]map[string]bool

func (b bindings) read(name string, file *ast.File) {
	for _, spec := range file.Imports {
		local := localName(spec)
		for _, key := range []string{local, name + " " + local} {
			if b[key] == nil {
				b[key] = map[string]bool{}
			}
			b[key][spec.Path.Value] = true
		}
	}
}

// differ tells whether a name may mean something else in another package though no
// line that mentions it differs. A name more, or less, shows where it is used, but
// for "." and what that may hide; one imported for nothing but its init shows nowhere.
func (b bindings) differ(other bindings) bool {
	for key, paths := range b {
		local := key[strings.LastIndex(key, " ")+1:]
		if theirs, known := other[key]; local != "_" && (known || local == ".") && !maps.Equal(paths, theirs) {
			return true
		}
	}
	return len(other["."]) != len(b["."])
}

// unresolved are the names that a file takes from elsewhere.
func unresolved(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, id := range file.Unresolved {
		names[id.Name] = true
	}
	return names
}

// declared tells whether a name is one of the package's own.
func declared(name string, files submission.Files) bool {
	for file, text := range files {
		if !strings.HasSuffix(file, ".go") || !bytes.Contains(text, []byte(name)) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err == nil && parsed.Scope != nil && parsed.Scope.Lookup(name) != nil {
			return true
		}
	}
	return false
}

// patch puts text in the place of the bytes from start to before end.
type patch struct {
	start, end int
	text       string
}

// patched is text with patches made, which are in the order of their places.
func patched(text []byte, patches []patch) []byte {
	var out bytes.Buffer
	from := 0
	for _, p := range patches {
		out.Write(text[from:p.start])
		out.WriteString(p.text)
		from = p.end
	}
	out.Write(text[from:])
	return out.Bytes()
}
