package grader_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "moulinette/"

// room is a kind of place in the architecture; it says which packages of others
// have no business there.
type room string

// The rooms of the house.
const (
	data   room = "data"   // YAML and the file that embeds it
	graded room = "graded" // what a submission is made of
	pure   room = "pure"   // values and functions: no files, no processes, no network
	kernel room = "kernel" // talks to the kernel, beside or in a box: small
	host   room = "host"   // everything else
)

// banned are imports, by path and below, that a room does not take.
var banned = map[room][]string{
	data:   {"os", "syscall", "net", "golang.org/x/sys"},
	pure:   {"os", "syscall", "net", "golang.org/x/sys"},
	kernel: {"gopkg.in/yaml.v3", "github.com/expr-lang/expr", "net/http"},
}

// place is a package's room and what it may import of ours.
type place struct {
	room room
	may  []string
}

// house is the architecture: the packages in the order of a row's journey.
var house = map[string]place{
	"specs":     {data, nil},
	"mutants":   {data, nil},
	"reference": {graded, []string{"grader/contract"}},
	"student":   {graded, []string{"grader/contract"}},

	"grader/contract":    {graded, nil},
	"grader/lack":        {pure, nil},
	"grader/scenario":    {pure, nil},
	"grader/evidence":    {pure, nil},
	"grader/spec/tree":   {pure, nil},
	"grader/spec/expect": {pure, []string{"grader/evidence", "grader/scenario", "grader/spec/tree"}},
	"grader/spec":        {pure, []string{"grader/scenario", "grader/evidence", "grader/spec/tree", "grader/spec/expect"}},
	"grader/judge":       {pure, []string{"grader/spec", "grader/evidence", "grader/scenario"}},
	"grader/report":      {pure, []string{"grader/spec", "grader/judge"}},

	"grader/box/puppet":   {kernel, nil},
	"grader/fault/caller": {kernel, nil},

	"grader/observe": {kernel, []string{"grader/evidence"}},
	"grader/fault":   {kernel, []string{"grader/scenario", "grader/evidence", "grader/fault/caller"}},
	"grader/box":     {kernel, []string{"grader/scenario", "grader/box/puppet"}},
	"grader/agent":   {kernel, []string{"grader/scenario", "grader/evidence", "grader/box", "grader/observe", "grader/fault", "grader/probe"}},
	"grader/probe":   {kernel, []string{"grader/scenario"}},
	"grader/driver":  {kernel, []string{"grader/contract", "grader/scenario"}},

	"grader/submission/c17":      {pure, nil},
	"grader/submission":          {host, []string{"grader/submission/c17"}},
	"grader/submission/norm":     {host, []string{"grader/submission", "grader/submission/c17"}},
	"grader/build/cache":         {host, []string{"grader/lack"}},
	"grader/build/jail":          {kernel, nil},
	"grader/build/cell":          {host, []string{"grader/build/jail"}},
	"grader/build/words":         {host, []string{"grader/lack", "grader/submission"}},
	"grader/build":               {host, []string{"grader/lack", "grader/submission", "grader/submission/c17", "grader/build/cache", "grader/build/cell", "grader/build/jail", "grader/build/words"}},
	"grader/sandbox":             {host, []string{"grader/scenario", "grader/evidence"}},
	"grader/sandbox/conformance": {host, []string{"grader/scenario", "grader/evidence", "grader/sandbox"}},
	"grader/sandbox/fake":        {host, []string{"grader/scenario", "grader/evidence", "grader/sandbox"}},
	"grader/sandbox/ns":          {host, []string{"grader/lack", "grader/scenario", "grader/evidence", "grader/sandbox", "grader/agent", "grader/box"}},
	"grader/sandbox/vm/image":    {host, []string{"grader/lack"}},
	"grader/sandbox/vm/guest":    {kernel, nil},
	"grader/sandbox/vm/qemu":     {host, nil},
	"grader/sandbox/vm": {host, []string{
		"grader/lack", "grader/scenario", "grader/evidence", "grader/sandbox", "grader/agent", "grader/box", "grader/observe",
		"grader/sandbox/vm/image", "grader/sandbox/vm/guest", "grader/sandbox/vm/qemu",
	}},
	"grader/run": {host, []string{"grader/scenario", "grader/evidence", "grader/sandbox"}},
	"grader": {host, []string{
		"grader/lack", "grader/scenario", "grader/evidence", "grader/sandbox", "grader/spec", "grader/judge", "grader/submission", "grader/submission/norm", "grader/build", "grader/run",
	}},
	"grader/mutate": {host, []string{"grader/spec", "grader/spec/tree", "grader/submission", "grader/submission/c17", "grader/scenario"}},
	"grader/mutate/verify": {host, []string{
		"grader", "grader/mutate", "grader/spec", "grader/judge", "grader/submission", "grader/build", "grader/sandbox", "grader/run", "grader/scenario", "grader/evidence",
	}},
	"grader/mutate/matrix": {host, []string{"grader/mutate", "grader/mutate/verify", "grader/spec", "grader/spec/tree", "grader/judge", "grader/submission"}},
	"tests":                {host, []string{"*"}}, // batteries are built and judged as submissions are

	// Wiring: it knows everybody.
	"grader/cmd/moulinette": {host, []string{"*"}},
	"grader/cmd/agent":      {kernel, []string{"grader/agent", "grader/box", "grader/probe", "grader/scenario", "grader/build/jail", "grader/sandbox/vm/guest"}},
	"grader/cmd/autograder": {host, []string{"grader/sandbox/vm/image"}},
}

// TestImportsKeepToTheirRooms holds every package to its place. Tests may import
// what they like.
func TestImportsKeepToTheirRooms(t *testing.T) {
	for dir, imports := range packages(t, "..") {
		home, ok := house[placeOf(dir)]
		if !ok {
			t.Errorf("package %s has no place in the house; give it one in this file and in the design", dir)
			continue
		}
		for imported, file := range imports {
			if own, ok := strings.CutPrefix(imported, module); ok {
				if !home.takes(dir, own) {
					t.Errorf("%s: %s may not import %s; it may import %q", file, dir, own, home.may)
				}
				continue
			}
			for _, ban := range banned[home.room] {
				if imported == ban || strings.HasPrefix(imported, ban+"/") {
					t.Errorf("%s: %s is %s and may not import %s", file, dir, home.room, imported)
				}
			}
		}
	}
}

// takes tells whether the package in dir may import another of ours.
func (p place) takes(dir, own string) bool {
	return slices.Contains(p.may, own) || slices.Contains(p.may, "*") || strings.HasPrefix(own, placeOf(dir)+"/") && p.room == graded
}

// placeOf is the row of the house that a folder belongs to: packages below
// reference, student and tests live with them.
func placeOf(dir string) string {
	if top, _, _ := strings.Cut(dir, "/"); top == "reference" || top == "student" || top == "tests" {
		return top
	}
	return dir
}

// packages finds each package of the module and what its files import,
// whatever they are built for, with one file that does so.
func packages(t *testing.T, root string) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		base := path.Base(filepath.ToSlash(name))
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "bin"):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(rel))
		if found[dir] == nil {
			found[dir] = map[string]string{}
		}
		return importsOf(name, found[dir])
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func importsOf(file string, into map[string]string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	tree, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return err
	}
	for _, spec := range tree.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		into[name] = file
	}
	return nil
}
