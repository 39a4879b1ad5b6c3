package verify

import (
	"maps"
	"path"
	"slices"
	"strings"

	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

// Touched lists the solutions, but for the reference, that a change of files can matter
// to; all is true if it can matter to any. Files are named as in the options:
// from the same folder on, with slashes.
func Touched(o *Options, changed []string) (ids []string, all bool) {
	t := touch{o: o, changed: map[string]bool{}, scenarios: map[string]string{}}
	for _, file := range changed {
		t.changed[path.Clean(file)] = true
		if graders(file) {
			return nil, true
		}
	}
	for _, ex := range o.Exercises {
		folder := o.Folders[ex.Name]
		if t.changed[path.Join(folder, ex.File)] {
			return nil, true
		}
		for id, sc := range ex.Scenarios {
			t.scenarios[id] = path.Join(folder, sc.File)
		}
	}
	byID := map[string]*mutate.Mutant{}
	for _, m := range o.Catalog.Mutants {
		byID[m.ID] = m
	}
	for _, m := range o.Catalog.Mutants {
		other := byID[m.SameAs] // from which it has what it leaves out
		if t.mutant(m) || other != nil && t.changed[path.Clean(other.File)] {
			ids = append(ids, m.ID)
		}
	}
	for _, a := range o.Catalog.Alternatives {
		if t.alternative(a) {
			ids = append(ids, a.ID)
		}
	}
	for _, f := range []struct {
		Folder
		id string
	}{{o.ReferenceC, mutate.ReferenceC}, {o.Skeleton, mutate.Skeleton}, {o.SkeletonC, mutate.SkeletonC}} {
		if f.Submission != nil && (t.below(f.Name) || t.scenario()) {
			ids = append(ids, f.id)
		}
	}
	return ids, false
}

// graders tells whether a file is part of what grades, such as the texts in C and
// others that are built into it.
func graders(file string) bool {
	if file == "go.mod" || file == "go.sum" {
		return true
	}
	return strings.HasPrefix(file, "grader/") && !strings.HasSuffix(file, "_test.go") && !strings.Contains(file, "/testdata/") &&
		!strings.HasPrefix(file, "grader/mutate/matrix/") && !strings.HasPrefix(file, "grader/report/")
}

type touch struct {
	o         *Options
	changed   map[string]bool
	scenarios map[string]string // file of each
}

func (t touch) mutant(m *mutate.Mutant) bool {
	return t.changed[path.Clean(m.File)] || m.Language() == submission.C17 && t.header() ||
		slices.ContainsFunc(m.Edits, func(e mutate.Edit) bool { return t.changed[path.Join(t.o.Reference.Name, e.File)] }) ||
		slices.ContainsFunc(m.Kills, func(id string) bool { return t.changed[t.scenarios[id]] })
}

// header tells whether one of the reference in C was changed: all of its text depends
// on it.
func (t touch) header() bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(t.changed)), func(file string) bool {
		return path.Ext(file) == ".h" && strings.HasPrefix(file, path.Clean(t.o.ReferenceC.Name)+"/")
	})
}

// alternative: it has to pass every scenario.
func (t touch) alternative(a *mutate.Alternative) bool {
	of := t.o.Reference.Name
	if a.Language() == submission.C17 {
		of = t.o.ReferenceC.Name
	}
	for file := range t.changed {
		if !a.Dir && path.Dir(file) == path.Clean(of) {
			return true
		}
	}
	return t.below(a.File) || t.scenario()
}

// below tells whether a file, or one in that folder, was changed.
func (t touch) below(name string) bool {
	name = path.Clean(name)
	return slices.ContainsFunc(slices.Collect(maps.Keys(t.changed)), func(file string) bool {
		return file == name || strings.HasPrefix(file, name+"/")
	})
}

// scenario tells whether one that is looked at was changed.
func (t touch) scenario() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(t.scenarios)), func(file string) bool { return t.changed[file] })
}
