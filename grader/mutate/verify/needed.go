package verify

import (
	"fmt"
	"path"
	"slices"

	"moulinette/grader/judge"
	"moulinette/grader/mutate"
	"moulinette/grader/spec"
)

// origins asks for a mutant of each origin of the seed list.
func (v *verification) origins() {
	if v.result.Partial || len(v.Catalog.Mutants) == 0 {
		return
	}
	for _, origin := range mutate.Origins() {
		covered := slices.ContainsFunc(v.Catalog.Mutants, func(m *mutate.Mutant) bool { return slices.Contains(m.Origin, origin) })
		if !covered && origin != "ours" {
			v.report(Error{
				Kind: Uncovered, Subject: origin, File: v.folder(),
				Text: spec.Text{FR: fmt.Sprintf("aucun mutant ne vient de « %s »", origin), EN: fmt.Sprintf("no mutant comes from %q", origin)},
			})
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

// needed asks of each scenario that it kill, in some row, a mutant that no other
// scenario of that row kills, or tell why it stays.
func (v *verification) needed() {
	if v.result.Partial || len(v.Catalog.Mutants) == 0 || len(v.result.Faults) > 0 {
		return
	}
	for _, sc := range v.scenarios {
		if sc.spec.Keep != "" || v.killsAlone(sc.ID) {
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
// by this scenario alone.
func (v *verification) killsAlone(id string) bool {
	for _, group := range v.groups(id) {
		for _, s := range v.result.Mutants() {
			if s.fails(id) && !slices.ContainsFunc(group, func(other string) bool { return other != id && s.fails(other) }) {
				return true
			}
		}
	}
	return false
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
