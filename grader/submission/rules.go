package submission

import (
	"cmp"
	"fmt"
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// MaxFindings bounds what is said about one file, and about why a submission does not
// build.
const MaxFindings = 20

// Libraries are what a submission in Go may use beside the standard library and
// the contract.
func Libraries() []string {
	return []string{
		"github.com/vishvananda/netlink",
		"github.com/vishvananda/netns",
		"golang.org/x/net",
		"golang.org/x/sys",
	}
}

// check judges one file by itself. The submission's own go.mod names its packages
// in another way than we do.
func (s *Source) check(importPath, ownModule string) (findings []Finding) {
	for _, imp := range s.imports() {
		rule, fr, en := checkImport(importPath, imp.path)
		if sub, ok := strings.CutPrefix(imp.path, ownModule+"/"); ok && ownModule != "" && !below(ownModule, Module) {
			rule, fr, en = "import",
				fmt.Sprintf("import de %q : le go.mod du rendu est ignoré, ce paquet s'appelle ici %q", imp.path, importPath+"/"+sub),
				fmt.Sprintf("import of %q: the submission's go.mod is ignored, here this package is %q", imp.path, importPath+"/"+sub)
		}
		if rule != "" && len(findings) < MaxFindings {
			findings = append(findings, s.At(imp.pos, rule, fr, en))
		}
	}
	for _, group := range s.Tree.Comments {
		for _, c := range group.List {
			first := s.fset.PositionFor(c.Pos(), false).Column == 1
			if name := forbiddenDirective(c.Text, first); name != "" && len(findings) < MaxFindings {
				findings = append(findings, s.At(c.Pos(), "directive",
					fmt.Sprintf("%s n'est pas permis dans un rendu", name),
					fmt.Sprintf("%s is not allowed in a submission", name)))
			}
		}
	}
	return findings
}

// checkImport answers an empty rule if the import is allowed. Whether a package
// of the standard library exists is the compiler's to say.
func checkImport(importPath, name string) (rule, fr, en string) {
	switch {
	case name == "C":
		return "cgo", "cgo (import \"C\") n'est pas permis : le rendu est compilé en Go seul",
			"cgo (import \"C\") is not allowed: a submission is built from Go alone"
	case strings.HasPrefix(name, "-") || strings.Trim(name, plainLetters+"./~+") != "":
		return "import", fmt.Sprintf("%q n'est pas un chemin d'import", name), fmt.Sprintf("%q is no import path", name)
	case name == Module+"/grader/contract", below(name, importPath) && name != importPath:
		return "", "", ""
	case below(name, Module+"/reference"):
		return "import", fmt.Sprintf("import de %q : la référence ne fait pas partie du rendu", name),
			fmt.Sprintf("import of %q: the reference is not yours to hand in", name)
	case below(name, Module):
		return "import", fmt.Sprintf("import de %q : du correcteur, seul %s/grader/contract est ouvert aux rendus", name, Module),
			fmt.Sprintf("import of %q: of the grader only %s/grader/contract is open to submissions", name, Module)
	case slices.ContainsFunc(Libraries(), func(lib string) bool { return below(name, lib) }):
		return "", "", ""
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/"):
		return "import", fmt.Sprintf("import de %q : écrivez le chemin complet, %s/...", name, importPath),
			fmt.Sprintf("import of %q: write the whole path, %s/...", name, importPath)
	case strings.Contains(strings.Split(name, "/")[0], "."):
		return "import", fmt.Sprintf("import de %q : seules la bibliothèque standard, le contrat et %s sont disponibles", name, strings.Join(Libraries(), ", ")),
			fmt.Sprintf("import of %q: only the standard library, the contract and %s are available", name, strings.Join(Libraries(), ", "))
	default:
		return "", "", ""
	}
}

func below(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }

// forbiddenDirective names the directive in a comment that a submission may not
// use: each reaches into other packages or files, or lies about where it stands. A
// comment is first if it begins its line.
func forbiddenDirective(comment string, first bool) string {
	for _, name := range []string{"//go:linkname", "//go:embed", "//go:cgo_"} {
		if strings.HasPrefix(comment, name) {
			return strings.TrimSuffix(name, "_")
		}
	}
	if m := movesPlace.FindStringSubmatch(comment); m != nil && (first || m[1] == "/*line") {
		return m[1]
	}
	return ""
}

// movesPlace is a comment that the compiler takes for another place, where it begins a
// line or is /*line: any other is prose.
var movesPlace = regexp.MustCompile(`^(//line|/\*line) .*:\d+(?:\*/)?$`)

// checkFiles looks for files that the go command would take along.
func checkFiles(sources []*Source, files Files) (findings []Finding) {
	dirs := map[string]bool{}
	for _, src := range sources {
		dirs[path.Dir(src.path)] = true
	}
	vendored := false
	for name := range files {
		switch ext := path.Ext(name); {
		case strings.HasPrefix(name, "vendor/"):
			vendored = true
		case dirs[path.Dir(name)] && path.Base(name) == "go.work":
			findings = append(findings, refusedFile(name, "un espace de travail Go", "a Go workspace"))
		case dirs[path.Dir(name)] && (ext == ".s" || ext == ".S" || ext == ".sx"):
			findings = append(findings, refusedFile(name, "un fichier en assembleur", "an assembly file"))
		case dirs[path.Dir(name)] && ext == ".syso":
			findings = append(findings, refusedFile(name, "un fichier objet", "an object file"))
		}
	}
	if vendored {
		findings = append(findings, refusedFile("vendor", "un dossier vendor", "a vendor folder"))
	}
	return findings
}

func refusedFile(name, fr, en string) Finding {
	return Finding{
		Rule: "file", File: name,
		FR: fr + " ne peut pas faire partie d'un rendu", EN: en + " cannot be part of a submission",
	}
}

// checkPackages judges the files together: one importable package in each
// folder, and New in the first.
func checkPackages(sources []*Source, files Files) (findings []Finding) {
	first, main := map[string]*Source{}, map[string]bool{}
	for _, src := range sources {
		dir, name := path.Dir(src.path), src.Tree.Name.Name
		if src.err != nil && name == "" {
			return nil
		}
		switch known := first[dir]; {
		case name == "main" && main[dir]: // said of its first file
		case name == "main":
			main[dir] = true
			findings = append(findings, src.At(src.Tree.Name.Pos(), "package",
				"le rendu est une bibliothèque, pas un programme : donnez au paquet un autre nom que main (par exemple student) et exportez New ; le correcteur fournit main",
				"a submission is a library, not a program: give the package another name than main (student, for example) and export New; the grader brings main"))
		case known == nil:
			first[dir] = src
		case known.Tree.Name.Name != name:
			findings = append(findings, src.At(src.Tree.Name.Pos(), "package",
				fmt.Sprintf("deux paquets dans un dossier : %s ici, %s dans %s", name, known.Tree.Name.Name, known.path),
				fmt.Sprintf("two packages in one folder: %s here, %s in %s", name, known.Tree.Name.Name, known.path)))
		}
	}
	return append(findings, checkNew(sources, files)...)
}

// WantNew is what a submission in Go has to export.
const WantNew = "func New() contract.Runtime"

// checkNew wants New in the root package. Its result type is left to the
// compiler.
func checkNew(sources []*Source, files Files) []Finding {
	for _, src := range sources {
		if path.Dir(src.path) != "." {
			continue
		}
		if src.err != nil {
			return nil // it may stand where the parser could not read
		}
		for _, decl := range src.Tree.Decls {
			if isNew(decl) {
				return src.checkSignature(decl.(*ast.FuncDecl))
			}
			if declaresNew(decl) {
				return nil
			}
		}
	}
	if name := leftOut(sources, files); name != "" {
		return []Finding{{
			Rule: "new", File: name,
			FR: "New est ici, mais ce fichier n'est pas compilé : son nom ou sa ligne //go:build le réserve à un autre système, ou à cgo",
			EN: "New stands here, but this file is not built: its name or its //go:build line keeps it for another system, or for cgo",
		}}
	}
	if _, both := files[CFile]; both {
		names := strings.Join(taken(".", files), ", ")
		return []Finding{{
			Rule: "new",
			FR:   fmt.Sprintf("ce dossier contient %s et du Go (%s), il est donc compilé comme du Go, et New y manque : pour du C, ôtez le Go", CFile, names),
			EN:   fmt.Sprintf("this folder holds %s and Go (%s), so it is built as Go, and New is missing: for C, remove the Go", CFile, names),
		}}
	}
	return []Finding{{Rule: "new", FR: "New manque : exportez " + WantNew, EN: "New is missing: export " + WantNew}}
}

// leftOut names a file of the root folder that declares New and is not built.
func leftOut(sources []*Source, files Files) string {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		built := slices.ContainsFunc(sources, func(s *Source) bool { return s.path == name })
		if isRootGo(name) && !built && slices.ContainsFunc(parse(name, files[name]).Tree.Decls, isNew) {
			return name
		}
	}
	return ""
}

func isNew(decl ast.Decl) bool {
	f, ok := decl.(*ast.FuncDecl)
	return ok && f.Recv == nil && f.Name.Name == "New"
}

func (s *Source) checkSignature(f *ast.FuncDecl) []Finding {
	if f.Type.TypeParams == nil && f.Type.Params.NumFields() == 0 && f.Type.Results.NumFields() == 1 {
		return nil
	}
	return []Finding{s.At(f.Name.Pos(), "new", "New a la mauvaise signature : il faut "+WantNew,
		"New has the wrong signature: it has to be "+WantNew)}
}

// declaresNew: a variable of function type serves as well.
func declaresNew(decl ast.Decl) bool {
	g, ok := decl.(*ast.GenDecl)
	return ok && slices.ContainsFunc(g.Specs, func(spec ast.Spec) bool {
		v, ok := spec.(*ast.ValueSpec)
		return ok && slices.ContainsFunc(v.Names, func(id *ast.Ident) bool { return id.Name == "New" })
	})
}

// ownModule is the module that the submission's go.mod names, or empty.
func ownModule(files Files) string {
	for line := range strings.Lines(string(files["go.mod"])) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "module" {
			return strings.Trim(fields[1], "\"`")
		}
	}
	return ""
}

// notices tell what in the folder has no effect.
func notices(files Files) (all []Finding) {
	text, ok := files["go.mod"]
	if !ok {
		return nil
	}
	all = append(all, Finding{
		Rule: "ignored", File: "go.mod",
		FR: "le go.mod du rendu est ignoré : il est compilé dans le module " + Module,
		EN: "the submission's own go.mod is ignored: it is built in the module " + Module,
	})
	for n, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 0 && slices.Contains([]string{"replace", "toolchain", "exclude"}, fields[0]) {
			all = append(all, Finding{
				Rule: "ignored", File: "go.mod", Line: n + 1,
				FR: fields[0] + " n'a aucun effet", EN: fields[0] + " has no effect",
			})
		}
	}
	return all[:min(len(all), MaxFindings)]
}

// SortFindings puts findings in the order of their places.
func SortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
