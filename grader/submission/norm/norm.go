// Package norm finds what a submission breaks of the exercise's norm: in its text,
// and in the functions that it calls.
//
// It knows what the norm is about, and is told which programs and functions are
// meant; what a breach costs is for others to say.
package norm

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"

	"moulinette/grader/submission"
)

// waysRound are commands that do the exercise when they are executed. Their
// names are words of the field as well, so only the program of a call that
// executes counts, or any word of a line that a shell gets.
var (
	waysRound = []string{"bwrap", "chroot", "ip", "lxc-start", "mount", "nsenter", "pivot_root", "systemd-nspawn", "umount", "unshare"}
	shells    = []string{"ash", "bash", "busybox", "dash", "env", "sh", "sudo"}
)

// executors are the functions whose text arguments are executed; the number is
// the place of the program among them.
var executors = map[string]int{
	"exec.Command": 0, "exec.CommandContext": 1, "os.StartProcess": 0,
	"syscall.Exec": 0, "syscall.ForkExec": 0, "syscall.StartProcess": 0, "unix.Exec": 0,
}

// Packages says which packages a submission in Go may import: by their paths, of which
// one that ends in /... stands for all below, too. Without any that are allowed, all
// are; the standard library, the contract and what is the submission's own always are,
// unless they are forbidden.
type Packages struct {
	Allowed   []string
	Forbidden []string
}

// Of finds breaches of the norm in a text: the forbidden programs, named in
// any way, commands that are executed instead of doing the work, and imports. What a
// program composes at run time is for the sandbox to see.
func Of(s *submission.Submission, forbidden []string, packages Packages) (findings []submission.Finding) {
	if s.Language == submission.C17 {
		return ofC(s, forbidden)
	}
	for _, src := range s.Sources() {
		n := normOfGo{Source: src, forbidden: forbidden, packages: packages, own: s.ImportPath}
		ast.Inspect(src.Tree, n.visit)
		findings = append(findings, n.few()...)
	}
	submission.SortFindings(findings)
	return findings
}

// gathered are findings about one file.
type gathered struct {
	findings []submission.Finding
	of       map[string]int // by rule
}

// add gathers no more of a rule than may be told of all.
func (g *gathered) add(f submission.Finding) {
	if g.of == nil {
		g.of = map[string]int{}
	}
	if g.of[f.Rule]++; g.of[f.Rule] <= submission.MaxFindings {
		g.findings = append(g.findings, f)
	}
}

// few are those that are told. What is forbidden may decide a grade, and never gives way
// to what costs nothing.
func (g *gathered) few() []submission.Finding {
	if len(g.findings) > submission.MaxFindings {
		slices.SortStableFunc(g.findings, func(a, b submission.Finding) int { return weight(a) - weight(b) })
		g.findings = g.findings[:submission.MaxFindings]
		submission.SortFindings(g.findings)
	}
	return g.findings
}

func weight(f submission.Finding) int {
	if f.Rule == "forbidden_program" || f.Rule == "forbidden_import" {
		return 0
	}
	return 1
}

type normOfGo struct {
	*submission.Source
	forbidden []string
	packages  Packages
	own       string    // import path
	judged    token.Pos // up to there, all words of a shell's line are judged
	gathered
}

func (n *normOfGo) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.ImportSpec:
		n.imported(node)
		return false
	case *ast.Ident:
		n.name(node.Pos(), node.Name)
	case *ast.BasicLit:
		if text, ok := literal(node); ok {
			n.name(node.Pos(), firstWord(text))
		}
	case *ast.CallExpr:
		if place, ok := executors[qualified(node.Fun)]; ok && place < len(node.Args) {
			n.execution(node.Args[place], node)
		}
	case *ast.CompositeLit:
		if program := cmdPath(node); program != nil {
			n.execution(program, node)
		}
	}
	return true
}

// imported judges an import.
func (n *normOfGo) imported(spec *ast.ImportSpec) {
	name, ok := literal(spec.Path)
	first, _, _ := strings.Cut(name, "/")
	switch {
	case !ok:
	case among(n.packages.Forbidden, name):
		n.add(n.At(spec.Pos(), "forbidden_import",
			fmt.Sprintf("le paquet %s est interdit dans cet exercice", name),
			fmt.Sprintf("the package %s is forbidden in this exercise", name)))
	case len(n.packages.Allowed) > 0 && strings.Contains(first, ".") && !among(n.packages.Allowed, name) && !among([]string{n.own + "/..."}, name):
		n.add(n.At(spec.Pos(), "other_import",
			fmt.Sprintf("le paquet %s n'est pas dans la liste de l'exercice ; cela ne coûte rien", name),
			fmt.Sprintf("the package %s is not on the exercise's list; that costs nothing", name)))
	}
}

// among tells whether one of the patterns means a package.
func among(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, all := strings.CutSuffix(pattern, "/...")
		return name == folder || all && strings.HasPrefix(name, folder+"/")
	})
}

// name judges a word that stands in the text.
func (n *normOfGo) name(pos token.Pos, word string) {
	if !slices.Contains(n.forbidden, word) {
		return
	}
	n.add(n.At(pos, "forbidden_program",
		fmt.Sprintf("%s est interdit : l'exercice est d'en écrire un", word),
		fmt.Sprintf("%s is forbidden: the exercise is to write one", word)))
}

// execution judges what is executed: the program, and where that is a shell
// every word of the whole expression, since `sh -c` takes a line.
func (n *normOfGo) execution(program ast.Expr, whole ast.Node) {
	text, ok := literal(program)
	if !ok || program.Pos() < n.judged { // calls can nest as deep as their author likes
		return
	}
	if !slices.Contains(shells, path.Base(text)) {
		n.command(program.Pos(), path.Base(text))
		return
	}
	n.judged = whole.End()
	ast.Inspect(whole, func(node ast.Node) bool {
		if line, ok := literal(node); ok {
			for i, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()", r) }) {
				n.command(node.Pos(), path.Base(word))
				if i > 0 { // the first word was judged as every text's is
					n.name(node.Pos(), path.Base(word))
				}
			}
		}
		return true
	})
}

func (n *normOfGo) command(pos token.Pos, word string) {
	if slices.Contains(waysRound, word) {
		n.add(n.At(pos, "way_round",
			fmt.Sprintf("exécuter %s n'est pas faire le travail : l'exercice porte sur les appels système qui sont derrière", word),
			fmt.Sprintf("executing %s is not doing the work: the exercise is about the system calls behind it", word)))
	}
}

// qualified is "exec.Command" for a function that is named so, else empty.
func qualified(f ast.Expr) string {
	if sel, ok := f.(*ast.SelectorExpr); ok {
		if pkg, ok := sel.X.(*ast.Ident); ok {
			return pkg.Name + "." + sel.Sel.Name
		}
	}
	return ""
}

// cmdPath is the field Path of an exec.Cmd written out.
func cmdPath(lit *ast.CompositeLit) ast.Expr {
	if qualified(lit.Type) != "exec.Cmd" {
		return nil
	}
	for _, e := range lit.Elts {
		if field, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := field.Key.(*ast.Ident); ok && key.Name == "Path" {
				return field.Value
			}
		}
	}
	return nil
}

func literal(node ast.Node) (string, bool) {
	lit, ok := node.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// firstWord is the program of a command line: "docker" of "/usr/bin/docker run".
func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return path.Base(word)
}
