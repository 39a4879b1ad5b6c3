package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/spec/tree"
)

// rows checks the lines of a point table by themselves.
func (c *checker) rows(rows []Row, seen map[string]bool) {
	for i := range rows {
		row := &rows[i]
		at := c.d.At(row)
		switch {
		case !label.MatchString(row.ID):
			c.d.Report(at, fmt.Sprintf("the row id %q is no name", row.ID), "use lower-case letters, digits and _")
		case seen[row.ID]:
			c.d.Report(c.d.At(&row.ID), fmt.Sprintf("row id %q is there twice", row.ID), "choose another")
		}
		seen[row.ID] = true
		translated(c.d, &row.Title, at, "title", "the title of row "+row.ID)
		translated(c.d, &row.Asks, at, "asks", "what row "+row.ID+" asks")
		translated(c.d, &row.Expected, at, "expected", "what row "+row.ID+" expects")
		if (row.Points <= 0 || row.Points > 100) && !c.misread(&row.Points) {
			c.d.Report(at, fmt.Sprintf("row %s is worth %d points", row.ID, row.Points), "give points: from 1 to 100")
		}
		if len(row.Scenarios) == 0 && !c.ex.Draft {
			c.d.Report(at, fmt.Sprintf("row %s has no scenarios, so nobody could earn it", row.ID), "add scenarios:")
		}
		c.rowScenarios(row)
	}
}

func (c *checker) rowScenarios(row *Row) {
	seen := map[string]bool{}
	always := func(id string) bool { return c.known[id] == nil || !c.known[id].Extra() }
	if len(row.Scenarios) > 0 && !slices.ContainsFunc(row.Scenarios, always) {
		c.d.Report(c.d.At(row), fmt.Sprintf("every scenario of row %s wants what many hosts lack, so they could not judge it", row.ID), "add one without root: real and without other_abi")
	}
	for i, id := range row.Scenarios {
		if seen[id] {
			c.d.Report(c.d.At(&row.Scenarios[i]), fmt.Sprintf("row %s names the scenario %q twice", row.ID, id), "remove one")
		}
		seen[id] = true
		c.use(&row.Scenarios[i], c.d.At(row))
	}
}

func (c *checker) points() {
	const total = 100
	sum := 0
	for i := range c.ex.Rows {
		if c.misread(&c.ex.Rows[i].Points) {
			return
		}
		sum += c.ex.Rows[i].Points
	}
	if sum == total || c.ex.Draft && len(c.ex.Rows) == 0 {
		return
	}
	c.d.Report(c.placed(&c.ex.Rows), fmt.Sprintf("the points of the rows sum to %d", sum), fmt.Sprintf("make them %d", total))
}

// requires checks that rows require existing rows, and none in a circle. A row
// of the table cannot hang on the bonus.
func (c *checker) requires() {
	table := map[string]*Row{}
	for i := range c.ex.Rows {
		table[c.ex.Rows[i].ID] = &c.ex.Rows[i]
	}
	c.required(c.ex.Rows, table)
	for i := range c.ex.Bonus {
		table[c.ex.Bonus[i].ID] = &c.ex.Bonus[i]
	}
	c.required(c.ex.Bonus, table)
	for _, id := range slices.Sorted(maps.Keys(table)) {
		if circle := circle(table, id); circle != nil && slices.Min(circle) == id {
			c.d.Report(c.d.At(table[id]), "rows require one another in a circle: "+strings.Join(append(circle, id), " -> "), "cut it")
		}
	}
}

func (c *checker) required(rows []Row, table map[string]*Row) {
	for i := range rows {
		for j, id := range rows[i].Requires {
			if slices.Contains(rows[i].Requires[:j], id) {
				c.d.Report(c.d.At(&rows[i].Requires[j]), fmt.Sprintf("row %s requires the row %q twice", rows[i].ID, id), "remove one")
			}
			if table[id] == nil {
				c.d.Report(c.d.At(&rows[i].Requires[j]), fmt.Sprintf("row %s requires the unknown row %q", rows[i].ID, id), tree.Suggest(id, slices.Collect(maps.Keys(table))))
			}
		}
	}
}

// circle is a way from id along requires back to id, without the return.
func circle(table map[string]*Row, id string) []string {
	visited := map[string]bool{}
	var walk func(at string) []string
	walk = func(at string) []string {
		if table[at] == nil || visited[at] {
			return nil
		}
		visited[at] = true
		for _, next := range table[at].Requires {
			if next == id {
				return []string{at}
			}
			if rest := walk(next); rest != nil {
				return append([]string{at}, rest...)
			}
		}
		return nil
	}
	return walk(id)
}
