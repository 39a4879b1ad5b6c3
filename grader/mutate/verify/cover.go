package verify

import (
	"context"
	"slices"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/scenario"
)

// noted is a solution of which every statement, in C every function, is noted
// when it is executed, if a scenario asks for it.
type noted struct {
	copy  *Solution
	cover *mutate.Cover
	// place is where a piece of the reference (no id), or of a mutant that stands
	// in it, is to be found in it.
	place func(id string, p mutate.Piece) (mutate.Piece, bool)
}

// notes are what was executed of it in a scenario.
type notes struct {
	files map[string]string
	whole bool // a command was seen, so its container came to its end
}

// sight is what was executed of a reference.
type sight struct {
	*noted
	seen map[string]*notes // by scenario; none: not known
}

// noting is sc with the files that notes are taken in.
func (n *noted) noting(sc *shared) (*shared, error) {
	noting := *sc
	noting.World.Files = slices.Clone(sc.World.Files)
	noting.Watch = slices.Clone(sc.Watch)
	for path, text := range n.cover.Files() {
		noting.World.Files = append(noting.World.Files, scenario.File{Path: path, Content: text, Mode: 0o666})
		noting.Watch = append(noting.Watch, path)
	}
	slices.Sort(noting.Watch)
	slices.SortFunc(noting.World.Files, byPath)
	return &noting, noting.write()
}

// notes reads them from a record, if it shows what the reference does, and has them.
func (n *noted) notes(sc *shared, rec *evidence.Record) *notes {
	if rec == nil || judge.Record(sc.spec, rec).Verdict != judge.Pass {
		return nil
	}
	took := &notes{files: map[string]string{}}
	for path, blank := range n.cover.Files() {
		took.files[path] = rec.At["after"].Files[path].Content
		if len(took.files[path]) != len(blank) {
			return nil
		}
	}
	for _, p := range rec.Probes {
		took.whole = took.whole || p.Seen
	}
	return took
}

// executed tells whether a piece was executed, and whether that is known.
func (n *noted) executed(took *notes, id string, p mutate.Piece) (executed, known bool) {
	placed, ok := n.place(id, p)
	if !ok {
		return false, false
	}
	return n.cover.Executed(took.files, placed)
}

// explore runs every scenario on a reference as it is noted.
func (v *verification) explore(ctx context.Context, s *sight) error {
	cells := make([]cell, len(v.scenarios))
	for i, sc := range v.scenarios {
		noting, err := s.noting(sc)
		if err != nil {
			return err
		}
		cells[i] = cell{s.copy, noting}
	}
	v.expect(len(cells))
	records, err := v.fetch(ctx, cells)
	if err != nil {
		return err
	}
	for i, sc := range v.scenarios {
		if took := s.notes(sc, records[i]); took != nil {
			s.seen[sc.ID] = took
		}
	}
	return nil
}

// fetch answers the records of cells that are nobody's of the matrix: those kept,
// and the others by running them.
func (v *verification) fetch(ctx context.Context, cells []cell) ([]*evidence.Record, error) {
	records := make([]*evidence.Record, len(cells))
	var missing []cell
	var at []int
	for i, c := range cells {
		if records[i] = v.found(c.solution, c.scenario); records[i] == nil {
			missing, at = append(missing, c), append(at, i)
		}
		v.judged.Delete(records[i]) // nobody would let go of it
	}
	v.mu.Lock()
	v.result.Reused += len(cells) - len(missing)
	v.mu.Unlock()
	v.expect(len(missing) - len(cells))
	seen, err := v.see(ctx, missing)
	for i, rec := range seen {
		records[at[i]] = rec
	}
	return records, err
}

// comesTo tells whether a scenario comes to one of the pieces of the reference;
// not known is yes. A container that its creator gives up may be killed sooner or
// later: how far it came is not known.
func (s *sight) comesTo(sc *shared, reference *mutate.Graph, pieces []mutate.Piece) bool {
	if s == nil || s.seen[sc.ID] == nil {
		return true
	}
	took := s.seen[sc.ID]
	return slices.ContainsFunc(pieces, func(p mutate.Piece) bool {
		executed, known := s.executed(took, "", p)
		return executed || !known || !took.whole && reference.Entered(sc.calls, p.Name)
	})
}

func (s *sight) knows(sc *shared) bool { return s != nil && s.seen[sc.ID] != nil }
