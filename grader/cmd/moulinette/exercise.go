package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"moulinette/grader/judge"
	"moulinette/grader/spec"
	"moulinette/grader/spec/tree"
	"moulinette/specs"
)

// defaultSpec is the exercise that is graded unless another is named.
const defaultSpec = "truman_container"

// exercise loads a spec: one of ours by its name, any other by its file.
func exercise(name string) (*spec.Exercise, error) {
	fsys, file := fs.FS(specs.FS), name+".yaml"
	if info, err := os.Stat(name); isFile(name) && err == nil && info.IsDir() {
		return nil, usage("spec %s: this is a folder; name the YAML file in it", name)
	}
	if isFile(name) {
		fsys, file = os.DirFS(filepath.Dir(name)), filepath.Base(name)
	} else if known := ours(); !slices.Contains(known, name) {
		return nil, usage("spec %s: there are %s; a file is named with its .yaml%s", orEmpty(name), strings.Join(known, ", "), meant(name, known))
	}
	ex, err := spec.Load(fsys, file)
	if err != nil {
		return nil, &failure{exitUsage, located(err, filepath.Dir(name))}
	}
	return ex, nil
}

// finished loads a spec to grade by: one without rows, as an imported one is at first,
// grades nobody.
func finished(name string) (*spec.Exercise, error) {
	ex, err := exercise(name)
	if err == nil && len(ex.Rows)+len(ex.Bonus) == 0 {
		return nil, usage("spec %s: this is a draft without rows, and grades nobody; add some, with their scenarios", name)
	}
	return ex, err
}

// isFile tells a file from the name of an exercise.
func isFile(name string) bool {
	return strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// ours are the names of the specs within the program.
func ours() []string {
	files, _ := fs.Glob(specs.FS, "*.yaml")
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".yaml")
	}
	return files
}

// located names files in problems from where the user stands.
func located(err error, dir string) error {
	var problems spec.Problems
	if dir == "." || !errors.As(err, &problems) {
		return err
	}
	moved := slices.Clone(problems)
	for i := range moved {
		moved[i].File = filepath.Join(dir, moved[i].File)
	}
	return moved
}

// builtIn is for whoever has written a row or a scenario and not built it in.
const builtIn = "our exercises are those of the last `make build`; --spec FILE takes a file as it is"

// known refuses names of rows and scenarios that the exercise, which was asked for as
// from, does not have.
func known(ex *spec.Exercise, from string, only []string) error {
	see := "see moulinette spec explain " + ex.Name
	if !isFile(from) {
		see += "; " + builtIn
	}
	for _, name := range only {
		if len(judge.Needed(ex, []string{name})) == 0 {
			return fmt.Errorf("--only %s: %s has no such row or scenario (%s)%s", orEmpty(name), ex.Name, see, meant(name, identifiers(ex)))
		}
	}
	return nil
}

// identifiers are the names of an exercise's rows and scenarios.
func identifiers(ex *spec.Exercise) []string {
	names := slices.Collect(maps.Keys(ex.Scenarios))
	for _, row := range slices.Concat(ex.Rows, ex.Bonus) {
		names = append(names, row.ID)
	}
	return names
}

// meant is what follows a refused word if it is nearly one that is known.
func meant(word string, known []string) string {
	if near := tree.Nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
