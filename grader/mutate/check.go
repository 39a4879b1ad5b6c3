package mutate

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"moulinette/grader/spec"
	"moulinette/grader/spec/tree"
)

var name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// checker validates one file of a catalog.
type checker struct {
	d      *tree.Decoder
	source Source
	orphan bool // its pair is none, so that it is unknown what it leaves out
}

func (c *checker) mutant(m *Mutant) {
	m.at = c.at(&m.ID)
	c.texts(map[string]*spec.Text{"title": &m.Title, "thought": &m.Thought, "wrong": &m.Wrong})
	if m.Class != "" || !c.orphan {
		c.word(&m.Class, "class", slices.Collect(maps.Keys(Classes())))
	}
	c.origins(m)
	c.edits(m.Edits)
	c.fails(m)
	for i := range m.Kills {
		c.part(&m.Kills[i], "scenario", c.scenarios())
	}
	for i := range m.Norm {
		c.word(&m.Norm[i], "rule of the norm", rules())
	}
}

// pair takes from the mutant that makes the same mistake in another language what
// m leaves out. The rows that they lose are the same by that; how one that is
// lost anyway fails may bring another finding of the norm.
func (c *checker) pair(m *Mutant, all map[string]*Mutant) {
	if m.SameAs == "" {
		return
	}
	other, at := all[m.SameAs], c.at(&m.SameAs)
	switch {
	case other == nil:
		c.orphan = true
		c.d.Report(at, fmt.Sprintf("unknown mutant %q", m.SameAs), tree.Suggest(m.SameAs, slices.Collect(maps.Keys(all))))
		return
	case other.Language() == m.Language() || other.SameAs != "":
		c.orphan = true
		c.d.Report(at, fmt.Sprintf("%s is no mutant of its own in another language", m.SameAs), "pair one in C with one in Go")
		return
	case len(m.Fails) > 0:
		c.d.Report(at, "fails together with same_as", "leave it out: the rows are those of "+m.SameAs)
	}
	m.Fails = other.Fails
	if len(m.Norm) == 0 {
		m.Norm = other.Norm
	}
	m.Class = cmp.Or(m.Class, other.Class)
	for _, texts := range [][2]*spec.Text{{&m.Title, &other.Title}, {&m.Thought, &other.Thought}, {&m.Wrong, &other.Wrong}} {
		if texts[0].IsZero() {
			*texts[0] = *texts[1]
		}
	}
	if len(m.Origin) == 0 {
		m.Origin = other.Origin
	}
	if len(m.Kills) == 0 {
		m.Kills = other.Kills
	}
}

func (c *checker) alternative(a *Alternative) {
	c.texts(map[string]*spec.Text{"title": &a.Title, "thought": &a.Thought})
	c.edits(a.Edits)
	if a.Bonus != "" {
		c.word(&a.Bonus, "bonus", []string{"none"})
	}
}

// at is the place of a value, or the head of the file.
func (c *checker) at(pointer any) tree.Pos {
	if at := c.d.At(pointer); at != (tree.Pos{}) {
		return at
	}
	return tree.Pos{Line: 1, Column: 1}
}

func (c *checker) texts(texts map[string]*spec.Text) {
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if c.orphan && texts[key].IsZero() {
			continue
		}
		for _, l := range []struct{ name, text string }{{"fr", texts[key].FR}, {"en", texts[key].EN}} {
			if strings.TrimSpace(l.text) == "" {
				c.d.Report(c.at(texts[key]), fmt.Sprintf("%s lacks its %s text", key, l.name), "write "+key+": {fr: ..., en: ...}")
			}
		}
	}
}

func (c *checker) word(pointer *string, what string, known []string) {
	if !slices.Contains(known, *pointer) {
		c.d.Report(c.at(pointer), fmt.Sprintf("unknown %s %q", what, *pointer), tree.Suggest(*pointer, known))
	}
}

// part is a word of an exercise, which may have been written and not be built in yet.
func (c *checker) part(pointer *string, what string, known []string) {
	if slices.Contains(known, *pointer) {
		return
	}
	do := tree.Suggest(*pointer, known)
	if c.source.Unbuilt != "" {
		do += " (" + c.source.Unbuilt + ")"
	}
	c.d.Report(c.at(pointer), fmt.Sprintf("unknown %s %q", what, *pointer), do)
}

func (c *checker) origins(m *Mutant) {
	for _, origin := range m.Origin {
		if !slices.Contains(Origins(), origin) {
			c.d.Report(c.at(&m.Origin), fmt.Sprintf("unknown origin %q", origin), tree.Suggest(origin, Origins()))
		}
	}
	if len(m.Origin) == 0 && !c.orphan {
		c.d.Report(m.at, "it does not tell where it comes from", "add origin:, as ours")
	}
}

func (c *checker) edits(edits []Edit) {
	if len(edits) == 0 {
		c.d.Report(tree.Pos{Line: 1, Column: 1}, "it changes nothing", "add edits:")
	}
	for i := range edits {
		e := &edits[i]
		e.at = c.at(e)
		for _, place := range []*string{&e.From, &e.Func} {
			if at := c.d.At(place); at != (tree.Pos{}) {
				e.at = at
			}
		}
		switch {
		case !editable(e.File):
			c.d.Report(c.at(&e.File), fmt.Sprintf("%q is no Go file of the reference's package, and no C file of its folder %s", e.File, C17Folder), tree.Suggest(e.File, slices.Collect(maps.Keys(c.source.Reference))))
		case isC(e.File) != isC(edits[0].File):
			c.d.Report(c.at(&e.File), "edits in two languages", "make two of it; same_as: pairs mutants")
		case e.Func != "" && (e.From != "" || e.Nth != 0 || e.All):
			c.d.Report(c.at(&e.Func), "func together with from, nth or all", "give func alone")
		case e.From != "" && e.From == e.To:
			c.d.Report(e.at, "from and to are the same", "change something")
		case e.Nth < 0 || e.Nth > 0 && e.All:
			c.d.Report(c.at(&e.Nth), "nth below 1, or together with all", "give one of them: nth, counted from 1, or all: true")
		}
	}
}

// editable tells whether a file is part of what is built of the reference.
func editable(file string) bool {
	if isC(file) {
		return path.Dir(file) == C17Folder
	}
	return strings.HasSuffix(file, ".go") && path.Base(file) == file && !strings.HasSuffix(file, "_test.go")
}

func (c *checker) fails(m *Mutant) {
	for _, exercise := range slices.Sorted(maps.Keys(m.Fails)) {
		known, names := c.rows(exercise)
		if known == nil {
			c.d.Report(c.at(&m.Fails), fmt.Sprintf("unknown exercise %q", exercise), tree.Suggest(exercise, names))
			continue
		}
		rows := m.Fails[exercise]
		for i := range rows {
			c.part(&rows[i], "row of "+exercise, known)
			if slices.Contains(rows[:i], rows[i]) {
				c.d.Report(c.at(&rows[i]), fmt.Sprintf("row %s is named twice", rows[i]), "remove one")
			}
		}
	}
}

// rows are those of an exercise, bonus included; nil if there is no such
// exercise, with the names of those that there are.
func (c *checker) rows(exercise string) (rows, names []string) {
	for _, ex := range c.source.Exercises {
		names = append(names, ex.Name)
		if ex.Name != exercise {
			continue
		}
		rows = []string{}
		for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
			rows = append(rows, row.ID)
		}
	}
	return rows, names
}

func (c *checker) scenarios() (ids []string) {
	for _, ex := range c.source.Exercises {
		ids = slices.AppendSeq(ids, maps.Keys(ex.Scenarios))
	}
	return ids
}

// rules are those of the norm that a mutant can break.
func rules() []string {
	return []string{"memory", "fds", "zombies", "mounts", "security", "forbidden_program", "forbidden_import", "way_round"}
}
