package main

import (
	"bytes"
	"errors"
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
	return checkReports(o.reports, report.Formats())
}

// hand writes the reports of a sheet; the error carries its exit code.
func (a *app) hand(sheet *judge.Sheet, o outputs) error {
	if !o.trace {
		dropTraces(sheet)
	}
	options := report.Options{Lang: a.lang, Trace: o.trace, Key: o.key}
	failed := writeReports(o.reports, func(out *bytes.Buffer, format string) error {
		return report.Write(out, format, sheet, options)
	})
	options.Width, _ = terminal(a.stdout)
	options.Color = a.colors(a.stdout)
	if err := report.Write(a.stdout, o.format, sheet, options); err != nil {
		return fault("stdout: %w", errors.Join(err, failed))
	}
	if failed != nil {
		return failed
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
