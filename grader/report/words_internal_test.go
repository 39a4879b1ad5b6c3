package report

import (
	"reflect"
	"strings"
	"testing"

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

func TestWrap(t *testing.T) {
	for _, text := range []string{"", "one two three four five six", strings.Repeat("界", 40), "é" + strings.Repeat("x", 50) + " y", strings.Repeat("\u0301", 30)} {
		for _, line := range wrap(text, 12) {
			if ruler.StringWidth(line) > 12 {
				t.Errorf("wrap(%q, 12): line %q of %d columns", text, line, ruler.StringWidth(line))
			}
		}
	}
}
