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
			var errs []error
			for _, file := range args {
				errs = append(errs, a.judge(file, name, o))
			}
			return worst(errs)
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
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
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

// worst is an error with the highest exit code of all, which says what each says.
func worst(errs []error) error {
	code, said := exitPass, []error(nil)
	for _, err := range errs {
		if err == nil {
			continue
		}
		own := exitUsage
		if f := (*failure)(nil); errors.As(err, &f) {
			own = f.code
		}
		code = max(code, own)
		if err.Error() != "" {
			said = append(said, err)
		}
	}
	if code == exitPass {
		return nil
	}
	return &failure{code, errors.Join(said...)}
}
