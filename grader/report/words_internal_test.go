package report

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"moulinette/grader/judge"
)

func TestBothLanguagesSayEverything(t *testing.T) {
	en, fr := reflect.ValueOf(english), reflect.ValueOf(french)
	for i := range en.NumField() {
		name := en.Type().Field(i).Name
		e, f := en.Field(i).String(), fr.Field(i).String()
		if e == "" || f == "" {
			t.Errorf("%s: English %q, French %q", name, e, f)
		}
		if strings.Count(e, "%d") != strings.Count(f, "%d") {
			t.Errorf("%s: the two languages take other values: %q, %q", name, e, f)
		}
		for _, mark := range []string{" :", " ;", " !", " ?"} {
			if strings.Contains(f, mark) {
				t.Errorf("%s: %q breaks before %q; use a no-break space", name, f, mark)
			}
		}
	}
}

func TestEveryVerdictHasAName(t *testing.T) {
	for _, w := range []words{english, french} {
		for _, v := range []judge.Verdict{judge.Pass, judge.Fail, judge.NotJudged, judge.HarnessFault} {
			mark, _ := markOf(v)
			if w.verdict(v) == "?" || mark == "?" {
				t.Errorf("verdict %q: name %q, mark %q", v, w.verdict(v), mark)
			}
		}
		if w.verdict("") != "?" {
			t.Error("the zero verdict has a name")
		}
	}
}

// TestBroken: a compiler's sentence is not torn within a word that could be spared.
func TestBroken(t *testing.T) {
	got := broken("s.c:11:5: have 'int(void)' here", 20)
	if want := []string{"s.c:11:5: have ", "'int(void)' here"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

// TestUnbroken: no line begins with a mark that belongs to the word before it.
func TestUnbroken(t *testing.T) {
	got := wrap("la racine est « /work » : oui ?", 14)
	if want := []string{"la racine est", "« /work » :", "oui ?"}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestWrap(t *testing.T) {
	for _, text := range []string{"", "one two three four five six", strings.Repeat("界", 40), "é" + strings.Repeat("x", 50) + " y", strings.Repeat("\u0301", 300) + strings.Repeat("é", 99)} {
		if got := strings.Join(wrap(text, 12), ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("wrap(%q, 12) = %q: something is lost", text, got)
		}
		if got := strings.Join(broken(text, 12), ""); got != text {
			t.Errorf("broken(%q, 12) = %q: something is lost", text, got)
		}
		for _, line := range append(wrap(text, 12), broken(text, 12)...) {
			if !utf8.ValidString(line) {
				t.Errorf("wrap(%q, 12): line %q is cut within a character", text, line)
			}
			if ruler.StringWidth(line) > 12 {
				t.Errorf("wrap(%q, 12): line %q of %d columns", text, line, ruler.StringWidth(line))
			}
		}
	}
}

// The end of the compiler's longest sentence is what it is about.
func TestCompilersSentenceIsWhole(t *testing.T) {
	said := "christof.go:34:38: cannot use &studio{} (value of type *studio) as contract.Runtime value in return statement: " +
		"*studio does not implement contract.Runtime (ambiguous selector *studio.DemonstrateNetworkIsolation)"
	if got := cleanText(said, false); got != said {
		t.Errorf("got %q; want %q", got, said)
	}
}
