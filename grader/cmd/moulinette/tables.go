package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"moulinette/grader/mutate/verify"
)

// tables say what reports of a verification go where.
type tables struct {
	format  string
	reports []string // FORMAT=FILE
}

func (t *tables) flags(flags *pflag.FlagSet) {
	flags.StringVar(&t.format, "format", "text", "report on stdout: ")
	flags.StringArrayVar(&t.reports, "report", nil, "also write a report, as FORMAT=FILE (repeatable)")
}

func (t tables) check() error { return nil }

func (a *app) handTables(r *verify.Result, t tables) error {
	for _, e := range r.Errors {
		fmt.Fprintf(a.stdout, "%s: %s: %s\n", e.Where(), e.Kind, e.Text.In(a.lang))
	}
	for _, f := range r.Faults {
		fmt.Fprintln(a.stdout, "fault:", f)
	}
	fmt.Fprintf(a.stdout, "ran %d reused %d inferred %d building %v running %v\n", r.Ran, r.Reused, r.Inferred, r.Building, r.Running)
	return nil
}

type vprogress struct{ *progress }

func (a *app) verifyProgress() *vprogress { return &vprogress{&progress{}} }

func (p *vprogress) Running(int) {}
