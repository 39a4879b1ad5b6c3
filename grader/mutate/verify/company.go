package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"moulinette/grader"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

// A mutant loses few rows, an alternative none. That they lose no other takes most
// of the runs, and nearly all of them show nothing. So where only the rows are
// asked for, several are tried at a time, in scenarios that none of them should
// fail. If such a company passes, and came to what each of its members changes,
// each is taken to pass; if not, its halves are tried, and at last each alone. What one
// member does wrong another could hide, which is why [Full] tries each alone.

// most is how many are tried at a time at most.
const most = 16

// company is several solutions as one, no two of which change the same function.
type company struct {
	*noted
	of      *blend
	members []*Solution
}

// turn is a company in one scenario, and the members that it is about.
type turn struct {
	*company
	scenario *shared
}

// accompany puts solutions into companies, and tells what these are to be tried in:
// each part goes into one sandbox. It plans what is left for each alone.
func (v *verification) accompany(all []*Solution) [][]turn {
	side(all, func(_ int, s *Solution) {
		v.difference(s)
		s.planned = len(those(v.scenarios, s.differsIn))
	})
	var turns []turn
	if v.Matrix == Rows {
		turns = v.turns(all)
	}
	for _, t := range turns {
		for _, s := range t.members {
			s.planned--
		}
	}
	v.expect(len(turns))
	for _, s := range all {
		v.expect(s.planned)
	}
	return parts(turns)
}

// parts gathers turns of the same driver.
func parts(turns []turn) (parts [][]turn) {
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.copy.driver, b.copy.driver) })
	for _, t := range turns {
		last := len(parts) - 1
		if last < 0 || len(parts[last]) == stint || parts[last][0].copy.driver != t.copy.driver {
			parts, last = append(parts, nil), last+1
		}
		parts[last] = append(parts[last], t)
		for _, s := range t.members {
			s.company.Add(1)
		}
	}
	return parts
}

// take runs turns, and acquits who passes. Of a company that does not, each half is
// tried, as long as that takes fewer runs than each alone. After a fault it does
// nothing.
func (v *verification) take(ctx context.Context, turns []turn) error {
	defer func(all []turn) {
		for _, t := range all {
			for _, s := range t.members {
				s.company.Done()
			}
		}
	}(turns)
	for len(turns) > 0 && !v.faulty() {
		cells := make([]cell, len(turns))
		for i, t := range turns {
			noting, err := t.noting(t.scenario)
			if err != nil {
				return err
			}
			cells[i] = cell{t.copy, noting}
		}
		records, err := v.fetch(ctx, cells)
		if err != nil {
			return err
		}
		var halves []turn
		for i, t := range turns {
			if took := t.notes(t.scenario, records[i]); took != nil {
				v.acquit(t, took)
			} else if half := len(t.members) / 2; half > 1 {
				halves = append(halves, turn{t.of.company(t.members[:half]), t.scenario}, turn{t.of.company(t.members[half:]), t.scenario})
			}
		}
		v.expect(len(halves))
		turns = halves
	}
	return nil
}

// acquit notes which members of a company that passed are known to pass.
func (v *verification) acquit(t turn, took *notes) {
	for _, s := range t.members {
		if v.tookPart(t, s, took) {
			v.mu.Lock()
			s.acquitted[t.scenario.ID] = true
			v.mu.Unlock()
		}
	}
}

// tookPart tells whether all that a member changes, of what the reference comes
// to, is known to have been executed, or lies behind a change that was, and that may
// have cut the way to it. Of what is no piece of a function that is not known.
func (v *verification) tookPart(t turn, s *Solution, took *notes) bool {
	reference, c := v.sights[s.base], s.change()
	if s.reaches(t.scenario, c.before.Names) {
		return false
	}
	changed := func(p mutate.Piece) bool {
		return slices.ContainsFunc(c.after.Pieces, func(q mutate.Piece) bool {
			executed, known := t.executed(took, s.ID, q)
			return q.Name == p.Name && executed && known
		})
	}
	var done, missing []mutate.Piece
	for _, p := range c.before.Pieces {
		if changed(p) {
			done = append(done, p)
		} else if executed, known := reference.executed(reference.seen[t.scenario.ID], "", p); executed || !known {
			missing = append(missing, p)
		}
	}
	return !slices.ContainsFunc(missing, func(p mutate.Piece) bool {
		return !slices.ContainsFunc(done, func(q mutate.Piece) bool { return q.Name != p.Name && s.base.graph.LeadsTo(q.Name, p.Name) })
	})
}

// turns puts solutions together, for each scenario those that should pass it.
func (v *verification) turns(all []*Solution) (turns []turn) {
	should := map[*Solution]map[string]bool{}
	for _, s := range all {
		if s.edits() {
			s.acquitted, should[s] = map[string]bool{}, v.passes(s)
		}
	}
	for _, sc := range v.scenarios {
		if grader.Unavailable(sc.spec, v.Opener.Host(), v.Seed) != nil {
			continue
		}
		shows := func(s *Solution) bool {
			return should[s][sc.ID] && v.sights[s.base].knows(sc) && s.differsIn(sc)
		}
		turns = append(turns, v.companies(sc, those(all, shows))...)
	}
	return turns
}

// chorus tries in companies what is left to be run, and tells what is left of it:
// the scenarios of those that did not pass, or that can be in no company.
func (v *verification) chorus(ctx context.Context, cells []cell) (left []cell, err error) {
	var turns []turn
	for _, sc := range v.scenarios {
		var members []*Solution
		for _, c := range cells {
			if c.scenario == sc && v.sights[c.solution.base].knows(sc) {
				members = append(members, c.solution)
			}
		}
		turns = append(turns, v.companies(sc, members)...)
	}
	v.expect(len(turns))
	var all []func() error
	for _, part := range parts(turns) {
		all = append(all, func() error { return v.take(ctx, part) })
	}
	if err := together(all); err != nil {
		return nil, err
	}
	for _, c := range cells {
		if !c.solution.acquitted[c.scenario.ID] {
			left = append(left, c)
			continue
		}
		seen := c.solution.Cells[c.scenario.ID]
		seen.Skipped, seen.Company, seen.Verdict = false, true, judge.Pass
		c.solution.Cells[c.scenario.ID] = seen
	}
	return left, nil
}

// companies puts those together that stand in a blend, if it is known what they change.
func (v *verification) companies(sc *shared, all []*Solution) (turns []turn) {
	for _, language := range []submission.Language{submission.Go, submission.C17} {
		b := v.blends[language]
		if b == nil {
			continue
		}
		blended := those(b.members, func(s *Solution) bool { return s.change().known && slices.Contains(all, s) })
		for _, members := range gathered(blended, func(s, other *Solution) bool { return b.schemata.Apart(s.ID, other.ID) }) {
			if len(members) > 1 {
				turns = append(turns, turn{b.company(members), sc})
			}
		}
	}
	return turns
}

func (b *blend) company(members []*Solution) *company {
	chosen := mutate.Choice(ids(members)...)
	key := sha256.Sum256([]byte(b.copy.key + " " + chosen))
	return &company{&noted{
		copy: &Solution{
			ID: strings.TrimPrefix(chosen, ":"), Kind: Mutant, submitted: b.copy.submitted,
			driver: b.copy.driver, variant: b.copy.ID + chosen, key: hex.EncodeToString(key[:]),
		},
		cover: b.cover, place: b.place,
	}, b, members}
}

// gathered puts each into the first group that has room and of which it may
// stand beside every member.
func gathered(all []*Solution, beside func(s, other *Solution) bool) (groups [][]*Solution) {
	for _, s := range all {
		at := slices.IndexFunc(groups, func(g []*Solution) bool {
			return len(g) < most && !slices.ContainsFunc(g, func(other *Solution) bool { return !beside(s, other) })
		})
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], s)
	}
	return groups
}

func ids(all []*Solution) (ids []string) {
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

// passes are the scenarios that s should pass: of a mutant those of rows, and of
// rules of the norm, that it does not name, unless it names the scenario, or
// breaks another rule in it.
func (v *verification) passes(s *Solution) map[string]bool {
	ids, m := map[string]bool{}, s.Mutant
	if m == nil {
		m = &mutate.Mutant{}
	}
	for _, ex := range v.Exercises {
		lost := func(row string) bool { return slices.Contains(m.Fails[ex.Name], row) }
		for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
			if !lost(row.ID) && !slices.ContainsFunc(row.Requires, lost) {
				add(ids, row.Scenarios...)
			}
		}
		for _, check := range ex.Norm.Checks {
			add(ids, check.Scenario)
		}
	}
	for _, ex := range v.Exercises {
		for _, check := range ex.Norm.Checks {
			if slices.Contains(m.Norm, check.Rule) {
				delete(ids, check.Scenario)
			}
		}
	}
	for _, id := range m.Kills {
		delete(ids, id)
	}
	return ids
}

func add[T comparable](set map[T]bool, all ...T) {
	for _, one := range all {
		set[one] = true
	}
}
