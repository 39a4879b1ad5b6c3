package spec

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
	"moulinette/grader/spec/expect"
	"moulinette/grader/spec/tree"
)

// check validates what a scenario says by itself, and compiles its
// expectations.
func (s *Scenario) check(d *tree.Decoder) {
	s.identity(d)
	if s.vague {
		return
	}
	const oneSeed, anotherSeed = 1, 2
	r, other := s.resolver(oneSeed), s.resolver(anotherSeed)
	sc := r.scenario(s, oneSeed)
	other.scenario(s, anotherSeed)
	d.Problems = append(d.Problems, r.d.Problems...)
	if !r.names.equal(other.names) {
		d.Report(s.at, "a label, or the name of a probe, is made of a random value", "use a fixed word")
	}
	if len(sc.Steps) == 0 {
		d.Report(s.at, fmt.Sprintf("scenario %q has no steps", s.ID), "add steps:")
	}
	s.scope = r.scope()
	s.expressions(d, r)
	for _, g := range s.given {
		if !r.used[g.name] {
			d.ReportNode(g.key, fmt.Sprintf("given %s is never used", g.name), "refer to it as ${"+g.name+"} or given."+g.name+", or remove it")
		}
	}
}

func (s *Scenario) identity(d *tree.Decoder) {
	if !dotted.MatchString(s.ID) {
		d.Report(s.where(d), fmt.Sprintf("the scenario id %q is no name", s.ID), "use lower-case letters, digits, _ and ., as pid.child_is_init")
	}
	translated(d, &s.body.Title, s.at, "title", "the title of scenario "+s.ID)
	features := slices.Collect(maps.Keys(Features()))
	for i, need := range s.body.Needs {
		if !slices.Contains(features, need) {
			d.Report(d.At(&s.body.Needs[i]), fmt.Sprintf("unknown need %q", need), tree.Suggest(need, features))
		}
	}
	if s.Root != "" && s.Root != scenario.RealRoot {
		d.Report(d.At(&s.body.Root), fmt.Sprintf("unknown root %q", s.Root), "write root: real, or leave it out")
	}
	if len(s.body.Expect) == 0 {
		d.Report(s.at, fmt.Sprintf("scenario %q expects nothing", s.ID), "add expect:, or nothing can fail")
	}
}

func (s *Scenario) where(d *tree.Decoder) tree.Pos {
	if at := d.At(&s.body.ID); at != (tree.Pos{}) {
		return at
	}
	return s.at
}

// expressions compiles each and tries it on an empty record, for what only an
// evaluation can tell: the files that it looks up, and what fails of itself.
func (s *Scenario) expressions(d *tree.Decoder, r *resolver) {
	env := s.scope.Env(&evidence.Record{}, r.values)
	for i := range s.Expect {
		e := &s.Expect[i]
		at := d.At(&e.That)
		if at == (tree.Pos{}) {
			at = d.At(e)
		}
		if e.Rule != "" && !slices.Contains(rules(), e.Rule) {
			d.Report(d.At(&e.Rule), fmt.Sprintf("unknown rule %q", e.Rule), tree.Suggest(e.Rule, rules()))
		}
		translated(d, &e.Hint, at, "hint", "the hint")
		translated(d, &e.Lesson, at, "lesson", "the lesson")
		pages(d, e.Read)
		if !e.Go.Hint.IsZero() {
			translated(d, &e.Go.Hint, at, "hint", "the hint for Go")
		}
		if !e.Go.Lesson.IsZero() {
			translated(d, &e.Go.Lesson, at, "lesson", "the lesson for Go")
		}
		pages(d, e.Go.Read)
		compiled, err := s.scope.Compile(e.That)
		if wrong, bad := errors.AsType[*expect.Error](err); bad {
			if d.At(&e.That) == at {
				at = d.Inside(&e.That, wrong.Line, wrong.Column)
			}
			of := fmt.Sprintf("column %d of it", wrong.Column)
			if wrong.Line > 1 {
				of = fmt.Sprintf("line %d, %s", wrong.Line, of)
			}
			d.Report(at, fmt.Sprintf("the expression does not hold together: %s (%s)", wrong.Message, of), "see `moulinette spec explain expressions`")
			continue
		}
		e.expr = compiled
		for name := range compiled.Given() {
			r.used[name] = true
		}
		for _, look := range compiled.Files(env) {
			r.watched(d, at, look)
		}
		if err := compiled.Broken(env); err != nil {
			d.Report(at, fmt.Sprintf("the expression cannot be evaluated: %v", err), "correct it: this fails whatever is handed in")
		}
	}
}

// watched reports a look at a file that is never looked at.
func (r *resolver) watched(d *tree.Decoder, at tree.Pos, look expect.Look) {
	if slices.Contains(r.names.watched[look.Probe], look.Path) {
		return
	}
	do := "add it to watch: of the scenario"
	if look.Probe != "" {
		do = "add it to watch: in the script of " + look.Probe
	}
	d.Report(at, fmt.Sprintf("the expression looks at the file %q, which is not watched", look.Path), do)
}

// problem is one at the head of a scenario, in its own file.
func (s *Scenario) problem(what, do string) Problem {
	return Problem{File: s.File, Line: s.at.Line, Column: s.at.Column, What: what, Do: do}
}

func pages(d *tree.Decoder, read []string) {
	for i, page := range read {
		if strings.TrimSpace(page) == "" {
			d.Report(d.At(&read[i]), "an empty entry in read", "name a manual page, as clone(2)")
		}
	}
}

// translated reports a text, that of key, which lacks a language.
func translated(d *tree.Decoder, t *Text, at tree.Pos, key, what string) {
	if own := d.At(t); own != (tree.Pos{}) {
		at = own
	}
	for _, l := range []struct{ name, text string }{{"fr", t.FR}, {"en", t.EN}} {
		if strings.TrimSpace(l.text) == "" {
			d.Report(at, fmt.Sprintf("%s lacks its %s text", what, l.name), "write "+key+": {fr: ..., en: ...}")
		}
	}
}

// checker validates one exercise as a whole.
type checker struct {
	ex    *Exercise
	d     *tree.Decoder
	known map[string]*Scenario
	// partial: some scenarios could not be read, so that nothing is missed.
	partial bool
}

// define makes scenarios known to the exercise; its own ones are checked here,
// since they share its file.
func (c *checker) define(scenarios []*Scenario) {
	for _, s := range present(scenarios) {
		if s.File == c.ex.File {
			s.check(c.d)
		}
		if first, taken := c.known[s.ID]; taken {
			c.d.Problems = append(c.d.Problems, s.problem(
				fmt.Sprintf("scenario id %q is taken by %s:%d", s.ID, path.Base(first.File), first.at.Line), "choose another"))
			continue
		}
		c.known[s.ID] = s
	}
}

func (c *checker) check() {
	c.card()
	rows := map[string]bool{}
	c.rows(c.ex.Rows, rows)
	c.rows(c.ex.Bonus, rows)
	c.points()
	c.requires()
	c.norm()
	c.inlineUsed()
	c.concepts()
	c.quiz()
}

// card checks what every spec has.
func (c *checker) card() {
	ex, d := c.ex, c.d
	if !dotted.MatchString(ex.Name) {
		d.Report(c.placed(&ex.Name), fmt.Sprintf("the name %q is no name", ex.Name), "add name: with lower-case letters, digits, _ and -")
	}
	c.passing()
	if !ex.Draft {
		translated(d, &ex.Title, top(), "title", "the title")
		c.edgeCases()
	}
}

// passing wants a score that not everybody reaches. A draft, which grades nobody, may
// leave it open.
func (c *checker) passing() {
	score, at := c.ex.PassingScore, c.placed(&c.ex.PassingScore)
	switch {
	case score >= 1 && score <= 100, score == 0 && c.ex.Draft, c.misread(&c.ex.PassingScore):
	case at != top():
		c.d.Report(at, fmt.Sprintf("a passing score of %d", score), "give passing_score: from 1 to 100")
	default:
		c.d.Report(at, "there is no passing score, so 0 points would pass", "add passing_score: from 1 to 100")
	}
}

// misread tells whether a value is given and was not understood: what it is then is not
// what anybody wrote.
func (c *checker) misread(pointer any) bool {
	at := c.d.At(pointer)
	return at != (tree.Pos{}) && c.d.Reported(at)
}

// top is the head of a file.
func top() tree.Pos { return tree.Pos{Line: 1, Column: 1} }

// placed is the place of a value, or the head of the file.
func (c *checker) placed(pointer any) tree.Pos {
	if at := c.d.At(pointer); at != (tree.Pos{}) {
		return at
	}
	return top()
}

func (c *checker) edgeCases() {
	seen := map[string]bool{}
	for i := range c.ex.Driver.EdgeCases {
		e := &c.ex.Driver.EdgeCases[i]
		if e.Name == "" || seen[e.Name] {
			c.d.Report(c.d.At(e), fmt.Sprintf("edge case %q has no name of its own", e.Name), "give it one")
		}
		seen[e.Name] = true
		if e.IsTrap && e.TrapExplanation == "" {
			c.d.Report(c.d.At(e), fmt.Sprintf("the trap %q is not explained", e.Name), "add trap_explanation:")
		}
	}
}

// use marks a scenario as used by this exercise.
func (c *checker) use(id *string, at tree.Pos) {
	if own := c.d.At(id); own != (tree.Pos{}) {
		at = own
	}
	s, ok := c.known[*id]
	if !ok && !c.partial {
		do := "write it under scenarios:, or name the file that has it under use:"
		if len(c.known) > 0 {
			do = tree.Suggest(*id, slices.Collect(maps.Keys(c.known))) + " (a file of scenarios is known once it stands under use:)"
		}
		c.d.Report(at, fmt.Sprintf("unknown scenario %q", *id), do)
	}
	if !ok {
		return
	}
	c.ex.Scenarios[*id] = s
}

func (c *checker) inlineUsed() {
	for _, s := range present(c.ex.Inline) {
		if c.ex.Scenarios[s.ID] == nil {
			c.d.Report(s.at, fmt.Sprintf("scenario %q is used by no row", s.ID), "add it to a row, or remove it")
		}
	}
}

func (c *checker) concepts() {
	known := map[string]bool{}
	for i := range c.ex.Concepts {
		concept := &c.ex.Concepts[i]
		if concept.ID == "" || known[concept.ID] {
			c.d.Report(c.d.At(concept), fmt.Sprintf("concept %q has no id of its own", concept.ID), "give it one")
		}
		known[concept.ID] = true
		translated(c.d, &concept.Title, c.d.At(concept), "title", "the title of concept "+concept.ID)
	}
	exercised := map[string]bool{}
	for _, s := range c.ex.Scenarios {
		for _, id := range s.Concepts {
			exercised[id] = true
			if !known[id] {
				c.d.Problems = append(c.d.Problems, s.problem(fmt.Sprintf("scenario %q exercises the unknown concept %q", s.ID, id),
					tree.Suggest(id, slices.Collect(maps.Keys(known)))))
			}
		}
	}
	for i := range c.ex.Concepts {
		if id := c.ex.Concepts[i].ID; !exercised[id] && !c.ex.Draft && !c.partial {
			c.d.Report(c.d.At(&c.ex.Concepts[i]), fmt.Sprintf("concept %q is exercised by no scenario of this exercise", id), "name it in concepts: of a scenario")
		}
	}
}

func (c *checker) quiz() {
	const options = 10
	for i := range c.ex.Quiz {
		q := &c.ex.Quiz[i]
		at := c.d.At(q)
		translated(c.d, &q.Question, at, "question", "the question")
		translated(c.d, &q.Explanation, at, "explanation", "the explanation")
		if len(q.Options) != options {
			c.d.Report(at, fmt.Sprintf("a question with %d options", len(q.Options)), "give ten, A to J")
		}
		for j := range q.Options {
			translated(c.d, &q.Options[j], at, "each of options", "option "+string(rune('A'+j)))
		}
		if len(q.Answer) != 1 || q.Answer[0] < 'A' || int(q.Answer[0]-'A') >= options {
			c.d.Report(at, fmt.Sprintf("the answer %q is no option", q.Answer), "give a letter from A to J")
		}
	}
}
