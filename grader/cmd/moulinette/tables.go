package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/pflag"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"moulinette/grader/mutate/matrix"
	"moulinette/grader/mutate/verify"
)

// tables say what reports of a verification go where.
type tables struct {
	format  string
	reports []string // FORMAT=FILE
}

func (t *tables) flags(flags *pflag.FlagSet) {
	flags.StringVar(&t.format, "format", "text", "report on stdout: "+strings.Join(matrix.Formats(), ", "))
	flags.StringArrayVar(&t.reports, "report", nil, "also write a report, as FORMAT=FILE (repeatable)")
}

func (t tables) check() error {
	if err := oneOf("format", t.format, matrix.Formats()); err != nil {
		return err
	}
	return checkReports(t.reports, matrix.Formats())
}

// handTables writes the reports of a verification; the error carries its exit
// code.
func (a *app) handTables(r *verify.Result, t tables) error {
	failed := writeReports(t.reports, func(out *bytes.Buffer, format string) error {
		return matrix.Write(out, format, r, matrix.Options{Lang: a.lang})
	})
	width, _ := terminal(a.stdout)
	if err := matrix.Write(a.stdout, t.format, r, matrix.Options{Lang: a.lang, Width: width, Color: a.colors(a.stdout)}); err != nil {
		return fault("stdout: %w", errors.Join(err, failed))
	}
	if failed != nil {
		return failed
	}
	ours := func(e verify.Error) bool { return e.Kind == verify.HarnessFault || e.Kind == verify.NotJudged }
	switch {
	case len(r.Faults) > 0 || slices.ContainsFunc(r.Errors, ours):
		return exit(exitHarness)
	case len(r.Errors) > 0:
		return exit(exitFail)
	}
	return nil
}

// steps shows how far a verification is, and how long it may take.
type steps struct {
	app *app
	*progress

	mu        sync.Mutex // of total and the bar
	total     int64
	done, all atomic.Int64
}

func (a *app) verifyProgress() *steps { return &steps{app: a, progress: &progress{}} }

// Running begins the bar, or tells it of more or less than it knew of.
func (s *steps) Running(more, done, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += int64(more)
	s.done.Store(int64(done))
	s.all.Store(int64(all))
	if s.bar == nil {
		if s.bars = s.app.bars(32); s.bars == nil {
			return
		}
		s.bar = s.bars.AddBar(0, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Any(s.judged), decor.CountersNoUnit("%d/%d ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO), decor.Name(" → "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	s.bar.SetTotal(s.total, false)
}

// judged tells how many solutions are. The bar calls it, so it must not wait for
// one who tells the bar something.
func (s *steps) judged(decor.Statistics) string {
	return fmt.Sprintf("[%d/%d] ", s.done.Load(), s.all.Load())
}
