package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"moulinette/grader/lack"
	"moulinette/grader/report"
	"moulinette/grader/spec"
)

// gradescopeFlags are the flags of gradescope; what Gradescope gives is in fixed
// places.
type gradescopeFlags struct {
	submission, results string
	grade               gradeFlags
}

func (a *app) gradescopeCommand() *cobra.Command {
	f := gradescopeFlags{grade: gradeFlags{output: outputs{format: "text"}}}
	f.grade.isolation.reuse = true // the container around them is thrown away
	cmd := &cobra.Command{
		Use:   "gradescope",
		Short: "Grade as a Gradescope autograder does: what run_autograder calls",
		Long: `gradescope grades what was handed in, in whichever sandbox its container allows, and
writes results.json: first that grading has begun, so that there is something to read
whatever happens, and at the end the grading, or why there is none.
The exit code is 0 as soon as results.json says what happened.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.grade.seed = uint64(rand.Uint32())
			return a.gradescope(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.submission, "submission", "/autograder/submission", "folder with what was handed in")
	flags.StringVar(&f.results, "results", "/autograder/results/results.json", "file to write")
	flags.StringVar(&f.grade.spec, "spec", defaultSpec, "exercise: a name (see spec list) or a YAML `file`")
	flags.StringArrayVar(&f.grade.only, "only", nil, "only this row or scenario (repeatable); the assignment is worth the points of its rows")
	f.grade.isolation.flags(flags)
	flags.IntVar(&f.grade.jobs, "jobs", 0, "scenarios side by side (default as many as keep the machine busy)")
	flags.DurationVar(&f.grade.timeout, "timeout", 9*time.Minute, "limit on the grading; below Gradescope's own, after which nobody reads results.json")
	return cmd
}

var (
	noteBegun = spec.Text{
		FR: "La correction a commencé et n'est pas arrivée à sa fin : le conteneur a été arrêté trop tôt. Ce n'est pas la faute de ce travail ; demandez à relancer la correction.",
		EN: "Grading has begun and did not come to its end: the container was stopped too early. That is no fault of this work; ask for it to be graded again.",
	}
	noteOurs = spec.Text{
		FR: "La moulinette ou cette machine a failli, pas ce travail : le zéro n'est pas une note. Montrez ceci à l'enseignant, qui relancera la correction :",
		EN: "The moulinette or this machine failed, not this work: the zero is not a grade. Show this to the instructor, who will have it graded again:",
	}
	noteTheirs = spec.Text{
		FR: "Ce rendu ne peut pas être corrigé :",
		EN: "What was handed in cannot be graded:",
	}
)

func (a *app) gradescope(ctx context.Context, f gradescopeFlags) error {
	if err := a.note(f.results, noteBegun, nil); err != nil {
		return err
	}
	f.grade.output.reports = []string{"gradescope=" + f.results}
	a.stdout = unheard{a.stdout}
	err := a.grade(ctx, f.submission, f.grade)
	why := noteOurs
	var said *failure
	var theirs unfit
	switch {
	case err == nil, errors.As(err, &said) && said.err == nil:
		return nil // the report has said everything
	case ctx.Err() != nil:
		err = errInterrupted
	case errors.As(err, &theirs):
		why = noteTheirs
	}
	fmt.Fprintln(a.stderr, report.Clean(lack.In(a.lang, err)))
	return a.note(f.results, why, err)
}

// unheard is stdout, where it is results.json that counts: what cannot be written there
// is told by the exit code alone, and costs no grading.
type unheard struct{ io.Writer }

// Write writes what it can.
func (u unheard) Write(data []byte) (int, error) {
	_, _ = u.Writer.Write(data)
	return len(data), nil
}

// note writes a results.json without a grading.
func (a *app) note(path string, why spec.Text, err error) error {
	text := []string{why.In(a.lang)}
	if err != nil {
		text = append(text, lack.In(a.lang, err))
	}
	var out bytes.Buffer
	if err := report.GradescopeNote(&out, strings.Join(text, "\n")); err != nil {
		return fault("results: %w", err)
	}
	if err := writeFile(path, out.Bytes()); err != nil {
		return fault("results: %w", err)
	}
	return nil
}
