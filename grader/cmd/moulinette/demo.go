package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"moulinette/grader"
	"moulinette/grader/evidence"
	"moulinette/grader/report"
	"moulinette/grader/submission"
)

func (a *app) demoCommand() *cobra.Command {
	var where isolation
	cmd := &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Run the demo session with a submission, in a sandbox",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.demo(cmd.Context(), folder(args), where)
		},
	}
	where.flags(cmd.Flags())
	return cmd
}

// demo shows what a submission prints; it judges nothing.
func (a *app) demo(ctx context.Context, dir string, where isolation) error {
	if err := where.check(); err != nil {
		return err
	}
	place, err := a.place(ctx, where)
	if err != nil {
		return err
	}
	defer place.close()
	rec, err := grader.Demo(ctx, grader.Options{Submission: dir, Builder: place.builder, Opener: place.opener})
	if build := (*submission.BuildError)(nil); errors.As(err, &build) {
		return &failure{exitFail, err}
	}
	if err != nil {
		return a.unusable(dir, err)
	}
	fmt.Fprintln(a.stdout, report.Clean(rec.Output.Stdout))
	if said := report.Clean(rec.Output.Stderr); said != "" {
		fmt.Fprintln(a.stderr, said)
	}
	if rec.End.Outcome != evidence.Completed || !rec.Calls[grader.DemoCall].OK {
		return &failure{exitFail, fmt.Errorf("%s: the demo did not come to its end (%s %s)", dir, rec.End.Outcome, report.Clean(rec.Calls[grader.DemoCall].Error))}
	}
	return nil
}
