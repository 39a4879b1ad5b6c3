package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moulinette/grader"
	"moulinette/grader/judge"
	"moulinette/grader/lack"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// gradeFlags are the flags of grade.
type gradeFlags struct {
	spec      string
	only      []string
	jobs      int
	timeout   time.Duration
	seed      uint64
	isolation isolation
	keep      string
	signKey   string
	sanitize  bool
	output    outputs
}

func (a *app) gradeCommand() *cobra.Command {
	var f gradeFlags
	cmd := &cobra.Command{
		Use:   "grade [DIR]",
		Short: "Grade the submission in a folder (default: the current one)",
		Example: `  moulinette grade ./student
  moulinette grade ./student --only pid_isolation --trace
  moulinette grade ./student --lang fr --report json=report.json --report junit=report.xml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = uint64(rand.Uint32())
			}
			return a.grade(cmd.Context(), folder(args), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.spec, "spec", defaultSpec, "exercise: a name (see spec list) or a YAML `file`")
	flags.StringArrayVar(&f.only, "only", nil, "only this row or scenario (repeatable)")
	flags.IntVar(&f.jobs, "jobs", 0, "scenarios side by side (default as many as keep the machine busy)")
	flags.DurationVar(&f.timeout, "timeout", 15*time.Minute, "limit on the whole grading")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the random values (default random)")
	f.isolation.flags(flags)
	flags.StringVar(&f.keep, "keep", "", "keep the records in this `folder`, for moulinette judge")
	flags.StringVar(&f.signKey, "sign-key", "", "sign JSON reports with the secret in this `file` (see verify-report)")
	flags.BoolVar(&f.sanitize, "sanitize", false, "of C: run it once more with the compiler's sanitizers, which name the line; costs no points")
	f.output.flags(flags)
	return cmd
}

// folder is the argument, or the current folder.
func folder(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

func (a *app) grade(ctx context.Context, dir string, f gradeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	var err error
	if f.output.key, err = signKey(f.signKey, f.output); err != nil {
		return err
	}
	ex, err := finished(f.spec)
	if err != nil {
		return err
	}
	if err := known(ex, f.spec, f.only); err != nil {
		return &failure{exitUsage, err}
	}
	if _, err := os.Stat(dir); err != nil {
		return a.unusable(dir, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, timeUp(spec.Text{FR: "la correction", EN: "the grading"}, f.timeout))
	defer cancel()
	place, err := a.place(ctx, f.isolation)
	if err != nil {
		return err
	}
	defer place.close()
	progress := a.progress(len(judge.Needed(ex, f.only)))
	var kept bytes.Buffer
	options := grader.Options{
		Exercise: ex, Only: f.only, Submission: dir, Builder: place.builder, Opener: place.opener,
		Seed: f.seed, Jobs: f.jobs, Progress: progress,
	}
	if f.keep != "" {
		options.Keep = &kept
	}
	sheet, err := grader.Grade(ctx, options)
	progress.end()
	if err != nil {
		return a.unusable(dir, ended(ctx, err))
	}
	var notSanitized error // which costs no grading
	if f.sanitize && sheet.Build == nil {
		told, err := grader.Sanitize(ctx, options)
		if err != nil {
			notSanitized = a.unusable(dir, fmt.Errorf("--sanitize: %w", ended(ctx, err)))
		}
		sheet.Notices = append(sheet.Notices, told...)
	}
	// What is kept comes first: a reader of stdout who leaves (| head) ends this program.
	var notKept error
	if f.keep != "" {
		name := fmt.Sprintf("%s-%s-%d", ex.Name, slug(dir), f.seed)
		if err := keep(filepath.Join(f.keep, name), kept.Bytes()); err != nil {
			notKept = fault("--keep %s: %w", f.keep, err)
		}
	}
	return worst([]error{a.hand(sheet, f.output), notKept, notSanitized})
}

// timeUp is the end of what --timeout allows.
func timeUp(what spec.Text, limit time.Duration) error {
	return &lack.Error{
		EN: fmt.Sprintf("the time limit of %s, %v, was reached (see --timeout)", what.EN, limit),
		FR: fmt.Sprintf("la limite de temps de %s, %v, est atteinte (voyez --timeout)", what.FR, limit),
	}
}

// ended names the limit that was reached, in place of what happened to be done then: a
// tool that was killed does not say by whom.
func ended(ctx context.Context, err error) error {
	tool, cause := (*exec.ExitError)(nil), context.Cause(ctx)
	if ctx.Err() != nil && (errors.Is(err, cause) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &tool)) {
		return cause
	}
	return err
}

// check refuses flags that make no sense before anything is done.
func (f gradeFlags) check() error {
	if err := f.isolation.check(); err != nil {
		return err
	}
	if f.jobs < 0 {
		return usage("--jobs %d: a number from 0 on", f.jobs)
	}
	if f.timeout <= 0 {
		return usage("--timeout %v: a time over 0", f.timeout)
	}
	if f.keep != "" {
		if err := checkFolder(f.keep); err != nil {
			return usage("--keep %s: %w", f.keep, err)
		}
	}
	return f.output.check()
}

// unusable says whose fault it is that there is no sheet.
func (a *app) unusable(dir string, err error) error {
	if wrong := (*submission.Unusable)(nil); errors.As(err, &wrong) {
		text, colon := wrong.EN, ": "
		if a.lang == "fr" {
			text, colon = wrong.FR, " : "
		}
		if wrong.Err != nil {
			text += colon + bare(wrong.Err).Error()
		}
		return &failure{exitUsage, unfit(dir + colon + text)}
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Op == "stat" && at.Path == dir {
		return a.noFolder(dir, at.Err)
	}
	return &failure{exitHarness, err}
}

// noFolder says why what is named is no folder that can be looked into.
func (a *app) noFolder(dir string, why error) error {
	if errors.Is(why, os.ErrNotExist) {
		return a.unusable(orEmpty(dir), submission.NoFolder(dir))
	}
	if a.lang == "fr" {
		return usage("%s : dossier illisible : %w", dir, why)
	}
	return usage("%s: no folder that can be read: %w", dir, why)
}

// unfit is an error about what was handed in.
type unfit string

// Error names the folder.
func (u unfit) Error() string { return string(u) }

// keep writes a kept grading under a name that no other has, were they written at the same
// moment: two students' folders may well be called the same.
func keep(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	name := path + ".json"
	for n := 2; ; n++ {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			name = fmt.Sprintf("%s-%d.json", path, n)
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.Close(), writeFile(name, data)); err != nil {
			return errors.Join(err, os.Remove(name))
		}
		return nil
	}
}

// slug makes a file name of a folder's.
func slug(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && slices.Contains([]byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"), byte(r)) {
			return r
		}
		return '_'
	}, filepath.Base(abs))
	return name[:min(len(name), 64)]
}
