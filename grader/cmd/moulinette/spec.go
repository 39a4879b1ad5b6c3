package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"moulinette/grader/report"
	"moulinette/grader/spec"
	"moulinette/specs"
)

func (a *app) specCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spec",
		Short: "Check, list, explain and import exercises",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.specCheckCommand(), a.specListCommand(), a.specExplainCommand(), a.specImportCommand(), a.specSchemaCommand())
	return cmd
}

func (a *app) specCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Report everything that is wrong in specs (default: our own)",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				all, err := spec.LoadAll(specs.FS)
				return a.checked(len(all), err)
			}
			var all error
			for _, file := range files {
				all = errors.Join(all, a.checkFile(file))
			}
			return a.checked(len(files), all)
		},
	}
}

// checkFile tells what is wrong with a spec, and notes what is not wrong yet of no use.
func (a *app) checkFile(file string) error {
	if file == "" {
		return errors.New(`"": no such file`)
	}
	folder := os.DirFS(filepath.Dir(file))
	ex, err := spec.Load(folder, filepath.Base(file))
	if err != nil {
		return located(err, filepath.Dir(file))
	}
	if idle := spec.Idle(folder, ex); len(idle) > 0 {
		for line := range strings.Lines(located(idle, filepath.Dir(file)).Error() + "\n") {
			fmt.Fprint(a.stdout, "note: ", line)
		}
	}
	return nil
}

// checked tells how a check went.
func (a *app) checked(n int, err error) error {
	if err != nil {
		return &failure{exitUsage, err}
	}
	fmt.Fprintf(a.stdout, "%d ok\n", n)
	return nil
}

func (a *app) specListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the exercises and their point tables",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := spec.LoadAll(specs.FS)
			if err != nil {
				return &failure{exitUsage, err}
			}
			for i, ex := range all {
				if i > 0 {
					fmt.Fprintln(a.stdout)
				}
				a.list(ex)
			}
			return nil
		},
	}
}

// list writes an exercise's point table.
func (a *app) list(ex *spec.Exercise) {
	fmt.Fprintf(a.stdout, "%s  %s\n", ex.Name, report.Clean(ex.Title.In(a.lang)))
	for _, row := range ex.Rows {
		a.listRow(row, "")
	}
	for _, row := range ex.Bonus {
		a.listRow(row, "+")
	}
}

func (a *app) listRow(row spec.Row, sign string) {
	fmt.Fprintf(a.stdout, "  %4s  %-24s %s (%d)\n", fmt.Sprintf("%s%d", sign, row.Points), row.ID, report.Clean(row.Title.In(a.lang)), len(row.Scenarios))
}
