package mutate

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"moulinette/grader/spec"
	"moulinette/grader/spec/tree"
	"moulinette/grader/submission"
)

// Catalog is everything that an exercise's grading is tried on. It is not
// changed after it was loaded.
type Catalog struct {
	Reference    submission.Files // Go files of the reference, tests left out; see [WithC17]
	Mutants      []*Mutant        // by id
	Alternatives []*Alternative   // by id
}

// Names that mutants and alternatives cannot have.
const (
	Reference  = "reference"
	ReferenceC = Reference + "_c17"
	Skeleton   = "skeleton"
	SkeletonC  = Skeleton + "_c17"
)

// Place names a folder: what it holds, and how problems call it.
type Place struct {
	FS   fs.FS
	Name string
}

// Source says where a catalog is read.
type Source struct {
	Reference    submission.Files
	Mutants      Place            // its FS may be nil
	Alternatives Place            // its FS may be nil
	Exercises    []*spec.Exercise // all that mutants may speak of
	Unbuilt      string           // said of a row or scenario that none of them has; empty: nothing
}

// Load reads and checks a catalog. The error is [spec.Problems] with everything
// that is wrong, but for edits that do not apply: those are told one by one by
// [Mutant.Apply].
func Load(s Source) (*Catalog, error) {
	l := loader{source: s, taken: map[string]string{Reference: "the reference", ReferenceC: "the reference", Skeleton: "the skeleton", SkeletonC: "the skeleton"}}
	c := &Catalog{Reference: s.Reference}
	if s.Mutants.FS != nil {
		c.Mutants = l.mutants()
	}
	if s.Alternatives.FS != nil {
		c.Alternatives = l.alternatives()
	}
	return c, l.problems.Err()
}

// loader reads one catalog.
type loader struct {
	source   Source
	taken    map[string]string // file by id
	problems spec.Problems
}

func (l *loader) mutants() (all []*Mutant) {
	byID, files := map[string]*Mutant{}, map[*Mutant]*tree.Decoder{}
	for _, file := range l.files(l.source.Mutants, true) {
		m := &Mutant{}
		d := l.read(l.source.Mutants, file, m)
		if d == nil {
			continue
		}
		m.File = d.File
		l.identity(d, &m.ID, file)
		all, byID[m.ID], files[m] = append(all, m), m, d
	}
	for _, m := range all {
		c := checker{d: files[m], source: l.source}
		c.pair(m, byID)
		c.mutant(m)
		l.problems = append(l.problems, c.d.Problems...)
	}
	slices.SortFunc(all, func(a, b *Mutant) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (l *loader) alternatives() (all []*Alternative) {
	for _, file := range l.files(l.source.Alternatives, false) {
		a := &Alternative{}
		d := l.read(l.source.Alternatives, file, a)
		if d == nil {
			continue
		}
		a.File = d.File
		c := checker{d: d, source: l.source}
		c.alternative(a)
		l.identity(d, &a.ID, file)
		l.problems = append(l.problems, d.Problems...)
		all = append(all, a)
	}
	entries, err := fs.ReadDir(l.source.Alternatives.FS, ".")
	l.unreadable(l.source.Alternatives.Name, err)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		l.claim(e.Name(), path.Join(l.source.Alternatives.Name, e.Name()), tree.Pos{})
		all = append(all, &Alternative{
			ID: e.Name(), Dir: true, File: path.Join(l.source.Alternatives.Name, e.Name()),
			Title: spec.Text{FR: e.Name(), EN: e.Name()},
		})
	}
	slices.SortFunc(all, func(a, b *Alternative) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// files lists the YAML files of a place, or of it and all below it.
func (l *loader) files(p Place, deep bool) (all []string) {
	err := fs.WalkDir(p.FS, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == ".":
			return fs.SkipAll
		case err != nil:
			return err
		case e.IsDir() && name != "." && !deep:
			return fs.SkipDir
		case !e.IsDir() && path.Ext(name) == ".yml":
			l.problems = append(l.problems, spec.Problem{File: path.Join(p.Name, name), What: "its name does not end in .yaml", Do: "rename it"})
		case !e.IsDir() && path.Ext(name) == ".yaml":
			all = append(all, name)
		}
		return nil
	})
	l.unreadable(p.Name, err)
	return all
}

func (l *loader) unreadable(name string, err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.problems = append(l.problems, spec.Problem{File: name, What: err.Error(), Do: "make it readable"})
	}
}

func (l *loader) read(p Place, file string, into any) *tree.Decoder {
	shown := path.Join(p.Name, file)
	data, err := tree.ReadFile(p.FS, file)
	if err != nil {
		l.problems = append(l.problems, spec.Problem{File: shown, What: err.Error(), Do: "give a readable YAML file of at most 1 MiB"})
		return nil
	}
	root, problems := tree.Parse(shown, tabbed(data))
	l.problems = append(l.problems, problems...)
	if root == nil {
		return nil
	}
	d := tree.NewDecoder(shown)
	d.Decode(root, into)
	return d
}

// identity checks an id: it is the file's name, and nobody else's.
func (l *loader) identity(d *tree.Decoder, id *string, file string) {
	at, want := d.At(id), strings.TrimSuffix(path.Base(file), ".yaml")
	if at == (tree.Pos{}) {
		at = tree.Pos{Line: 1, Column: 1}
	}
	switch {
	case !name.MatchString(*id):
		d.Report(at, fmt.Sprintf("the id %q is no name", *id), "use lower-case letters, digits and _, as pid_wrong_flag")
	case *id != want:
		d.Report(at, fmt.Sprintf("the id %q is not the file's name", *id), "make both "+*id+", or both "+want)
	}
	l.claim(*id, d.File, at)
}

func (l *loader) claim(id, file string, at tree.Pos) {
	if first, taken := l.taken[id]; taken {
		l.problems = append(l.problems, spec.Problem{
			File: file, Line: at.Line, Column: at.Column,
			What: fmt.Sprintf("the id %q is taken by %s", id, first), Do: "choose another",
		})
	}
	l.taken[id] = file
}

// Words is a word or a list of them.
type Words []string

// UnmarshalTree reads either.
func (w *Words) UnmarshalTree(d *tree.Decoder, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n = &yaml.Node{Kind: yaml.SequenceNode, Line: n.Line, Column: n.Column, Content: []*yaml.Node{n}}
	}
	var list []string
	d.DecodePart(n, &list, "origin")
	*w = list
}

// Schema describes both forms.
func (w *Words) Schema(*tree.Schemer) tree.Object {
	word := tree.Enum(Origins())
	return tree.Object{"anyOf": []any{word, tree.Object{"type": "array", "items": word}}}
}
