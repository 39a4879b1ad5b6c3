package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"moulinette/grader"
	"moulinette/grader/judge"
	"moulinette/grader/spec"
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
		return usage("%s: %w", orEmpty(file), err)
	}
	if name == "" {
		if name = kept.Exercise; !slices.Contains(ours(), name) { // and never a path: the file may be anybody's
			return usage("%s: graded by %q, which is none of our exercises; name its YAML file with --spec", file, name)
		}
	}
	ex, err := finished(name)
	if err != nil {
		return err
	}
	if err := fits(kept, ex, name); err != nil {
		return usage("%s: %w", file, err)
	}
	return a.hand(kept.Judge(ex), o)
}

// fits refuses a grading of which an exercise would judge nothing: that is another
// exercise, and neither a fault of ours nor a failure.
func fits(kept *grader.Kept, ex *spec.Exercise, from string) error {
	g := kept.Grading
	if err := known(ex, from, g.Only); err != nil {
		return fmt.Errorf("graded with %w", err)
	}
	seen := func(id string) bool { return g.Records[id] != nil || g.Harness[id] != "" }
	if g.Build == nil && !slices.ContainsFunc(judge.Needed(ex, g.Only), seen) {
		return fmt.Errorf("graded by %q: it holds none of the scenarios of %s; name the right exercise with --spec", kept.Exercise, ex.Name)
	}
	return nil
}

func readKept(file string) (*grader.Kept, error) {
	const most = 256 << 20 // a whole grading has some ten megabytes
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("this is a folder; name the files in it (%s)", filepath.Join(file, "*.json"))
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	if err == nil && info.Size() > most {
		return nil, fmt.Errorf("no kept grading: more than %d MiB", most>>20)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	kept := &grader.Kept{}
	if err := json.Unmarshal(data, kept); err != nil {
		return nil, errors.New("no kept grading: " + err.Error())
	}
	if isReport(data) {
		return nil, errors.New("this is a report, and no kept grading; grade --keep FOLDER writes those")
	}
	return kept, kept.Check()
}

// isReport tells a report in JSON from a kept grading: it has rows, and they are judged.
func isReport(data []byte) bool {
	var keys struct{ Rows, Grading json.RawMessage }
	return json.Unmarshal(data, &keys) == nil && keys.Rows != nil && keys.Grading == nil
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
