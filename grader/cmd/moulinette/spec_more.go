package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"moulinette/grader/report"
	"moulinette/grader/spec"
)

func (a *app) specExplainCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Explain an exercise, row, scenario or concept; " + strings.Join(spec.Topics(), ", ") + " list what may stand in one",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.explain(name, args[0])
		},
	}
	cmd.Flags().StringVar(&name, "spec", "", "look in this exercise only")
	return cmd
}

// explain looks an id up in one exercise, or in each of ours.
func (a *app) explain(name, id string) error {
	names := ours()
	if name != "" {
		names = []string{name}
	}
	var known []string
	for _, name := range names {
		ex, err := exercise(name)
		if err != nil {
			return err
		}
		known = append(append(known, ex.Name), identifiers(ex)...)
		if ex.Name == id {
			a.list(ex)
			return nil
		}
		if text := spec.Explain(ex, id, a.lang); text != "" {
			fmt.Fprintln(a.stdout, report.Clean(text)) // the spec may be anybody's
			return nil
		}
	}
	hint := meant(id, append(known, spec.Topics()...))
	if hint == "" && name == "" {
		hint = "; --spec FILE.yaml looks in one of your own"
	}
	return usage("%s: no exercise, row, scenario or concept of %s%s", report.Clean(id), strings.Join(names, ", "), hint)
}

func (a *app) specImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE.json",
		Short: "Make a YAML spec of a spec.json, on stdout; nothing of it is lost",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := readSmall(args[0])
			if err != nil {
				return usage("%w", err)
			}
			yaml, err := spec.Import(args[0], data)
			if err != nil {
				return &failure{exitUsage, err}
			}
			if _, err := a.stdout.Write(yaml); err != nil {
				return fault("stdout: %w", err)
			}
			return nil
		},
	}
}

func (a *app) specSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of specs, for editors",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := a.stdout.Write(spec.Schema()); err != nil {
				return fault("stdout: %w", err)
			}
			return nil
		},
	}
}
