package verify

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

const accompanied = `package reference

type thing struct{}

func New() thing { return thing{} }

func (thing) InterfaceUp(name string) error {
	if name == "" {
		return nil
	}
	return up(name, count)
}

const count = 1

func up(name string, n int) error { return nil }
`

// inCompany is a reference and two mutants of it in one company, each but for one
// change as the reference.
func inCompany(t *testing.T, from, to string) (*verification, turn, *Solution) {
	t.Helper()
	v := tried(t, &Solution{ID: "reference", Kind: Reference})
	files := func(from, to string) submission.Files {
		return submission.Files{"a.go": []byte(strings.Replace(accompanied, from, to, 1))}
	}
	solution := func(id string, kind Kind, files submission.Files) *Solution {
		s := &Solution{ID: id, Kind: kind, files: files, language: submission.Go, graph: mutate.NewGraph(files)}
		return s
	}
	base := solution("reference", Reference, files("", ""))
	b := newBlend(base)
	m := solution("m", Mutant, files(from, to))
	m.base = base
	m.change = sync.OnceValue(m.compare)
	if !b.add(m) {
		t.Fatal("it is not taken in")
	}
	if err := b.open(); err != nil {
		t.Fatal(err)
	}
	v.sights = map[*Solution]*sight{base: {&b.noted, map[string]*notes{}}}
	return v, turn{b.company([]*Solution{m}), v.scenarios[0]}, m
}

// A member of a company is acquitted only if what it changes is known to have been
// executed.
func TestWhoTookPart(t *testing.T) {
	for _, test := range []struct {
		name, from, to      string
		executed            string // by the company, in the notes' own digit
		tookPart, reference bool
	}{
		{"a word", `name == ""`, `name == "x"`, "1", true, true},
		{"a word, not come to", `name == ""`, `name == "x"`, "0", false, true},
		{"a whole body", "up(name string, n int) error { return nil }", "up(name string, m int) error { _ = m; return nil }", "1", true, true},
		{"a whole body, not come to", "up(name string, n int) error { return nil }", "up(name string, m int) error { _ = m; return nil }", "0", false, true},
		{"a whole body, and no notes", "up(name string, n int) error { return nil }", "up(name string, m int) (err error) { err = nil; return }", "", false, true},
		{"what is no piece", "const count", "var count", "1", false, true},
		{"nobody comes to it", `name == ""`, `name == "x"`, "0", true, false},
	} {
		v, turn, m := inCompany(t, test.from, test.to)
		took := func(digit string) *notes {
			n := &notes{files: map[string]string{}, whole: true}
			for path, blank := range turn.cover.Files() {
				n.files[path] = strings.Repeat(digit, len(blank))
			}
			return n
		}
		digit := "0"
		if test.reference {
			digit = "1"
		}
		v.sights[m.base].seen[turn.scenario.ID] = took(digit)
		if got := v.tookPart(turn, m, took(test.executed)); got != test.tookPart {
			t.Errorf("%s: took part %v; want %v (%+v)", test.name, got, test.tookPart, m.change())
		}
	}
}

// Where no notes are left nothing is known of it.
func TestLostNotes(t *testing.T) {
	v, turn, _ := inCompany(t, `name == ""`, `name == "x"`)
	sc := v.scenarios[slices.IndexFunc(v.scenarios, func(s *shared) bool { return s.ID == "a.x" })]
	rec := recorded(sc.spec, "ok")
	if took := turn.notes(sc, rec); took != nil {
		t.Errorf("got %v; want no notes", took)
	}
	kept := map[string]evidence.File{}
	for path, text := range turn.cover.Files() {
		kept[path] = evidence.File{Content: text}
	}
	rec.At["after"] = evidence.Snapshot{Files: kept}
	if took := turn.notes(sc, rec); took == nil {
		t.Error("got no notes; want those of the record")
	}
}
