package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fatih/color"

	"moulinette/grader/judge"
)

// Options say how a report is written.
type Options struct {
	Lang  string // fr; anything else is English
	Color bool   // text: ANSI colours
	Width int    // text: columns of the page; 0 means 80
	Trace bool   // text: show the traced system calls of failed scenarios
	Key   []byte // json: sign the report with it
}

// writeText writes the report that a student reads.
func writeText(w io.Writer, sheet *judge.Sheet, o Options) error {
	t := newText(o)
	t.header(sheet)
	t.faults(sheet)
	t.build(sheet)
	t.table(sheet)
	if sheet.Norm.Blocking { // it is why all points are lost
		t.norm(sheet)
	}
	if sheet.Build == nil { // else there is one thing to say
		t.failures(sheet)
		t.unjudged(sheet)
		t.concepts(sheet)
	}
	if !sheet.Norm.Blocking {
		t.norm(sheet)
	}
	t.notices(sheet)
	t.outcome(sheet)
	_, err := w.Write(t.buf.Bytes())
	return err
}

// text is a report under way.
type text struct {
	*paper
	words  words
	lang   string
	trace  bool
	taught map[string]bool // lessons written so far
}

func newText(o Options) *text {
	return &text{paper: newPaper(o), words: wordsIn(o.Lang), lang: o.Lang, trace: o.Trace, taught: map[string]bool{}}
}

func (t *text) header(s *judge.Sheet) {
	title := in(s.Title, t.lang)
	if title == "" {
		title = clean(s.Exercise)
	}
	t.para("", title, color.Bold)
	facts := []string{clean(s.Exercise), clean(s.Submission), clean(s.Language), clean(s.Isolation), fmt.Sprintf("%s %d", t.words.Seed, s.Seed)}
	t.para("", strings.Join(slices.DeleteFunc(facts, isEmpty), " · "), color.Faint)
}

// title begins a section.
func (t *text) title(s string, attrs ...color.Attribute) {
	t.line("")
	t.line(t.ink(s, append([]color.Attribute{color.Bold}, attrs...)...))
}

func (t *text) faults(s *judge.Sheet) {
	if len(s.Faults) == 0 {
		return
	}
	t.title("!! "+t.words.FaultsTitle+" !!", color.FgRed)
	t.para("  ", t.words.FaultsText)
	for _, f := range folded(allIn(s.Faults, t.lang)) {
		t.para("  - ", f, color.FgRed)
	}
}

func (t *text) build(s *judge.Sheet) {
	if s.Build == nil {
		return
	}
	t.title(t.words.BuildTitle, color.FgRed)
	t.para("  ", in(s.Build.Reason, t.lang))
	t.quote("  ", cleanLines(s.Build.Output, false))
}

// table is the point table with a verdict for each row.
func (t *text) table(s *judge.Sheet) {
	t.line("")
	rows := slices.Concat(s.Rows, s.Bonus)
	name := columns(t.words.Row)
	for _, r := range rows {
		name = max(name, columns(in(r.Title, t.lang)))
	}
	name = min(name, t.width-28)
	t.line(t.ink("  "+pad(t.words.Row, name)+"  "+padLeft(t.words.Points)+"  "+t.words.Verdict, color.Faint))
	for _, r := range s.Rows {
		t.row(r, name)
	}
	t.line("  " + pad(t.words.Score, name) + "  " + t.ink(padLeft(ratio(s.Score, s.MaxScore)), color.Bold))
	for _, r := range s.Bonus {
		t.row(r, name)
	}
	if s.BonusMax > 0 {
		t.line("  " + pad(t.words.Bonus, name) + "  " + padLeft(ratio(s.BonusEarned, s.BonusMax)))
	}
}

func (t *text) row(r judge.Row, name int) {
	title := wrap(disarm(in(r.Title, t.lang)), name)
	mark, attr := markOf(r.Verdict)
	t.line(t.ink(mark, attr) + " " + pad(title[0], name) + "  " + padLeft(ratio(r.Earned, r.Points)) +
		"  " + t.ink(t.words.verdict(r.Verdict), attr))
	for _, more := range title[1:] {
		t.line("  " + more)
	}
}

// norm lists what the norm found, and says so when it found nothing.
func (t *text) norm(s *judge.Sheet) {
	if s.Build != nil && len(s.Norm.Findings) == 0 {
		return
	}
	t.line("")
	if len(s.Norm.Findings) == 0 {
		t.line(t.ink(t.words.NormTitle, color.Bold) + "  " + t.words.NormOK)
		return
	}
	t.line(t.ink(t.words.NormTitle, color.Bold))
	for _, f := range together(s.Norm.Findings) {
		message, attr := in(f.Message, t.lang), color.FgYellow
		if where := clean(f.Where); where != "" {
			message = where + ": " + message
		}
		if f.Blocking {
			message, attr = "["+t.words.Blocking+"] "+message, color.FgRed
		}
		t.para("  - ", message, attr)
	}
	if s.Norm.Blocking {
		t.para("  ", t.words.Blocked)
	}
}

// together makes one of findings that say the same, of several places; what blocks comes
// first.
func together(findings []judge.Finding) (all []judge.Finding) {
	for _, f := range findings {
		at := slices.IndexFunc(all, func(other judge.Finding) bool { return f.Message == other.Message && f.Blocking == other.Blocking })
		if at < 0 {
			all = append(all, f)
		} else if f.Where != "" {
			all[at].Where += ", " + f.Where
		}
	}
	slices.SortStableFunc(all, func(a, b judge.Finding) int {
		switch {
		case a.Blocking == b.Blocking:
			return 0
		case a.Blocking:
			return -1
		}
		return 1
	})
	return all
}

func (t *text) concepts(s *judge.Sheet) {
	if len(s.Concepts) == 0 {
		return
	}
	var mastered, todo, unseen []string
	for _, c := range s.Concepts {
		name := clean(cmp.Or(c.Title.In(t.lang), c.ID))
		switch {
		case c.Judged && c.Mastered:
			mastered = append(mastered, name)
		case c.Judged:
			todo = append(todo, name)
		default:
			unseen = append(unseen, name)
		}
	}
	t.title(t.words.ConceptsTitle)
	t.fields("  ", []field{
		{t.words.Mastered, strings.Join(mastered, " · "), []color.Attribute{color.FgGreen}},
		{t.words.ToWorkOn, strings.Join(todo, " · "), nil},
		{t.words.NotShown, strings.Join(unseen, " · "), []color.Attribute{color.Faint}},
	})
}

func (t *text) notices(s *judge.Sheet) {
	if len(s.Notices) > 0 {
		t.title(t.words.NoteTitle)
	}
	for _, n := range s.Notices {
		t.para("  - ", in(n, t.lang))
	}
	if t.trace && len(s.Environment) > 0 {
		t.title(t.words.EnvironmentTitle)
		var list []field
		for _, key := range slices.Sorted(maps.Keys(s.Environment)) {
			list = append(list, field{clean(key), clean(s.Environment[key]), nil})
		}
		t.fields("  ", list)
	}
}

// outcome is the last line: passed or not, and what it is worth.
func (t *text) outcome(s *judge.Sheet) {
	name, attr, closing := t.words.Failed, color.FgRed, t.words.ClosingFail
	switch {
	case s.Passed == nil:
		name, attr, closing = t.words.Undecided, color.FgYellow, t.words.UndecidedText
	case *s.Passed:
		name, attr, closing = t.words.Passed, color.FgGreen, t.words.ClosingPass
	case s.Build != nil:
		closing = t.words.ClosingBuild
	case s.Norm.Blocking:
		closing = t.words.ClosingNorm
	}
	t.line("")
	worth := []string{t.ink(name, attr, color.Bold), fmt.Sprintf("%s (≥ %d)", ratio(s.Score, s.MaxScore), s.PassingScore)}
	if s.BonusMax > 0 {
		worth = append(worth, t.words.Bonus+" "+ratio(s.BonusEarned, s.BonusMax))
	}
	if s.XP > 0 {
		worth = append(worth, fmt.Sprintf(t.words.XP, s.XP))
	}
	t.line(strings.Join(worth, " · "))
	t.para("", closing)
}

// markOf is a verdict as one character and a colour.
func markOf(v judge.Verdict) (string, color.Attribute) {
	switch v {
	case judge.Pass:
		return "✓", color.FgGreen
	case judge.Fail:
		return "✗", color.FgRed
	case judge.NotJudged:
		return "–", color.FgYellow
	case judge.HarnessFault:
		return "!", color.FgMagenta
	}
	return "?", color.FgMagenta
}

func ratio(got, of int) string { return fmt.Sprintf("%d/%d", got, of) }

func isEmpty(s string) bool { return s == "" }

// folded puts together faults, each "PLACE: CAUSE", that have the same cause.
func folded(list []string) []string {
	places := map[string][]string{}
	var causes []string
	for _, f := range list {
		place, cause, ok := strings.Cut(f, ": ")
		if !ok {
			place, cause = "", f
		}
		if places[cause] == nil {
			causes = append(causes, cause)
		}
		if !slices.Contains(places[cause], place) {
			places[cause] = append(places[cause], place)
		}
	}
	for i, cause := range causes {
		if where := strings.Join(places[cause], ", "); where != "" {
			causes[i] = cause + " [" + where + "]"
		}
	}
	return causes
}
