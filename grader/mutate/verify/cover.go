package verify

import (
	"context"
	"maps"
	"slices"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// coverID is the name of the copy of the reference that notes what is executed.
const coverID = "reference_executed"

// coverage tells which statements of the reference each scenario comes to.
type coverage struct {
	copy  *Solution
	cover *mutate.Cover
	files map[string]map[string]string // by scenario; none: not known
	whole map[string]bool              // by scenario: a command was seen, so its container came to its end
}

// instrument makes the copy. A reference that cannot be copied so is no error:
// more scenarios are run then.
func (v *verification) instrument() *coverage {
	if v.Matrix == All || !slices.ContainsFunc(v.families(), func(f family) bool { return f.language == submission.Go }) {
		return nil
	}
	files, cover, err := mutate.Instrument(v.Reference.Submission.Files)
	if err != nil {
		return nil
	}
	return &coverage{
		copy:  &Solution{ID: coverID, Kind: Reference, File: v.Reference.Name, files: files, of: v.Reference.Submission.ImportPath},
		cover: cover, files: map[string]map[string]string{}, whole: map[string]bool{},
	}
}

// scenario is sc with the files that notes are taken in.
func (c *coverage) scenario(sc *shared) (*shared, error) {
	noting := *sc
	noting.World.Files = slices.Clone(sc.World.Files)
	noting.Watch = slices.Clone(sc.Watch)
	for path, text := range c.cover.Files() {
		noting.World.Files = append(noting.World.Files, scenario.File{Path: path, Content: text, Mode: 0o666})
		noting.Watch = append(noting.Watch, path)
	}
	slices.Sort(noting.Watch)
	slices.SortFunc(noting.World.Files, byPath)
	return &noting, noting.write()
}

// explore runs every scenario on the copy.
func (v *verification) explore(ctx context.Context) error {
	c := v.coverage
	if c == nil || c.copy.driver == "" {
		return nil
	}
	c.copy.Cells = map[string]Cell{}
	v.records[c.copy] = map[string]*evidence.Record{}
	var cells []cell
	for _, sc := range v.scenarios {
		noting, err := c.scenario(sc)
		if err != nil {
			return err
		}
		if v.known(c.copy, noting) {
			v.result.Reused++
			continue
		}
		cells = append(cells, cell{c.copy, noting})
	}
	if err := v.run(ctx, cells); err != nil {
		return err
	}
	for _, sc := range v.scenarios {
		c.note(sc, v.records[c.copy][sc.ID])
	}
	delete(v.records, c.copy)
	return nil
}

// note keeps what was executed, if the copy did what the reference does.
func (c *coverage) note(sc *shared, rec *evidence.Record) {
	if rec == nil || judge.Record(sc.spec, rec).Verdict != judge.Pass {
		return
	}
	files := map[string]string{}
	for path := range maps.Keys(c.cover.Files()) {
		files[path] = rec.At["after"].Files[path].Content
	}
	c.files[sc.ID] = files
	for _, p := range rec.Probes {
		c.whole[sc.ID] = c.whole[sc.ID] || p.Seen
	}
}

// reaches tells whether a scenario comes to one of the pieces; not known is yes.
// A container that its creator gives up may be killed sooner or later: how far it
// came is not known.
func (c *coverage) reaches(sc *shared, reference *mutate.Graph, pieces []mutate.Piece) bool {
	if c == nil || c.files[sc.ID] == nil {
		return true
	}
	enters := func(p mutate.Piece) bool { return reference.Entered(sc.calls, p.Name) }
	if !c.whole[sc.ID] && slices.ContainsFunc(pieces, enters) {
		return true
	}
	return c.cover.Reaches(c.files[sc.ID], pieces)
}
