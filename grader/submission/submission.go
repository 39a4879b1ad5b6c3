// Package submission is what a student hands in: it reads a folder with care,
// refuses what would reach beyond it, and chooses what is compiled.
//
// It says what keeps a text from being graded. It does not know what the exercise
// asks, nor how a text is compiled.
package submission

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Module is the module in which every submission is built.
const Module = "moulinette"

// DefaultImportPath is where a submission stands that has no place of its own in
// the module.
const DefaultImportPath = Module + "/student"

// Language is what a submission is written in.
type Language string

// The languages.
const (
	Go  Language = "go"
	C17 Language = "c17"
)

// Files are a submission's files by slash-separated path. Only Go files, go.mod,
// and C files and headers of the folder itself need content, and what a submission
// in C includes; of others the name counts.
type Files map[string][]byte

// Submission is a folder that has been read and may be built.
type Submission struct {
	Name       string   // last element of the import path
	Language   Language // what it is
	ImportPath string   // where it stands in the module
	Files      Files    // what is built: Go files of its package and of those below that it imports; or one C file and what it includes
	Notices    []Finding
	Sanitize   bool // of C: compile it so that it watches itself; set before it is built

	sources []*Source
}

// Open reads the folder dir and checks it. The error is an [*Unusable] if there
// is nothing to grade, a [*BuildError] if what there is earns a zero.
//
// A folder that lies in a module named moulinette keeps its import path, so that
// it can import its own packages; any other stands at [DefaultImportPath], and so does
// one whose author worked there and calls its packages so.
func Open(dir string) (*Submission, error) {
	files, notices, err := readFolder(dir)
	if err != nil {
		return nil, err
	}
	importPath, err := importPathOf(dir)
	if err != nil {
		return nil, err
	}
	if importPath != DefaultImportPath && importsOwn(DefaultImportPath, files) && !importsOwn(importPath, files) {
		importPath = DefaultImportPath
	}
	s, err := FromFiles(importPath, files)
	if unusable := (*Unusable)(nil); errors.As(err, &unusable) {
		unusable.Path = dir
	}
	if s != nil {
		s.Notices = append(notices, s.Notices...)
	}
	return s, err
}

// FromFiles makes a submission of files in memory, as if they lay in a folder
// that has this import path: a mutant is another submission's Files, edited. An
// empty path means [DefaultImportPath].
func FromFiles(importPath string, files Files) (*Submission, error) {
	if importPath == "" {
		importPath = DefaultImportPath
	}
	rel, ok := strings.CutPrefix(importPath, Module+"/")
	if !ok || !importable(rel) || below(rel, "grader") {
		return nil, fmt.Errorf("submission: %q: not an import path for a submission", importPath)
	}
	s := &Submission{Name: path.Base(importPath), Language: Go, ImportPath: importPath, Files: Files{}}
	if len(taken(".", files)) > 0 {
		return s, s.load(files)
	}
	if _, ok := files[CFile]; ok {
		s.Language = C17
		return s, s.loadC(files)
	}
	return nil, noGoFile(importPath, files)
}

// load chooses the files that are built and judges them.
func (s *Submission) load(files Files) error {
	sources, findings := collect(s.ImportPath, files)
	for _, src := range sources {
		if odd(src.path) {
			return oddSource(s.ImportPath, src.path)
		}
		s.Files[src.path] = src.text
	}
	s.sources, files = sources, withoutOdd(files)
	s.Notices = notices(files)
	findings = append(findings, checkFiles(sources, files)...)
	for _, src := range sources {
		findings = append(findings, src.check(s.ImportPath, ownModule(files))...)
	}
	findings = append(findings, checkPackages(sources, files)...)
	if len(findings) > 0 {
		SortFindings(findings)
		return &BuildError{Findings: findings[:min(len(findings), MaxFindings)]}
	}
	return nil
}

func isRootGo(name string) bool {
	return !strings.Contains(name, "/") && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

func noGoFile(name string, files Files) error {
	for file := range files {
		if isRootC(file) {
			return &Unusable{
				Path: name,
				FR:   "un rendu en C s'appelle " + CFile + ", et ce dossier n'en a pas",
				EN:   "a submission in C is named " + CFile + ", and this folder has none",
			}
		}
	}
	if e := elsewhere(name, files); e != nil {
		return e
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if isArchive(file) {
			return &Unusable{
				Path: name,
				FR:   fmt.Sprintf("aucun fichier Go ni %s dans ce dossier ; %q est une archive : extrayez-la", CFile, file),
				EN:   fmt.Sprintf("no Go file and no %s in this folder; %q is an archive: unpack it", CFile, file),
			}
		}
	}
	return &Unusable{
		Path: name,
		FR:   "aucun fichier Go à compiler pour Linux dans ce dossier, ni " + CFile,
		EN:   "no Go file to build for Linux in this folder, nor " + CFile,
	}
}

// newFunc is how a submission in Go begins.
var newFunc = regexp.MustCompile(`(?m)^func New\(`)

// elsewhere names the folders below that hold a submission, in either language: the
// choice is its author's. It is nil if there are none.
func elsewhere(name string, files Files) *Unusable {
	var fr, en []string
	for _, file := range slices.Sorted(maps.Keys(files)) {
		dir, base := path.Dir(file), path.Base(file)
		switch {
		case dir == "." || len(en) == 3:
		case base == CFile:
			fr, en = append(fr, fmt.Sprintf("%s se trouve dans %q", CFile, dir)), append(en, fmt.Sprintf("%s is in %q", CFile, dir))
		case isRootGo(base) && newFunc.Match(files[file]):
			fr, en = append(fr, fmt.Sprintf("un rendu en Go se trouve dans %q", dir)), append(en, fmt.Sprintf("a submission in Go is in %q", dir))
		}
	}
	switch len(en) {
	case 0:
		return nil
	case 1:
		return &Unusable{Path: name, FR: fr[0] + " : donnez ce dossier-là", EN: en[0] + ": give that folder"}
	}
	return &Unusable{Path: name, FR: strings.Join(fr, ", ") + " : donnez l'un de ces dossiers", EN: strings.Join(en, ", ") + ": give one of these folders"}
}

// importPathOf is the folder's place in the module moulinette that holds it.
func importPathOf(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", &Unusable{Path: dir, FR: "chemin illisible", EN: "unreadable path", Err: err}
	}
	for up := filepath.Dir(abs); ; up = filepath.Dir(up) {
		if isModule(up) {
			rel, err := filepath.Rel(up, abs)
			if err != nil || !importable(filepath.ToSlash(rel)) {
				return DefaultImportPath, nil
			}
			return checkPlace(dir, Module+"/"+filepath.ToSlash(rel))
		}
		if up == filepath.Dir(up) {
			return DefaultImportPath, nil
		}
	}
}

func checkPlace(dir, importPath string) (string, error) {
	if below(importPath, Module+"/grader") {
		return "", &Unusable{
			Path: dir,
			FR:   "ce dossier fait partie du correcteur, ce n'est pas un rendu",
			EN:   "this folder is part of the grader, not a submission",
		}
	}
	return importPath, nil
}

// importable tells whether the generated main package can import a folder by
// its own path, and the folder cannot be taken for a file beside it.
func importable(rel string) bool {
	for part := range strings.SplitSeq(rel, "/") {
		if part == "" || part == "internal" || part == "vendor" || part == "testdata" || strings.Trim(part, plainLetters) != "" {
			return false
		}
	}
	return true
}

const plainLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
