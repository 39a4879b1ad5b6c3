package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moulinette/grader/mutate"
	"moulinette/grader/mutate/verify"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	specs                                     []string
	only                                      []string
	since                                     string
	reference, mutants, alternatives, student string
	jobs                                      int
	timeout                                   time.Duration
	seed                                      uint64
	isolation                                 isolation
	fresh                                     bool
	matrix                                    string
	output                                    tables
}

func (a *app) verifyCommand() *cobra.Command {
	f := verifyFlags{seed: 1, isolation: isolation{reuse: true}} // nothing that is verified is hostile
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the grading itself: the reference earns everything, each mutant loses its rows",
		Long: `verify grades what is known beforehand: the reference and its accepted
alternatives must earn everything, the skeleton nothing, and each mutant must
lose the rows that it names and no other. Every scenario must be needed.

Exit codes: 0 all is well; 1 something is not; 2 unusable flags, specs or
mutants; 3 fault of the harness or the host, or it cannot be judged here.`,
		Example: `  moulinette verify
  moulinette verify --spec ex02 --only pid_wrong_flag --only net_file_left_behind
  moulinette verify --since origin/main --format github
  moulinette verify --spec my.yaml --reference my/reference --mutants my/mutants --student my/student`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.specs, "spec", nil, "exercise: a name or a YAML file (repeatable; default all of ours)")
	flags.StringArrayVar(&f.only, "only", nil, "only this mutant or alternative (repeatable)")
	flags.StringVar(&f.since, "since", "", "only what changed since this revision of git")
	flags.StringVar(&f.reference, "reference", "reference", "folder of the reference")
	flags.StringVar(&f.mutants, "mutants", "mutants", "folder of the mutants")
	flags.StringVar(&f.alternatives, "alternatives", "", "folder of the accepted alternatives (default alternatives in that of the reference)")
	flags.StringVar(&f.student, "student", "student", "folder of the skeleton; empty: none")
	flags.IntVar(&f.jobs, "jobs", 0, "scenarios side by side (default as many as keep the machine busy)")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Minute, "limit on the whole verification")
	flags.Uint64Var(&f.seed, "seed", f.seed, "seed of the random values")
	f.isolation.flags(flags)
	flags.BoolVar(&f.fresh, "fresh", false, "run also what was seen before and has not changed")
	flags.StringVar(&f.matrix, "matrix", string(verify.Rows), "rows: which rows each mutant loses, and that every scenario is needed; full: and by which scenarios, each mutant tried alone; all: also what cannot differ from the reference")
	f.output.flags(flags)
	return cmd
}

func (a *app) verify(ctx context.Context, f verifyFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	o, err := f.load()
	if err != nil {
		return a.badInput(err)
	}
	if f.since != "" {
		if err := narrow(ctx, o, f.since); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, timeUp(spec.Text{FR: "la vérification", EN: "the verification"}, f.timeout))
	defer cancel()
	place, err := a.place(ctx, f.isolation)
	if err != nil {
		return err
	}
	defer place.close()
	o.Builder, o.Opener = place.builder, place.opener
	o.Builder.Timeout = 10 * time.Minute // of many submissions at once
	o.Records = filepath.Join(o.Builder.Cache, "records")
	if o.Agent, err = a.agentContent(); err != nil {
		return err
	}
	progress := a.verifyProgress()
	o.Progress = progress
	debug.SetGCPercent(400) // records by the thousand come and go
	debug.SetMemoryLimit(3 << 29)
	result, err := verify.Verify(ctx, *o)
	progress.end()
	if _, wrong := errors.AsType[verify.Unusable](err); wrong {
		return &failure{exitUsage, err}
	}
	if err != nil {
		return &failure{exitHarness, ended(ctx, err)}
	}
	return a.handTables(result, f.output)
}

func (f verifyFlags) check() error {
	if err := f.isolation.check(); err != nil {
		return err
	}
	if err := oneOf("matrix", f.matrix, verify.Matrices()); err != nil {
		return err
	}
	if f.jobs < 0 {
		return usage("--jobs %d: a number from 0 on", f.jobs)
	}
	if f.timeout <= 0 {
		return usage("--timeout %v: a time over 0", f.timeout)
	}
	return f.output.check()
}

// badInput keeps exit codes that are known and makes the others 2.
func (a *app) badInput(err error) error {
	var known *failure
	var wrong *submission.Unusable
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &wrong):
		return a.unusable(wrong.Path, err)
	}
	return &failure{exitUsage, err}
}

// load reads everything that is verified.
func (f verifyFlags) load() (*verify.Options, error) {
	o := &verify.Options{
		Seed: f.seed, Jobs: f.jobs, Fresh: f.fresh, Matrix: verify.Matrix(f.matrix), Only: f.only,
		Folders: map[string]string{}, Packages: map[string]*submission.Submission{},
	}
	known, err := f.exercises(o)
	if err != nil {
		return nil, err
	}
	if o.Reference, err = opened("reference", f.reference); err != nil {
		return nil, err
	}
	if f.student != "" {
		if o.Skeleton, err = opened("student", f.student); err != nil {
			return nil, err
		}
	}
	if err := f.inC(o); err != nil {
		return nil, err
	}
	if err := isFolder("mutants", f.mutants); err != nil {
		return nil, err
	}
	if f.alternatives == "" {
		f.alternatives = filepath.Join(f.reference, "alternatives") // which need not be there
	} else if err := isFolder("alternatives", f.alternatives); err != nil {
		return nil, err
	}
	reference := o.Reference.Submission.Files
	if c := o.ReferenceC.Submission; c != nil {
		reference = mutate.WithC17(reference, c.Files)
	}
	unbuilt := ""
	if !slices.ContainsFunc(f.specs, isFile) {
		unbuilt = builtIn
	}
	o.Catalog, err = mutate.Load(mutate.Source{
		Reference: reference, Exercises: known, Unbuilt: unbuilt,
		Mutants:      mutate.Place{FS: os.DirFS(f.mutants), Name: f.mutants},
		Alternatives: mutate.Place{FS: os.DirFS(f.alternatives), Name: f.alternatives},
	})
	if err := f.concerned(err); err != nil {
		return nil, err
	}
	if len(o.Catalog.Mutants) == 0 { // nothing would be verified, and pass
		return nil, usage("--mutants %s: no mutant (*.yaml) in this folder", f.mutants)
	}
	if err := f.choose(o); err != nil {
		return nil, err
	}
	return o, f.orphans(o)
}

// orphans tells of what is written in C where no reference in C is: it would be
// left out, and the rest pass.
func (f verifyFlags) orphans(o *verify.Options) error {
	file := o.Orphan()
	if file == "" {
		return nil
	}
	return usage("--reference %s: %s is in C, and there is no %s for it; add that folder, or remove what is in C (--mutants and --alternatives name other folders)",
		f.reference, file, filepath.Join(f.reference, mutate.C17Folder))
}

// isFolder tells why what a flag names is none.
func isFolder(flag, dir string) error {
	switch info, err := os.Stat(dir); {
	case err != nil:
		return submission.NoFolder("--" + flag + " " + dir)
	case !info.IsDir():
		return &submission.Unusable{
			Path: "--" + flag + " " + dir, FR: "un dossier est attendu, ceci n'en est pas un", EN: "a folder is expected, and this is none",
		}
	}
	return nil
}

// inC reads the reference and the skeleton in C, if there are any.
func (f verifyFlags) inC(o *verify.Options) (err error) {
	for _, place := range []struct {
		flag, dir string
		into      *verify.Folder
	}{{"reference", f.reference, &o.ReferenceC}, {"student", f.student, &o.SkeletonC}} {
		dir := filepath.Join(place.dir, mutate.C17Folder)
		if _, missing := os.Stat(dir); place.dir == "" || missing != nil {
			continue
		}
		if *place.into, err = opened(place.flag, dir); err != nil {
			return err
		}
	}
	return nil
}

// concerned leaves, of what is wrong in a catalog, what is about the chosen: who
// works on one mutant does not wait for another's file.
func (f verifyFlags) concerned(err error) error {
	var problems, left spec.Problems
	if len(f.only) == 0 || !errors.As(err, &problems) {
		return err
	}
	for _, p := range problems {
		if slices.Contains(f.only, strings.TrimSuffix(filepath.Base(p.File), ".yaml")) {
			left = append(left, p)
		}
	}
	return left.Err()
}

// exercises loads those to verify, and returns all that mutants may speak of.
func (f verifyFlags) exercises(o *verify.Options) (known []*spec.Exercise, err error) {
	names := f.specs
	if len(names) == 0 {
		names = ours()
	}
	var loaded []string // where each of known is from
	for i, name := range slices.Concat(names, ours()) {
		ex, err := exercise(name)
		if err != nil {
			return nil, err
		}
		if at := slices.IndexFunc(known, func(other *spec.Exercise) bool { return other.Name == ex.Name }); at >= 0 {
			if at < len(loaded) && i < len(names) && loaded[at] != filepath.Clean(name) {
				return nil, usage("--spec %s: its name is %s, as that of --spec %s; give it another", name, ex.Name, loaded[at])
			}
			continue
		}
		loaded = append(loaded, filepath.Clean(name))
		if known = append(known, ex); len(o.Exercises) < len(names) && slices.Contains(names, name) {
			o.Exercises = append(o.Exercises, ex)
		}
		if o.Folders[ex.Name] = "specs"; isFile(name) {
			o.Folders[ex.Name] = filepath.Dir(name)
		}
	}
	return known, nil
}

// opened reads a submission that is not a student's, the argument of a flag: one that
// is broken is a wrong argument.
func opened(flag, dir string) (verify.Folder, error) {
	if _, err := os.Stat(dir); err != nil {
		return verify.Folder{}, submission.NoFolder("--" + flag + " " + dir)
	}
	s, err := submission.Open(dir)
	if err != nil {
		return verify.Folder{}, fmt.Errorf("%s: %w", dir, err)
	}
	return verify.Folder{Name: dir, Submission: s}, nil
}

// choose opens whole packages, and leaves only what was asked for.
func (f verifyFlags) choose(o *verify.Options) error {
	for _, alternative := range o.Catalog.Alternatives {
		if !alternative.Dir {
			continue
		}
		s, err := submission.Open(alternative.File)
		if err != nil {
			return fmt.Errorf("%s: %w", alternative.File, err)
		}
		o.Packages[alternative.ID] = s
	}
	var known []string
	for _, m := range o.Catalog.Mutants {
		known = append(known, m.ID)
	}
	for _, alternative := range o.Catalog.Alternatives {
		known = append(known, alternative.ID)
	}
	for _, id := range f.only {
		if !slices.Contains(known, id) {
			return usage("--only %s: no such mutant or alternative%s", id, meant(id, known))
		}
	}
	return nil
}

// agentContent names the agent's content.
func (a *app) agentContent() (string, error) {
	path, err := a.agentPath()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fault("agent: %w", err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fault("agent: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
