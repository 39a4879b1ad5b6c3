package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"moulinette/grader"
	"moulinette/grader/build"
	"moulinette/grader/evidence"
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
	base      *Solution              // the reference of its language; nil of a reference
	of        string                 // import path that its files are written for
	submitted *submission.Submission // nil once it is built
	language  submission.Language
	findings  [][]judge.Finding // of the norm, by exercise
	driver    string
	variant   string          // chooses it in the driver
	acquitted map[string]bool // scenarios that it passes in company
	company   sync.WaitGroup  // those that are still to be tried
	key       string
	graph     *mutate.Graph
	change    func() *change
	differs   map[*shared]bool // [verification.difference]; nil: any may
	planned   int              // scenarios that are thought to be run on it alone
	records   map[string]*evidence.Record
}

// Cell is what one scenario showed of one solution.
type Cell struct {
	Verdict  judge.Verdict
	Hung     bool    // it failed by its time limit
	Inferred bool    // not run: no call of the scenario reaches what differs from the reference
	Company  bool    // it passed together with other mutants
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

// family is what is verified in one language.
type family struct {
	language            submission.Language
	reference, skeleton Folder
	suffix              string // of their ids
}

// families are those of which something is wanted.
func (v *verification) families() (all []family) {
	for _, f := range []family{
		{submission.Go, v.Reference, v.Skeleton, ""},
		{submission.C17, v.ReferenceC, v.SkeletonC, "_" + string(submission.C17)},
	} {
		if f.reference.Submission != nil && v.concerns(f) {
			all = append(all, f)
		}
	}
	return all
}

func (v *verification) concerns(f family) bool {
	return v.wanted(mutate.Reference+f.suffix) || v.wanted(mutate.Skeleton+f.suffix) ||
		slices.ContainsFunc(v.Catalog.Mutants, func(m *mutate.Mutant) bool { return m.Language() == f.language && v.wanted(m.ID) }) ||
		slices.ContainsFunc(v.Catalog.Alternatives, func(a *mutate.Alternative) bool { return v.language(a) == f.language && v.wanted(a.ID) })
}

// Orphan is the file of the first mutant or alternative that is wanted and in C, if
// there is no reference in C; else empty.
func (o *Options) Orphan() string {
	if o.ReferenceC.Submission != nil {
		return ""
	}
	for _, m := range o.Catalog.Mutants {
		if o.wanted(m.ID) && m.Language() == submission.C17 {
			return m.File
		}
	}
	for _, a := range o.Catalog.Alternatives {
		if o.wanted(a.ID) && o.language(a) == submission.C17 {
			return a.File
		}
	}
	return ""
}

func (o *Options) language(a *mutate.Alternative) submission.Language {
	if whole := o.Packages[a.ID]; a.Dir && whole != nil {
		return whole.Language
	}
	return a.Language()
}

// gather makes the solutions: the references first, then of each language the
// skeleton, the alternatives and the mutants. An edit that does not apply is
// told, and its solution left out.
func (v *verification) gather() (all []*Solution) {
	var rest []*Solution
	for _, f := range v.families() {
		reference := &Solution{ID: mutate.Reference + f.suffix, Kind: Reference, File: f.reference.Name, files: f.reference.Submission.Files, of: f.reference.Submission.ImportPath}
		all = append(all, reference)
		for _, s := range v.members(f) {
			s.base = reference
			rest = append(rest, s)
		}
	}
	return append(all, rest...)
}

func (v *verification) members(f family) (all []*Solution) {
	of := f.reference.Submission.ImportPath
	if s := f.skeleton.Submission; s != nil {
		all = append(all, &Solution{ID: mutate.Skeleton + f.suffix, Kind: Skeleton, File: f.skeleton.Name, files: s.Files, of: s.ImportPath})
	}
	for _, a := range v.Catalog.Alternatives {
		if !v.wanted(a.ID) || v.language(a) != f.language {
			continue
		}
		s := &Solution{ID: a.ID, Kind: Alternative, File: a.File, Alternative: a, of: of}
		if whole := v.Packages[a.ID]; a.Dir && whole != nil {
			s.files, s.of = whole.Files, whole.ImportPath
		} else {
			s.Line = 1
			s.files = v.edited(s.ID, f.language, a.Apply)
		}
		all = append(all, s)
	}
	for _, m := range v.Catalog.Mutants {
		if v.wanted(m.ID) && m.Language() == f.language {
			at, files := m.Place(), v.edited(m.ID, f.language, m.Apply)
			if v.elsewhere(m) {
				v.result.Absent = append(v.result.Absent, Absent{m.ID, "this host lacks what shows it; use --isolation vm"})
				continue
			}
			all = append(all, &Solution{
				ID: m.ID, Kind: Mutant, File: m.File, Line: at.Line, Column: at.Column, Mutant: m,
				files: files, of: of,
			})
		}
	}
	return all
}

func (o *Options) wanted(id string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, id) }

// edited tells of edits that do not apply.
func (v *verification) edited(id string, language submission.Language, apply func(submission.Files) (submission.Files, error)) submission.Files {
	files, err := apply(v.Catalog.Reference)
	if problems, ok := errors.AsType[spec.Problems](err); ok {
		for _, p := range problems {
			v.report(Error{
				Kind: EditFails, Subject: id, File: p.File, Line: p.Line, Column: p.Column,
				Text: spec.Text{FR: "la retouche ne s'applique plus : " + p.What + " ; " + p.Do, EN: p.What + "; " + p.Do},
			})
		}
	}
	if files == nil {
		return nil
	}
	return mutate.In(language, files)
}

// build compiles the solutions into as few drivers as possible; in C, each that
// cannot stand with others into its own.
func (v *verification) build(ctx context.Context, all []*Solution) error {
	alone := map[submission.Language][]*Solution{}
	made := those(all, func(s *Solution) bool { return s.files != nil })
	errs := make([]error, len(made))
	read := func(from, to int) {
		side(made[from:to], func(i int, s *Solution) { errs[from+i] = v.read(ctx, s) })
	}
	references := len(those(made, func(s *Solution) bool { return s.base == nil })) // they come first
	read(0, references)
	read(references, len(made))
	for i, s := range made {
		if s.breaks(errs[i]) {
			v.report(s.notBuilt())
			continue
		} else if errs[i] != nil {
			return fmt.Errorf("%s: %w", s.File, errs[i])
		}
		if s.Kind == Reference {
			v.blends[s.language] = newBlend(s)
		}
		switch {
		case v.blends[s.language].add(s):
		case s.language == submission.Go && runsEarly(s.files): // it would do so in every other variant, too
			if err := v.compile(ctx, all, []*Solution{s}); err != nil {
				return err
			}
		default:
			alone[s.language] = append(alone[s.language], s)
		}
	}
	for _, language := range []submission.Language{submission.C17, submission.Go} {
		if err := v.linkBlend(ctx, v.blends[language], all, alone[language]); err != nil {
			return err
		}
	}
	for _, s := range made { // syntax trees by the hundred
		s.submitted = nil
	}
	return nil
}

// read makes a submission of a solution, and what its text tells.
func (v *verification) read(ctx context.Context, s *Solution) (err error) {
	if err = s.open(); err == nil {
		s.key, err = v.Builder.Key(ctx, s.submitted)
		v.look(s)
	}
	if s.edits() {
		s.submitted = nil // most are built as parts of a blend
	}
	s.graph, s.change = mutate.NewGraph(s.files), sync.OnceValue(s.compare)
	if s.base != nil && s.base.graph != nil {
		s.graph.Share(s.base.graph)
	}
	return err
}

// reopened are the submissions of solutions that have been read.
func reopened(all []*Solution) (submissions []*submission.Submission) {
	for _, s := range all {
		if s.submitted == nil {
			_ = s.open() // as it could be before
		}
		submissions = append(submissions, s.submitted)
	}
	return submissions
}

// look notes what a submission's text breaks of each exercise's norm.
func (v *verification) look(s *Solution) {
	s.language = s.submitted.Language
	for _, ex := range v.Exercises {
		s.findings = append(s.findings, grader.Findings(s.submitted, ex.Norm))
	}
}

// compile makes the drivers of solutions of one language: in Go one of all.
func (v *verification) compile(ctx context.Context, all, alone []*Solution) error {
	switch {
	case len(alone) == 0:
		return nil
	case alone[0].language == submission.C17:
		return v.compileC17(ctx, alone)
	}
	group := reopened(alone)
	variants, err := v.Builder.BuildVariants(ctx, group)
	if err != nil {
		return err
	}
	v.linked(all, group, variants)
	return nil
}

// compileC17 makes a driver of each, some side by side. An alternative that wants
// what this host lacks is left out, and told of.
func (v *verification) compileC17(ctx context.Context, alone []*Solution) error {
	drivers, errs := make([]*build.Driver, len(alone)), make([]error, len(alone))
	side(reopened(alone), func(i int, s *submission.Submission) { drivers[i], errs[i] = v.Builder.Build(ctx, s) })
	for i, s := range alone {
		var missing *build.Missing
		switch err := errs[i]; {
		case err == nil:
			s.driver = drivers[i].Path
		case errors.As(err, &missing) && s.Kind == Alternative:
			v.result.Absent = append(v.result.Absent, Absent{s.ID, err.Error()})
		case s.breaks(err):
			v.report(s.notBuilt())
		default:
			return fmt.Errorf("%s: %w", s.File, err)
		}
	}
	return nil
}

// linked gives the solutions of a group their driver.
func (v *verification) linked(all []*Solution, group []*submission.Submission, variants *build.Variants) {
	for _, s := range all {
		if s.submitted == nil || !slices.Contains(group, s.submitted) {
			continue
		}
		if broken := variants.Broken[s.ID]; broken != nil {
			s.Broken = broken
			v.report(s.notBuilt())
			continue
		}
		s.driver, s.variant = variants.Driver.Path, s.ID
	}
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
