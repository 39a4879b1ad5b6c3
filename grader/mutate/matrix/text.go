package matrix

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"

	"moulinette/grader/judge"
	"moulinette/grader/mutate/verify"
	"moulinette/grader/spec"
)

// writeText writes the kill matrix, mutants by scenarios, then the errors.
func writeText(w io.Writer, r *verify.Result, o Options) error {
	t := &text{r: r, o: o}
	t.group()
	if mutants := r.Mutants(); len(mutants) > 0 {
		for _, s := range mutants {
			t.name = max(t.name, utf8.RuneCountInString(s.ID))
		}
		if t.width() <= o.Width || o.Width == 0 {
			t.table(mutants)
		} else {
			t.lists(mutants)
		}
	}
	t.errors()
	t.summary()
	_, err := io.WriteString(w, t.out.String())
	return err
}

type text struct {
	r      *verify.Result
	o      Options
	out    strings.Builder
	groups []group
	name   int // width of the widest id
}

// group is the scenarios of one area.
type group struct {
	name string
	ids  []string
}

// group gathers the scenarios by the word before their point.
func (t *text) group() {
	places := map[string]int{}
	for _, id := range t.r.Scenarios {
		area, _, _ := strings.Cut(id, ".")
		i, known := places[area]
		if !known {
			i = len(t.groups)
			places[area] = i
			t.groups = append(t.groups, group{name: area})
		}
		t.groups[i].ids = append(t.groups[i].ids, id)
	}
}

func (t *text) width() int {
	n := t.name
	for _, g := range t.groups {
		n += 1 + max(len(g.ids), utf8.RuneCountInString(g.name))
	}
	return n
}

func (t *text) line(format string, values ...any) { fmt.Fprintf(&t.out, format+"\n", values...) }

func (t *text) paint(ink color.Attribute, s string) string {
	if !t.o.Color {
		return s
	}
	c := color.New(ink)
	c.EnableColor()
	return c.Sprint(s)
}

// in is a sentence in the reader's language.
func (t *text) in(fr, en string) string { return spec.Text{FR: fr, EN: en}.In(t.o.Lang) }

// table is one line a mutant, one letter a scenario.
func (t *text) table(mutants []*verify.Solution) {
	var head strings.Builder
	head.WriteString(strings.Repeat(" ", t.name))
	for _, g := range t.groups {
		fmt.Fprintf(&head, " %-*s", len(g.ids), g.name)
	}
	t.line("%s", strings.TrimRight(head.String(), " "))
	for _, s := range mutants {
		fmt.Fprintf(&t.out, "%-*s", t.name, s.ID)
		for _, g := range t.groups {
			t.out.WriteString(" ")
			for _, id := range g.ids {
				t.out.WriteString(t.mark(s.Cells[id]))
			}
			t.out.WriteString(strings.Repeat(" ", max(0, utf8.RuneCountInString(g.name)-len(g.ids))))
		}
		t.line("%s", t.tail(s))
	}
	t.line("")
	for _, g := range t.groups {
		t.line("%s: %s", g.name, strings.ReplaceAll(strings.Join(g.ids, " "), g.name+".", ""))
	}
	t.line("%s\n", t.in("K tué, comme prévu · k tué aussi · T tué par sa durée · - passe · ? non jugé · ! défaillance · . ne peut différer de la référence",
		"K killed, as named · k killed too · T killed by its time · - passes · ? not judged · ! harness fault · . cannot differ from the reference"))
}

// tail tells what a line of marks cannot: that it is alive, or that only its text
// gave it away.
func (t *text) tail(s *verify.Solution) string {
	if !dead(s) {
		return "  " + t.paint(color.FgRed, string(StatusOf(s)))
	}
	for _, c := range s.Cells {
		if c.Verdict == judge.Fail {
			return ""
		}
	}
	return "  " + t.in("norme : ", "norm: ") + strings.Join(s.Breaches(), " ")
}

func (t *text) mark(c verify.Cell) string {
	switch {
	case c.Verdict == judge.Fail && c.Hung:
		return t.paint(color.FgGreen, "T")
	case c.Verdict == judge.Fail && c.Named:
		return t.paint(color.FgGreen, "K")
	case c.Verdict == judge.Fail:
		return "k"
	case c.Verdict == judge.NotJudged && !c.Skipped:
		return t.paint(color.FgYellow, "?")
	case c.Verdict == judge.HarnessFault:
		return t.paint(color.FgRed, "!")
	case c.Verdict == "" || c.Skipped:
		return " "
	case c.Inferred:
		return "."
	}
	return "-"
}

// lists is the matrix for a narrow terminal: what killed each mutant.
func (t *text) lists(mutants []*verify.Solution) {
	for _, s := range mutants {
		t.line("%s%s", s.ID, t.tail(s))
		for _, id := range t.r.Scenarios {
			if s.Cells[id].Verdict == judge.Fail {
				t.line("  %s %s", t.mark(s.Cells[id]), id)
			}
		}
	}
	t.line("")
}

func (t *text) errors() {
	for _, e := range t.r.Errors {
		t.line("%s: %s: %s", e.Where(), t.paint(color.FgRed, string(e.Kind)), e.Text.In(t.o.Lang))
	}
	for _, f := range t.r.Faults {
		t.line("%s: %s", t.paint(color.FgRed, string(verify.HarnessFault)), f)
	}
	if len(t.r.Errors)+len(t.r.Faults) > 0 {
		t.line("")
	}
}

// summary is the last line; what stands there is true whatever the errors say.
func (t *text) summary() {
	count := map[verify.Kind]int{}
	gone := 0
	for _, s := range t.r.Solutions {
		if len(s.Cells) == 0 {
			continue
		}
		count[s.Kind]++
		if s.Kind == verify.Mutant && dead(s) {
			gone++
		}
	}
	verdict := t.paint(color.FgGreen, t.in("CONFORME", "VERIFIED"))
	if len(t.r.Errors)+len(t.r.Faults) > 0 {
		verdict = t.paint(color.FgRed, fmt.Sprintf(t.in("%d ERREUR(S)", "%d ERROR(S)"), len(t.r.Errors)+len(t.r.Faults)))
	}
	t.line(t.in("%s · mutants morts : %d sur %d · solutions admises : %d · scénarios : %d lancés, %d déjà vus, %d réussis en compagnie, %d sans différence possible, %d sans effet possible · compilation %.1f s, exécution %.1f s",
		"%s · %d of %d mutants dead · %d accepted solutions · scenarios: %d run, %d seen before, %d passed in company, %d that cannot differ, %d that can change no row · built in %.1f s, run in %.1f s"),
		verdict, gone, count[verify.Mutant], count[verify.Reference]+count[verify.Alternative],
		t.r.Ran, t.r.Reused, t.r.Company, t.r.Inferred, t.r.Skipped, t.r.Building.Seconds(), t.r.Running.Seconds())
	for _, a := range t.r.Absent {
		t.line("%s %s: %s", t.in("Non essayée ici :", "Not tried here:"), a.ID, a.Why)
	}
	if len(t.r.Absent) > 0 {
		t.line(t.in("Non essayés ici : %d", "Not tried here: %d"), len(t.r.Absent))
	}
	if onlyReferences(t.r) {
		t.line("%s", nothingElse().In(t.o.Lang))
	} else if t.r.Partial {
		t.line("%s", t.in("Vérification partielle : on n'a pas demandé si chaque scénario est nécessaire.",
			"A partial verification: whether every scenario is needed was not asked."))
	}
}

// place is what a report names when an error has no file.
func place(e verify.Error) string { return cmp.Or(e.File, e.Subject) }

// nothingElse is what onlyReferences means.
func nothingElse() spec.Text {
	return spec.Text{FR: "La référence ne tient pas : rien d'autre n'a été essayé.", EN: "The reference does not hold: nothing else was tried."}
}

// onlyReferences tells whether a reference was found wrong, so that nothing else was
// tried, though there was more.
func onlyReferences(r *verify.Result) bool {
	more, wrong := false, false
	for _, s := range r.Solutions {
		if s.Kind == verify.Reference {
			wrong = wrong || slices.ContainsFunc(r.Errors, func(e verify.Error) bool { return e.Subject == s.ID })
			continue
		}
		if len(s.Cells) > 0 {
			return false
		}
		more = true
	}
	return more && wrong
}
