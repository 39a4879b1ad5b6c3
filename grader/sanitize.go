package grader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"

	"moulinette/grader/judge"
	"moulinette/grader/run"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
)

// What the compiler's sanitizers say, as far as it names a line of the submission.
var (
	undefined = regexp.MustCompile(`(?m)submission/(\S+?:\d+):\d+: runtime error: (.*)$`)
	badAccess = regexp.MustCompile(`(?s)ERROR: AddressSanitizer: (\S+).*?submission/(\S+?:\d+)`)
)

// Sanitize runs a submission in C once more, compiled so that it watches its own
// memory and arithmetic, and tells what came of it with the line. It judges
// nothing, and what a student's program prints here is the student's own word.
func Sanitize(ctx context.Context, o Options) ([]spec.Text, error) {
	sub, err := submission.Open(o.Submission)
	if err != nil {
		return nil, err
	}
	if sub.Language != submission.C17 {
		return []spec.Text{{FR: "--sanitize : seulement pour les rendus en C", EN: "--sanitize: for submissions in C only"}}, nil
	}
	sub.Sanitize = true
	driver, err := o.Builder.Build(ctx, sub)
	if broken := (*submission.BuildError)(nil); errors.As(err, &broken) {
		return []spec.Text{{
			FR: "--sanitize : le compilateur n'en est pas capable ici : " + broken.Findings[0].FR,
			EN: "--sanitize: the compiler cannot do that here: " + broken.Findings[0].EN,
		}}, nil
	} else if err != nil {
		return nil, err
	}
	jobs, _ := jobsOf(o, driver.Path, judge.Needed(o.Exercise, o.Only))
	for i := range jobs {
		jobs[i].Scenario.Limits.Reserve = true
	}
	results := run.Scenarios(ctx, jobs, run.Options{Opener: o.Opener, Jobs: o.Jobs})
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, context.Cause(ctx)
	}
	return sanitized(results), nil
}

// sanitized gathers what was said, one thing for each line of the submission and no more
// than a reader takes in, and what kept it from being said.
func sanitized(results []run.Result) (told []spec.Text) {
	known, missed, why := map[string]bool{}, 0, error(nil)
	tell := func(where, what, scenario string) {
		if !known[where] && len(known) < submission.MaxFindings {
			told = append(told, spec.Text{
				FR: fmt.Sprintf("--sanitize : %s : %s (dans %s)", where, what, scenario),
				EN: fmt.Sprintf("--sanitize: %s: %s (in %s)", where, what, scenario),
			})
		}
		known[where] = true
	}
	for _, r := range results {
		if r.Record == nil {
			missed, why = missed+1, cmp.Or(why, r.Err)
			continue
		}
		for _, m := range undefined.FindAllStringSubmatch(r.Record.Output.Stderr, -1) {
			tell(m[1], m[2], r.Record.Scenario)
		}
		for _, m := range badAccess.FindAllStringSubmatch(r.Record.Output.Stderr, -1) {
			tell(m[2], m[1], r.Record.Scenario)
		}
	}
	if missed > 0 {
		told = append(told, spec.Text{
			FR: fmt.Sprintf("--sanitize : scénarios qui n'ont pas pu être joués : %d (%v)", missed, why),
			EN: fmt.Sprintf("--sanitize: scenarios that could not be played: %d (%v)", missed, why),
		})
	}
	if len(told) == 0 {
		told = []spec.Text{{FR: "--sanitize : rien trouvé", EN: "--sanitize: nothing found"}}
	}
	return told
}
