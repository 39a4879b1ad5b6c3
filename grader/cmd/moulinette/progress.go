package main

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"moulinette/grader/run"
)

// progress shows how far a grading is, on a terminal; elsewhere it is silent.
type progress struct {
	bars *mpb.Progress
	bar  *mpb.Bar
}

// bars are as wide as the terminal, but for what stands beside them; nil if there is none.
func (a *app) bars(beside int) *mpb.Progress {
	width, ok := terminal(a.stderr)
	if !ok || a.env("TERM") == "dumb" {
		return nil
	}
	return mpb.New(mpb.WithOutput(a.stderr), mpb.WithWidth(min(max(width-beside, 10), 60)))
}

func (a *app) progress(scenarios int) *progress {
	bars := a.bars(24)
	if bars == nil {
		return &progress{}
	}
	bar := bars.AddBar(int64(scenarios),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersNoUnit("%d/%d ")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	return &progress{bars: bars, bar: bar}
}

// Done counts a scenario.
func (p *progress) Done(int, run.Result) {
	if p.bar != nil {
		p.bar.Increment()
	}
}

// end takes the bar off the terminal.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}
