package main

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"moulinette/grader"
)

func (a *app) judgeCommand() *cobra.Command {
	var o outputs
	var name string
	cmd := &cobra.Command{
		Use:   "judge RECORD...",
		Short: "Judge kept records again, without running anything",
		Long: `judge takes files that grade --keep has written and judges them by the spec as it
is now. It needs neither root nor the submission. The exit code is the worst one.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if len(args) > 1 && (o.format != "text" || len(o.reports) > 0) {
				return usage("--format and --report take one record at a time")
			}
			var worst error
			for _, file := range args {
				worst = worse(worst, a.judge(file, name, o))
			}
			return worst
		},
	}
	cmd.Flags().StringVar(&name, "spec", "", "judge by this exercise instead of the record's own")
	o.flags(cmd.Flags())
	return cmd
}

// judge judges one kept grading.
func (a *app) judge(file, name string, o outputs) error {
	kept, err := readKept(file)
	if err != nil {
		return usage("%s: %w", file, err)
	}
	if name == "" {
		name = kept.Exercise
	}
	ex, err := exercise(name)
	if err != nil {
		return err
	}
	return a.hand(kept.Judge(ex), o)
}

func readKept(file string) (*grader.Kept, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	kept := &grader.Kept{}
	if err := json.Unmarshal(data, kept); err != nil {
		return nil, errors.New("no kept grading: " + err.Error())
	}
	return kept, kept.Check()
}

// worse is the error with the higher exit code.
func worse(a, b error) error {
	code := func(err error) int {
		if f := (*failure)(nil); errors.As(err, &f) {
			return f.code
		}
		return exitPass
	}
	if code(b) > code(a) {
		return b
	}
	return a
}
