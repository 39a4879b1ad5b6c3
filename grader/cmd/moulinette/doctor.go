package main

import (
	"context"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"moulinette/grader/report"
	"moulinette/grader/spec"
)

// level says how much a finding of the doctor matters.
type level int

// Levels. The zero value is invalid.
const (
	good    level = iota + 1
	lacking       // grading works, with less
	fatal         // grading does not work
)

// symptom is one thing that the doctor looked at.
type symptom struct {
	name    spec.Text
	level   level
	saw     string
	follows spec.Text // for grading, unless good
	cure    spec.Text
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Show what this host can do, what follows for grading, and the cures",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// doctor examines the host; exit code 0 means that grading works here.
func (a *app) doctor(ctx context.Context) error {
	items, usable := []report.Item{}, true
	for _, s := range a.examine(ctx) {
		items = append(items, a.item(s))
		usable = usable && s.level != fatal
	}
	verdict := spec.Text{FR: "On peut corriger sur cette machine.", EN: "This host can grade."}
	if !usable {
		verdict = spec.Text{FR: "On ne peut pas corriger sur cette machine ; les remèdes sont ci-dessus.", EN: "This host cannot grade; the cures are above."}
	}
	items = append(items, report.Item{Text: verdict.In(a.lang)})
	if err := a.checklist(items); err != nil {
		return err
	}
	if !usable {
		return exit(exitHarness)
	}
	return nil
}

// item is how a symptom is shown.
func (a *app) item(s symptom) report.Item {
	marks := map[level]report.Item{
		good:    {Mark: "ok", Ink: color.FgGreen},
		lacking: {Mark: spec.Text{FR: "manque", EN: "lacks"}.In(a.lang), Ink: color.FgYellow},
		fatal:   {Mark: spec.Text{FR: "grave", EN: "fatal"}.In(a.lang), Ink: color.FgRed},
	}
	item := marks[s.level]
	item.Label, item.Text = s.name.In(a.lang), s.saw
	if s.level != good {
		item.More = []report.Line{
			{Label: spec.Text{FR: "conséquence", EN: "so"}.In(a.lang), Text: s.follows.In(a.lang)},
			{Label: spec.Text{FR: "remède", EN: "cure"}.In(a.lang), Text: s.cure.In(a.lang)},
		}
	}
	return item
}
