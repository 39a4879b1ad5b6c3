package verify_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"moulinette/grader"
	"moulinette/grader/build"
	"moulinette/grader/mutate"
	"moulinette/grader/mutate/verify"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// mutantsInC are what they are in Go, but for their edits.
var mutantsInC = map[string]string{
	"c_dies":      "same_as: dies_first\nedits: [{file: c17/linux_namespaces.c, from: 'spawn(child_fn, CLONE_NEWPID, arg)', to: 'spawn(child_fn, CLONE_NEWNS, arg)'}]\n",
	"c_survives":  "same_as: dies_too\nedits: [{file: c17/linux_namespaces.c, from: 'return propagate(path, MS_SLAVE);', to: 'return propagate(path, (unsigned long)MS_SLAVE);'}]\n",
	"c_no_build":  "same_as: dies_too\nedits: [{file: c17/linux_namespaces.c, from: 'return propagate(path, MS_SLAVE);', to: 'int unused; return propagate(path, MS_SLAVE);'}]\n",
	"c_elsewhere": "same_as: dies\nedits: [{file: c17/linux_namespaces.c, from: 'return propagate(path, MS_SLAVE);', to: 'return propagate(path, MS_PRIVATE);'}]\n",
}

// capable wants a header that not every host has.
const capable = "id: capable\ntitle: {fr: t, en: t}\nthought: {fr: t, en: t}\nedits: [{file: c17/linux_namespaces.c, from: \"#include <sys/mman.h>\\n\", " +
	"to: \"#include <sys/capability.h>\\n#include <sys/mman.h>\\n\"}, " +
	"{file: c17/linux_namespaces.c, from: 'return propagate(path, MS_SLAVE);', to: 'return (propagate(path, MS_SLAVE));'}]\nbonus: none\n"

func TestBothLanguages(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no gcc")
	}
	ex, inGo := exercise(t, nil), reference(t, "", "", "")
	inC, err := submission.Open("../../../reference/c17")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	only := []string{"capable"}
	for _, id := range []string{"dies", "dies_too", "dies_first"} {
		files[id+".yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(head, id) + mutants[id])}
	}
	for id, text := range mutantsInC {
		files[id+".yaml"] = &fstest.MapFile{Data: []byte("id: " + id + "\n" + text)}
		only = append(only, id)
	}
	catalog, err := mutate.Load(mutate.Source{
		Reference: mutate.WithC17(inGo.Files, inC.Files), Exercises: []*spec.Exercise{ex}, Mutants: mutate.Place{FS: files, Name: "mutants"},
		Alternatives: mutate.Place{FS: fstest.MapFS{"capable.yaml": &fstest.MapFile{Data: []byte(capable)}}, Name: "alternatives"},
	})
	if err != nil {
		t.Fatal(err)
	}
	agent := filepath.Join(dir, "agent")
	opener, err := ns.New(ns.Options{Agent: agent})
	if err != nil {
		t.Skip(err)
	}
	o := verify.Options{
		Exercises: []*spec.Exercise{ex}, Catalog: catalog, Reference: verify.Folder{Name: "reference", Submission: inGo},
		ReferenceC: verify.Folder{Name: "reference/c17", Submission: inC}, Only: only,
		Builder: &build.Builder{Cache: filepath.Join(dir, "cache"), Sources: grader.Sources(), Jail: agent},
		Opener:  opener, Seed: 1, Records: filepath.Join(dir, "records"),
	}
	r := verified(t, o)
	if r.Solutions[0].ID != mutate.ReferenceC {
		t.Errorf("first comes %s; want the reference in C, and the one in Go not at all", r.Solutions[0].ID)
	}
	kinds := map[string][]string{}
	for _, e := range r.Errors {
		kinds[e.Subject] = append(kinds[e.Subject], string(e.Kind))
	}
	for id, want := range map[string]string{
		"c_dies": "", "c_survives": "missing_kill survived missing_kill", "c_no_build": "build",
		"c_elsewhere": "missing_kill surplus_kill missing_kill", mutate.ReferenceC: "",
	} {
		if got := strings.Join(kinds[id], " "); got != want {
			t.Errorf("%s: errors %q; want %q", id, got, want)
		}
	}
	_, none := os.Stat("/usr/include/sys/capability.h")
	if absent := slices.ContainsFunc(r.Absent, func(a verify.Absent) bool { return a.ID == "capable" }); absent != (none != nil) || kinds["capable"] != nil {
		t.Errorf("absent %v, errors %q; want capable to be absent where its header is (%v), and nothing wrong with it", r.Absent, kinds["capable"], none)
	}
	o.Matrix = verify.All
	all := verified(t, o)
	if r.Inferred == 0 || all.Inferred != 0 {
		t.Errorf("inferred %d, then %d; want some, then none", r.Inferred, all.Inferred)
	}
	for i, s := range all.Solutions {
		for id, c := range s.Cells {
			if guess := r.Solutions[i].Cells[id]; guess.Inferred && guess.Verdict != c.Verdict {
				t.Errorf("%s, %s: %s; inferred was %s", s.ID, id, c.Verdict, guess.Verdict)
			}
		}
	}
}
