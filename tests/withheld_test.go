package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

// byMknodAlone: a submission that makes devices by mknod alone, as root of a real machine could,
// loses nothing by the sandbox of an ordinary user: what only that sandbox refuses
// is not judged, and everything else is.
func byMknodAlone(t *testing.T, o *ordinary) {
	o.become(t, "proc_after_pivot")
	s, code := o.grade(t, "truman_container", "subids")
	if len(s.Faults) > 0 || s.Score+s.Unjudged != 100 || s.Unjudged == 0 || code != 0 && code != 3 {
		t.Errorf("exit %d, %+v; want every point earned or not judged, and some of them not", code, s)
	}
	for _, r := range s.Rows {
		refused := strings.Contains(r.Reason, "mknod") || strings.Contains(r.Reason, "mount proc")
		if r.Verdict == "fail" || r.Verdict == "not_judged" && !refused {
			t.Errorf("row %s: %s %q; want it passed, or not judged for what was refused", r.ID, r.Verdict, r.Reason)
		}
	}
}

// become makes an accepted alternative of the copy of the reference.
func (o *ordinary) become(t *testing.T, id string) {
	t.Helper()
	reference, err := submission.Open("../reference")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := mutate.Load(mutate.Source{
		Reference: reference.Files, Alternatives: mutate.Place{FS: os.DirFS("../reference/alternatives"), Name: "alternatives"},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(catalog.Alternatives, func(a *mutate.Alternative) bool { return a.ID == id })
	if at < 0 {
		t.Fatalf("no alternative %s", id)
	}
	files, err := catalog.Alternatives[at].Apply(reference.Files)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(o.dir, "reference", name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must(t, exec.Command("chown", "-R", "0", o.dir))
	o.warm(t)
}
