package spec

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"moulinette/grader/spec/expect"
)

// Explain tells a reader about a row, a scenario, a concept, or one of the [Topics].
// Unknown ids give "".
func Explain(ex *Exercise, id, lang string) string {
	w := &words{lang: lang}
	for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
		if row.ID == id {
			w.row(row)
		}
	}
	for _, c := range ex.Concepts {
		if c.ID == id {
			w.concept(ex, c)
		}
	}
	if s := ex.Scenarios[id]; s != nil {
		w.scenario(s)
	}
	if topic := topics()[id]; topic != nil && w.Len() == 0 {
		topic(w)
	}
	return w.String()
}

// words writes in one language.
type words struct {
	strings.Builder
	lang string
}

func (w *words) line(format string, values ...any) { fmt.Fprintf(w, format+"\n", values...) }

func (w *words) in(fr, en string) string { return Text{fr, en}.In(w.lang) }

func (w *words) row(row Row) {
	w.line("%s - %s (%d points)", row.ID, row.Title.In(w.lang), row.Points)
	w.line("\n%s", row.Asks.In(w.lang))
	if row.Input != "" {
		w.line("%s %s -> %s", w.in("Appel :", "Call:"), row.Input, row.Expected.In(w.lang))
	}
	if len(row.Requires) > 0 {
		w.line("%s %s", w.in("Demande d'abord :", "Requires:"), strings.Join(row.Requires, ", "))
	}
	w.line("%s %s", w.in("Scénarios :", "Scenarios:"), strings.Join(row.Scenarios, ", "))
}

func (w *words) concept(ex *Exercise, c Concept) {
	w.line("%s - %s", c.ID, c.Title.In(w.lang))
	var ids []string
	for id, s := range ex.Scenarios {
		if slices.Contains(s.Concepts, c.ID) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	w.line("%s %s", w.in("Exercé par :", "Exercised by:"), strings.Join(ids, ", "))
}

func (w *words) scenario(s *Scenario) {
	w.line("%s - %s", s.ID, s.Title.In(w.lang))
	if len(s.Concepts) > 0 {
		w.line("%s %s", w.in("Concepts :", "Concepts:"), strings.Join(s.Concepts, ", "))
	}
	if len(s.Needs) > 0 {
		w.line("%s %s", w.in("Demande à la machine :", "Needs of the host:"), strings.Join(s.Needs, ", "))
	}
	w.section(w.in("Valeurs :", "Given:"), s.body.Given.node)
	w.section(w.in("Décor :", "World:"), s.body.World.node)
	w.section(w.in("Limites :", "Limits:"), s.body.Limits.node)
	w.section(w.in("Fichiers observés :", "Watched files:"), s.body.Watch.node)
	w.section(w.in("Fautes :", "Faults:"), s.body.Faults.node)
	w.section(w.in("Étapes :", "Steps:"), s.body.Steps.node)
	for _, e := range s.Expect {
		w.line("\n%s %s", w.in("Attendu :", "Expected:"), strings.Join(strings.Fields(e.That), " "))
		w.told("", Words{e.Hint, e.Lesson, e.Read})
		w.told(w.in("en Go, ", "in Go, "), e.Go)
	}
	if s.Keep != "" {
		w.line("\n%s %s", w.in("Gardé :", "Kept:"), s.Keep)
	}
}

// told shows what is said where an expectation is not true.
func (w *words) told(to string, say Words) {
	if !say.Hint.IsZero() {
		w.line("  %s%s %s", to, w.in("sinon :", "if not:"), say.Hint.In(w.lang))
	}
	if !say.Lesson.IsZero() {
		w.line("  %s%s %s", to, w.in("car :", "because:"), say.Lesson.In(w.lang))
	}
	if len(say.Read) > 0 {
		w.line("  %s%s %s", to, w.in("à lire :", "read:"), strings.Join(say.Read, ", "))
	}
}

// section shows a part of a scenario as its file has it.
func (w *words) section(title string, n *yaml.Node) {
	if n == nil {
		return
	}
	out, err := yaml.Marshal(n)
	if err != nil {
		return
	}
	w.line("\n%s", title)
	for line := range strings.Lines(string(out)) {
		w.WriteString("  " + line)
	}
}

type environmentName struct {
	name string
	is   Text
}

// environmentNames is what an expectation can speak of.
func environmentNames() []environmentName {
	return []environmentName{
		{"given.NAME", Text{"la valeur de ce nom, sous given:", "the value of that name, under given:"}},
		{"call", Text{"le dernier appel des étapes", "the last call of the steps"}},
		{"calls.LABEL", Text{"chacun d'eux : LABEL est son as:, sinon son nom (son_nom_2 s'il revient)", "each of them: LABEL is its as:, or else its name (its_name_2 when it comes again)"}},
		{"probe", Text{"la première sonde lancée, ou sinon la première cible", "the first probe that is started, or else the first target"}},
		{"probes.NAME", Text{"chacune d'elles", "each of them"}},
		{"before", Text{"tout, avant la première étape", "all there is, before the first step"}},
		{"after", Text{"tout, après la dernière", "all there is, after the last one"}},
		{"at.LABEL", Text{"tout, à l'étape observe: LABEL", "all there is, at the step observe: LABEL"}},
		{"driver", Text{"before.driver, le rendu avant la première étape ; ensuite : after.driver", "before.driver, the submission before the first step; later: after.driver"}},
		{"peer", Text{"before.peer, le reste de l'hôte avant la première étape ; ensuite : after.peer", "before.peer, the rest of the host before the first step; later: after.peer"}},
		{"end", Text{"comment le scénario s'est terminé", "how the scenario ended"}},
		{"output", Text{"ce qui a été écrit sur la sortie", "what was printed"}},
		{"faults", Text{"les fautes, dans l'ordre de faults:", "the faults, in the order of faults:"}},
		{"trace", Text{"les appels système, dans l'ordre", "the system calls, in their order"}},
		{"host", Text{"la machine, la même pour tous", "the machine, the same for all"}},
	}
}

func (w *words) language() {
	w.line("%s", w.in("Une attente est une expression vraie ou fausse sur ce que le noyau a montré.",
		"An expectation is an expression, true or false, over what the kernel has shown."))
	w.line("\n%s", w.in("Noms", "Names"))
	for _, n := range environmentNames() {
		w.line("  %-12s  %s", n.name, n.is.In(w.lang))
	}
	w.records()
	w.line("\n%s", w.in("Fonctions", "Functions"))
	for _, h := range expect.Helpers() {
		w.line("  %s\n      %s", h.Form, h.Doc)
	}
	w.line("\n%s", w.in("Le reste est la langue d'expr-lang.org : == != < && || ! in + matches, all any none filter map count len ...",
		"The rest is the language of expr-lang.org: == != < && || ! in + matches, all any none filter map count len ..."))
}
