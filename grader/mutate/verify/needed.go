package verify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"moulinette/grader"
	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/spec"
)

// origins asks for a mutant of each origin of the seed list, in each language,
// where an exercise expects known wrong solutions to fail.
func (v *verification) origins() {
	seeded := slices.ContainsFunc(v.Exercises, func(ex *spec.Exercise) bool { return len(ex.Pack.Validation.ExpectedFail) > 0 })
	if v.result.Partial || !seeded || len(v.Catalog.Mutants) == 0 {
		return
	}
	for _, f := range v.families() {
		for _, origin := range mutate.Origins() {
			covered := slices.ContainsFunc(v.Catalog.Mutants, func(m *mutate.Mutant) bool {
				return m.Language() == f.language && slices.Contains(m.Origin, origin)
			})
			if !covered && origin != "ours" {
				v.report(Error{
					Kind: Uncovered, Subject: origin, File: v.folder(),
					Text: spec.Text{
						FR: fmt.Sprintf("aucun mutant (%s) ne vient de « %s »", f.language, origin),
						EN: fmt.Sprintf("no mutant (%s) comes from %q", f.language, origin),
					},
				})
			}
		}
	}
}

// folder is the one that the mutants lie in.
func (v *verification) folder() string {
	dir := path.Dir(v.Catalog.Mutants[0].File)
	for _, m := range v.Catalog.Mutants {
		for dir != "." && dir != "/" && path.Dir(m.File) != dir && !below(m.File, dir) {
			dir = path.Dir(dir)
		}
	}
	return dir
}

func below(file, dir string) bool { return len(file) > len(dir) && file[:len(dir)+1] == dir+"/" }

// extra tells whether a scenario is one that rows do without on this host.
func (v *verification) extra(id string) bool {
	i := slices.IndexFunc(v.scenarios, func(sc *shared) bool { return sc.ID == id })
	return i >= 0 && v.scenarios[i].spec.Extra() && grader.Unavailable(v.scenarios[i].spec, v.Opener.Host(), v.Seed) != nil
}

// elsewhere tells whether a mutant does nothing wrong that this host could show:
// it is killed only by scenarios that rows do without here.
func (v *verification) elsewhere(m *mutate.Mutant) bool {
	return len(m.Kills) > 0 && !slices.ContainsFunc(m.Kills, func(id string) bool { return !v.extra(id) })
}

// needed asks of each scenario that it kill, in some row, a mutant that no other
// scenario of that row kills, or tell why it stays.
func (v *verification) needed() {
	if v.result.Partial || len(v.Catalog.Mutants) == 0 || len(v.result.Faults) > 0 {
		return
	}
	for _, sc := range v.scenarios {
		if sc.spec.Keep != "" || v.extra(sc.ID) || v.killsAlone(sc.ID) {
			continue
		}
		v.report(Error{
			Kind: Unneeded, Subject: sc.ID, File: sc.file, Line: sc.spec.Line(),
			Text: spec.Text{
				FR: fmt.Sprintf("le scénario %s ne tue aucun mutant qu'un autre de sa ligne ne tue aussi ; ajoutez le mutant qu'il attrape, ou keep: avec la raison de le garder", sc.ID),
				EN: fmt.Sprintf("the scenario %s kills no mutant that no other of its row kills; add the mutant that it catches, or keep: with the reason why it stays", sc.ID),
			},
		})
	}
}

// killsAlone tells whether some mutant fails, in a row or in a rule of the norm,
// by this scenario alone, but for those that rows do without on other hosts.
func (v *verification) killsAlone(id string) bool {
	for _, group := range v.groups(id) {
		for _, s := range v.result.Mutants() {
			if s.fails(id) && !slices.ContainsFunc(group, func(other string) bool { return (s.fails(other) || s.Cells[other].Skipped) && v.counts(other, id) }) {
				return true
			}
		}
	}
	return false
}

// counts tells whether another scenario of its row can make one unneeded.
func (v *verification) counts(other, id string) bool {
	i := slices.IndexFunc(v.scenarios, func(sc *shared) bool { return sc.ID == other })
	return other != id && !v.scenarios[i].spec.Extra()
}

// witness runs, for each scenario that no mutant is known to need, what was left
// out of a mutant that may: one after another until one does.
func (v *verification) witness(ctx context.Context) error {
	for !v.result.Partial && len(v.result.Faults) == 0 {
		chosen := map[cell]bool{}
		for _, sc := range v.scenarios {
			if sc.spec.Keep == "" && !v.killsAlone(sc.ID) {
				add(chosen, v.fewest(sc.ID, chosen)...)
			}
		}
		if len(chosen) == 0 {
			return nil
		}
		left, err := v.chorus(ctx, inTurn(slices.Collect(maps.Keys(chosen))))
		if err != nil {
			return err
		}
		if err := v.complete(ctx, left); err != nil {
			return err
		}
	}
	return nil
}

// fewest are the scenarios left out of a mutant that may fail by this one alone:
// of the mutant where the fewest are not chosen yet.
func (v *verification) fewest(id string, chosen map[cell]bool) (best []cell) {
	cost := -1
	for _, group := range v.groups(id) {
		for _, s := range v.result.Mutants() {
			cells := v.open(s, id, group)
			n := len(slices.DeleteFunc(slices.Clone(cells), func(c cell) bool { return chosen[c] }))
			if len(cells) > 0 && (cost < 0 || n < cost) {
				best, cost = cells, n
			}
		}
	}
	return best
}

// open are the scenarios of a group that were left out of a mutant, if of those
// that were not it fails this one and no other.
func (v *verification) open(s *Solution, id string, group []string) (cells []cell) {
	if !s.fails(id) || slices.ContainsFunc(group, func(other string) bool { return s.fails(other) && v.counts(other, id) }) {
		return nil
	}
	for _, sc := range v.scenarios {
		if s.Cells[sc.ID].Skipped && slices.Contains(group, sc.ID) {
			cells = append(cells, cell{s, sc})
		}
	}
	return cells
}

// inTurn puts cells into an order that is always the same.
func inTurn(cells []cell) []cell {
	slices.SortFunc(cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.solution.ID, b.solution.ID), cmp.Compare(a.scenario.ID, b.scenario.ID))
	})
	return cells
}

// complete runs scenarios that had been left out.
func (v *verification) complete(ctx context.Context, cells []cell) error {
	for _, c := range cells {
		if c.solution.records == nil {
			c.solution.records = map[string]*evidence.Record{}
		}
	}
	v.expect(len(cells))
	if err := v.run(ctx, cells); err != nil {
		return err
	}
	for _, c := range cells {
		seen, rec := c.solution.Cells[c.scenario.ID], c.solution.records[c.scenario.ID]
		if rec != nil {
			seen.Hung, seen.Millis = rec.End.Outcome == evidence.Hung, rec.Millis
		}
		seen.Skipped, seen.Verdict = false, v.verdict(c.scenario, rec).Verdict
		c.solution.Cells[c.scenario.ID] = seen
	}
	for _, c := range cells {
		v.forget(c.solution)
	}
	return nil
}

func (s *Solution) fails(id string) bool { return s.Cells[id].Verdict == judge.Fail }

// groups are the scenarios of each row, and of each rule of the norm, that a
// scenario belongs to.
func (v *verification) groups(id string) (groups [][]string) {
	for _, ex := range v.Exercises {
		for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
			if slices.Contains(row.Scenarios, id) {
				groups = append(groups, row.Scenarios)
			}
		}
		rules := map[string][]string{}
		for _, check := range ex.Norm.Checks {
			rules[check.Rule] = append(rules[check.Rule], check.Scenario)
		}
		for _, scenarios := range rules {
			if slices.Contains(scenarios, id) {
				groups = append(groups, scenarios)
			}
		}
	}
	return groups
}
