package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// Kind says what is expected of a solution.
type Kind string

// Kinds. The zero value is invalid.
const (
	Reference   Kind = "reference"   // earns everything
	Alternative Kind = "alternative" // earns everything too
	Mutant      Kind = "mutant"      // loses the rows that it names, and no other
	Skeleton    Kind = "skeleton"    // earns nothing
)

// Solution is one submission with what came of it.
type Solution struct {
	ID          string
	Kind        Kind
	File        string // to open when something is wrong with it
	Line        int
	Column      int
	Mutant      *mutate.Mutant      // of a mutant
	Alternative *mutate.Alternative // of an alternative
	Sheets      []*judge.Sheet      // in the order of the exercises; none if it was not tried
	Cells       map[string]Cell     // by scenario
	Broken      *submission.BuildError

	files     submission.Files
	of        string // import path that its files are written for
	submitted *submission.Submission
	driver    string
	key       string
	graph     *mutate.Graph
}

// Cell is what one scenario showed of one solution.
type Cell struct {
	Verdict  judge.Verdict
	Hung     bool    // it failed by its time limit
	Inferred bool    // not run: no call of the scenario reaches what differs from the reference
	Reused   bool    // seen by an earlier verification
	Skipped  bool    // not run: its rows are decided without it
	Named    bool    // the mutant names the scenario in kills
	Millis   float64 // from the driver's start to the last step
}

// Folder is a submission that was read from one.
type Folder struct {
	Name       string // to open when something is wrong
	Submission *submission.Submission
}

// gather makes the solutions: the reference first, then the skeleton, the
// alternatives and the mutants. An edit that does not apply is told, and its
// solution left out.
func (v *verification) gather() []*Solution {
	ref, skeleton := v.Reference, v.Skeleton
	all := []*Solution{{ID: mutate.Reference, Kind: Reference, File: ref.Name, files: ref.Submission.Files, of: ref.Submission.ImportPath}}
	if skeleton.Submission != nil {
		all = append(all, &Solution{ID: mutate.Skeleton, Kind: Skeleton, File: skeleton.Name, files: skeleton.Submission.Files, of: skeleton.Submission.ImportPath})
	}
	for _, a := range v.Catalog.Alternatives {
		s := &Solution{ID: a.ID, Kind: Alternative, File: a.File, Alternative: a, of: ref.Submission.ImportPath}
		if !v.wanted(s.ID) {
			continue
		}
		if whole := v.Packages[a.ID]; a.Dir && whole != nil {
			s.files, s.of = whole.Files, whole.ImportPath
		} else {
			s.Line = 1
			s.files = v.edited(s.ID, a.Apply)
		}
		all = append(all, s)
	}
	for _, m := range v.Catalog.Mutants {
		if v.wanted(m.ID) {
			at := m.Place()
			all = append(all, &Solution{
				ID: m.ID, Kind: Mutant, File: m.File, Line: at.Line, Column: at.Column, Mutant: m,
				files: v.edited(m.ID, m.Apply), of: ref.Submission.ImportPath,
			})
		}
	}
	return all
}

func (v *verification) wanted(id string) bool { return len(v.Only) == 0 || slices.Contains(v.Only, id) }

// edited tells of edits that do not apply.
func (v *verification) edited(id string, apply func(submission.Files) (submission.Files, error)) submission.Files {
	files, err := apply(v.Reference.Submission.Files)
	if problems, ok := errors.AsType[spec.Problems](err); ok {
		for _, p := range problems {
			v.report(Error{
				Kind: EditFails, Subject: id, File: p.File, Line: p.Line, Column: p.Column,
				Text: spec.Text{FR: "la retouche ne s'applique plus : " + p.What + " ; " + p.Do, EN: p.What + "; " + p.Do},
			})
		}
	}
	return files
}

// build compiles the solutions into as few drivers as possible.
func (v *verification) build(ctx context.Context, all []*Solution) error {
	var together []*submission.Submission
	tried := all
	if v.coverage != nil {
		tried = append(slices.Clone(all), v.coverage.copy)
	}
	for _, s := range tried {
		if s.files == nil {
			continue
		}
		err := s.open()
		if s.breaks(err) {
			v.report(s.notBuilt())
			continue
		} else if err != nil {
			return fmt.Errorf("%s: %w", s.File, err)
		}
		if s.key, err = v.Builder.Key(ctx, s.submitted); err != nil {
			return err
		}
		s.graph = mutate.NewGraph(s.files)
		if runsEarly(s.files) { // it would do so in every other variant, too
			if err := v.link(ctx, all, []*submission.Submission{s.submitted}); err != nil {
				return err
			}
			continue
		}
		together = append(together, s.submitted)
	}
	return v.link(ctx, tried, together)
}

func (v *verification) link(ctx context.Context, all []*Solution, group []*submission.Submission) error {
	variants, err := v.Builder.BuildVariants(ctx, group)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.submitted == nil || !slices.Contains(group, s.submitted) {
			continue
		}
		if broken := variants.Broken[s.ID]; broken != nil {
			s.Broken = broken
			v.report(s.notBuilt())
			continue
		}
		s.driver = variants.Driver.Path
	}
	return nil
}

// open makes a submission of the solution, which stands among the variants.
func (s *Solution) open() (err error) {
	own := submission.Module + "/variants/" + s.ID
	files := submission.Files{}
	for name, text := range s.files {
		files[name] = bytes.ReplaceAll(text, []byte(`"`+s.of+"/"), []byte(`"`+own+"/"))
	}
	s.submitted, err = submission.FromFiles(own, files)
	return err
}

func (s *Solution) breaks(err error) bool {
	if errors.As(err, &s.Broken) {
		s.submitted = nil
		return true
	}
	return false
}

func (s *Solution) notBuilt() Error {
	words := strings.TrimPrefix(s.Broken.Error(), "submission: does not build\n")
	return Error{
		Kind: DoesNotBuild, Subject: s.ID, File: s.File, Line: s.Line, Column: s.Column,
		Text: spec.Text{FR: s.ID + " ne compile pas :\n" + words, EN: s.ID + " does not build:\n" + words},
	}
}

// runsEarly tells whether a package does something before main.
func runsEarly(files submission.Files) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(files)), func(text []byte) bool {
		return bytes.Contains(text, []byte("\nfunc init("))
	})
}

// Missing tells whether the solution could not even be made: an edit of it no
// longer applies.
func (s *Solution) Missing() bool { return s.files == nil }
