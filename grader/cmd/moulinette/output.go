package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"moulinette/grader/judge"
	"moulinette/grader/report"
)

// outputs say what reports go where.
type outputs struct {
	format  string
	reports []string // FORMAT=FILE
	trace   bool
	key     []byte // signs JSON reports, if there is one
}

func (o *outputs) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.format, "format", "text", "report on stdout: "+strings.Join(report.Formats(), ", "))
	flags.StringArrayVar(&o.reports, "report", nil, "also write a report, as FORMAT=FILE (repeatable)")
	flags.BoolVar(&o.trace, "trace", false, "show the system calls of failed scenarios")
}

func (o outputs) check() error {
	if err := oneOf("format", o.format, report.Formats()); err != nil {
		return err
	}
	for _, r := range o.reports {
		format, file, ok := strings.Cut(r, "=")
		if !ok || file == "" {
			return usage("--report %s: write it as FORMAT=FILE", r)
		}
		if !slices.Contains(report.Formats(), format) {
			return usage("--report %s: the formats are %s", r, strings.Join(report.Formats(), ", "))
		}
	}
	return nil
}

// hand writes the reports of a sheet; the error carries its exit code.
func (a *app) hand(sheet *judge.Sheet, o outputs) error {
	if !o.trace {
		dropTraces(sheet)
	}
	options := report.Options{Lang: a.lang, Trace: o.trace, Key: o.key}
	for _, r := range o.reports {
		format, file, _ := strings.Cut(r, "=")
		var out bytes.Buffer
		if err := report.Write(&out, format, sheet, options); err != nil {
			return fault("report %s: %w", file, err)
		}
		if err := writeFile(file, out.Bytes()); err != nil {
			return fault("report: %w", err)
		}
	}
	options.Width, _ = terminal(a.stdout)
	options.Color = a.colors(a.stdout)
	if err := report.Write(a.stdout, o.format, sheet, options); err != nil {
		return fault("stdout: %w", err)
	}
	return exit(outcome(sheet))
}

// outcome is a sheet's exit code.
func outcome(sheet *judge.Sheet) int {
	switch {
	case len(sheet.Faults) > 0 || sheet.Passed == nil:
		return exitHarness
	case *sheet.Passed:
		return exitPass
	}
	return exitFail
}

func dropTraces(sheet *judge.Sheet) {
	for _, rows := range [][]judge.Row{sheet.Rows, sheet.Bonus} {
		for _, r := range rows {
			for i := range r.Scenarios {
				r.Scenarios[i].Trace = nil
			}
		}
	}
}

// writeFile writes a whole file or none: whoever watches it never sees a part.
func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".moulinette-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
