package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"moulinette/grader/spec/tree"
)

// Load reads and checks the spec in file, with the scenarios that it uses. The
// error is [Problems] with everything that is wrong, if the file can be read at
// all.
func Load(fsys fs.FS, file string) (*Exercise, error) {
	l := newLoader(fsys)
	ex := l.exercise(file)
	return ex, l.problems.Err()
}

// LoadAll loads every spec of a folder, *.yaml directly in it, and checks also
// what no single spec can tell: that each shared scenario is used.
func LoadAll(fsys fs.FS) ([]*Exercise, error) {
	files, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no spec (*.yaml) here")
	}
	l := newLoader(fsys)
	var all []*Exercise
	for _, file := range files {
		all = append(all, l.exercise(file))
	}
	l.uniqueNames(all)
	l.unused()
	if err := l.problems.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// Idle tells which scenarios of the files that a spec uses are in no row, neither of it
// nor of another spec in its folder: whoever has just written one would wait for it.
func Idle(fsys fs.FS, ex *Exercise) (idle Problems) {
	files, _ := fs.Glob(fsys, path.Join(path.Dir(ex.File), "*.yaml"))
	l := newLoader(fsys)
	for _, file := range files {
		l.exercise(file)
	}
	l.problems = nil // of others, which nobody asked about
	l.unused()
	for _, p := range l.problems.Sorted() {
		if slices.ContainsFunc(ex.Use, func(use string) bool { return path.Join(path.Dir(ex.File), use) == p.File }) {
			idle = append(idle, p)
		}
	}
	return idle
}

// loader reads the specs of one folder.
type loader struct {
	fsys     fs.FS
	problems Problems
	shared   map[string][]*Scenario // by file
	broken   map[string]bool        // shared files that cannot be read
	used     map[*Scenario]bool
}

func newLoader(fsys fs.FS) *loader {
	return &loader{fsys: fsys, shared: map[string][]*Scenario{}, broken: map[string]bool{}, used: map[*Scenario]bool{}}
}

func (l *loader) exercise(file string) *Exercise {
	ex := &Exercise{File: file, Scenarios: map[string]*Scenario{}}
	root := l.root(file)
	if root == nil {
		return nil
	}
	if onlyScenarios(root) {
		l.problems = append(l.problems, Problem{
			File: file, Line: root.Line, Column: root.Column,
			What: "this is a file of scenarios, no exercise", Do: "check the exercise that names it under use:",
		})
		return nil
	}
	d := tree.NewDecoder(file)
	d.Decode(root, ex)
	c := checker{ex: ex, d: d, known: map[string]*Scenario{}}
	c.define(ex.Inline)
	for i := range ex.Use {
		l.use(&c, &ex.Use[i], path.Join(path.Dir(file), ex.Use[i]))
	}
	c.check()
	for _, s := range ex.Scenarios {
		l.used[s] = true
	}
	l.problems = append(l.problems, d.Problems...)
	return ex
}

// use makes the scenarios of a shared file known. Of those of a file that cannot be
// read nothing is known: they are neither there nor missing.
func (l *loader) use(c *checker, use *string, file string) {
	for i := range c.ex.Use {
		if other := &c.ex.Use[i]; other == use {
			break
		} else if path.Clean(*other) == path.Clean(*use) {
			c.d.Report(c.d.At(use), fmt.Sprintf("%q stands twice under use", *use), "remove one")
			return
		}
	}
	c.define(l.library(c.d, use, file))
	c.partial = c.partial || l.broken[file]
}

// onlyScenarios tells a file that exercises share from one of an exercise.
func onlyScenarios(root *yaml.Node) bool {
	return len(root.Content) == 2 && root.Content[0].Value == "scenarios"
}

// root is the map that a file holds, or nil, with the reason reported. Of what is no
// map nothing else is said.
func (l *loader) root(file string) *yaml.Node {
	data, err := l.bytes(file)
	if err != nil {
		l.problems = append(l.problems, Problem{File: file, What: err.Error(), Do: "give a readable YAML file of at most 1 MiB"})
		return nil
	}
	root, problems := tree.Parse(file, data)
	l.problems = append(l.problems, problems...)
	if root == nil {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		l.problems = append(l.problems, tree.NoMap(file, root))
		return nil
	}
	return root
}

// bytes does not take in what is far too large.
func (l *loader) bytes(file string) ([]byte, error) {
	if !fs.ValidPath(file) {
		return nil, fmt.Errorf("%q leads out of the folder of specs", file)
	}
	return tree.ReadFile(l.fsys, file)
}

// libraryFile is a file of shared scenarios.
type libraryFile struct {
	Scenarios []*Scenario `yaml:"scenarios" doc:"scenarios shared by the specs that use this file"`
}

// library gives the scenarios of a shared file, checked once.
func (l *loader) library(d *tree.Decoder, use *string, file string) []*Scenario {
	if scenarios, done := l.shared[file]; done {
		return scenarios
	}
	l.shared[file], l.broken[file] = nil, true
	if !fs.ValidPath(file) || strings.Contains(*use, "..") {
		d.Report(d.At(use), fmt.Sprintf("%q leads out of the folder of specs", *use), "name a file below it")
		return nil
	}
	info, err := fs.Stat(l.fsys, file)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("this is no regular file")
	}
	if err != nil {
		d.Report(d.At(use), fmt.Sprintf("%q: %v", *use, tree.Reason(err)), "name an existing file, relative to this one")
		return nil
	}
	var content libraryFile
	root := l.root(file)
	if root == nil {
		return nil
	}
	own := tree.NewDecoder(file)
	own.Decode(root, &content)
	l.shared[file], l.broken[file] = present(content.Scenarios), false
	for _, s := range l.shared[file] {
		s.check(own)
	}
	l.problems = append(l.problems, own.Problems...)
	return l.shared[file]
}

// present drops the empty items of a list.
func present(scenarios []*Scenario) []*Scenario {
	return slices.DeleteFunc(scenarios, func(s *Scenario) bool { return s == nil })
}

func (l *loader) uniqueNames(all []*Exercise) {
	seen := map[string]string{}
	for _, ex := range all {
		if ex == nil || ex.Name == "" {
			continue
		}
		if first, taken := seen[ex.Name]; taken {
			l.problems = append(l.problems, Problem{File: ex.File, What: fmt.Sprintf("the name %q is that of %s too", ex.Name, first), Do: "choose another"})
		}
		seen[ex.Name] = ex.File
	}
}

// unused reports shared scenarios that no spec uses.
func (l *loader) unused() {
	for _, scenarios := range l.shared {
		for _, s := range scenarios {
			if !l.used[s] {
				l.problems = append(l.problems, s.problem(fmt.Sprintf("scenario %q is used by no row of any spec", s.ID), "add it to a row, or remove it"))
			}
		}
	}
}
