package submission

import (
	"bytes"
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Source is one Go file that will be built.
type Source struct {
	path string
	text []byte
	fset *token.FileSet
	Tree *ast.File // what could be parsed; never nil
	err  error     // syntax
}

// collect parses the package in the root folder and, from there, each package
// below it that is imported by its own path.
func collect(importPath string, files Files) (sources []*Source, findings []Finding) {
	queue, seen := []string{"."}, map[string]bool{".": true}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		for _, src := range parseDir(dir, files) {
			sources = append(sources, src)
			findings = append(findings, src.syntax()...)
			for _, imported := range src.imports() {
				sub, ok := strings.CutPrefix(imported.path, importPath+"/")
				if ok && !seen[sub] && fs.ValidPath(sub) {
					seen[sub] = true
					queue = append(queue, sub)
				}
			}
		}
	}
	return sources, findings
}

// importsOwn tells whether a submission that stands at importPath would import a package
// of its own.
func importsOwn(importPath string, files Files) bool {
	sources, _ := collect(importPath, files)
	return slices.ContainsFunc(sources, func(s *Source) bool { return path.Dir(s.path) != "." })
}

// parseDir parses what the go command would build in a folder.
func parseDir(dir string, files Files) (sources []*Source) {
	for _, name := range taken(dir, files) {
		sources = append(sources, parse(name, files[name]))
	}
	return sources
}

// taken are the files that the go command would build in a folder.
func taken(dir string, files Files) (names []string) {
	ctx := build.Context{
		GOOS: "linux", GOARCH: runtime.GOARCH, Compiler: "gc", ReleaseTags: build.Default.ReleaseTags,
		OpenFile: func(name string) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(files[name])), nil
		},
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Dir(name) != dir || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		// A file whose head cannot be read is kept: the parser will say why.
		if match, err := ctx.MatchFile(dir, path.Base(name)); match || err != nil {
			names = append(names, name)
		}
	}
	return names
}

func parse(name string, text []byte) *Source {
	src := &Source{path: name, text: text, fset: token.NewFileSet()}
	src.Tree, src.err = parser.ParseFile(src.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if src.Tree == nil {
		src.Tree = &ast.File{Name: ast.NewIdent("")}
	}
	return src
}

// syntax turns the parser's errors into findings.
func (s *Source) syntax() (findings []Finding) {
	if s.err == nil {
		return nil
	}
	var list scanner.ErrorList
	if !errors.As(s.err, &list) {
		return []Finding{{Rule: "syntax", File: s.path, FR: s.err.Error(), EN: s.err.Error()}}
	}
	for _, e := range list[:min(len(list), MaxFindings)] {
		findings = append(findings, Finding{
			Rule: "syntax", File: s.path, Line: e.Pos.Line, Column: e.Pos.Column,
			FR: "syntax error: " + e.Msg, EN: "syntax error: " + e.Msg, // as the compiler would say it
		})
	}
	return findings
}

type imported struct {
	path string
	pos  token.Pos
}

func (s *Source) imports() (all []imported) {
	for _, spec := range s.Tree.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			all = append(all, imported{name, spec.Path.Pos()})
		}
	}
	return all
}

// Sources are the Go files that will be built; none of a submission in C.
func (s *Submission) Sources() []*Source { return s.sources }

// Borrowed are the packages that a submission in Go imports and does not bring.
func (s *Submission) Borrowed() (names []string) {
	for _, src := range s.sources {
		for _, imp := range src.imports() {
			if imp.path != "C" && !strings.HasPrefix(imp.path, Module+"/") {
				names = append(names, imp.path)
			}
		}
	}
	return names
}

// At makes a finding at a place of the file as it is written, whatever //line
// says about it.
func (s *Source) At(pos token.Pos, rule, fr, en string) Finding {
	p := s.fset.PositionFor(pos, false)
	return Finding{Rule: rule, File: s.path, Line: p.Line, Column: p.Column, FR: fr, EN: en}
}
