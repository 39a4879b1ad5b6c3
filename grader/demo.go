package grader

import (
	"context"

	"moulinette/grader/evidence"
	"moulinette/grader/run"
	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// DemoCall is the label of the call that a demo makes.
const DemoCall = "demo"

// Demo runs the demo session of a submission in a sandbox and returns what it
// left behind. Of the options it takes Submission, Builder and Opener.
func Demo(ctx context.Context, o Options) (*evidence.Record, error) {
	sub, err := submission.Open(o.Submission)
	if err != nil {
		return nil, err
	}
	driver, err := o.Builder.Build(ctx, sub)
	if err != nil {
		return nil, err
	}
	sc := scenario.Scenario{
		ID: "demo", Steps: []scenario.Step{{As: DemoCall, Call: "demo"}},
		Limits: scenario.Limits{StepMS: 30_000, ScenarioMS: 40_000}.WithDefaults(),
	}
	results := run.Scenarios(ctx, []run.Job{{Driver: driver.Path, Scenario: sc}}, run.Options{Opener: o.Opener})
	return results[0].Record, results[0].Err
}
