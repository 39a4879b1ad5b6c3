package judge

import (
	"regexp"
	"strings"
)

// What Go's runtime writes when it ends a program: a line that says why, then
// the stacks of goroutines. The reason stands at the top; frames of the grader and
// of the runtime are nobody's to mend.
var (
	crashLine    = regexp.MustCompile(`(?m)^(?:panic|fatal error): .*$`)
	foreignFrame = regexp.MustCompile(`^(?:created by )?(?:moulinette/grader/|main\.main|runtime\.|internal/runtime/)`)
	// Arguments are addresses, another one in each run, and so are offsets.
	frameArgs   = regexp.MustCompile(`^(\S.*)\([^()]*\)$`)
	frameOffset = regexp.MustCompile(` \+0x[0-9a-f]+(?: fp=.*)?$`)
	goroutine   = regexp.MustCompile(`^goroutine \d+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?| in goroutine \d+$`)
)

// crashLines is how much of a crash is told: why, and where in the submission.
const crashLines = 12

// printed is what a submission wrote, as far as it helps: a crash from its
// reason on, anything else from its end.
func printed(text string) string {
	at := crashLine.FindStringIndex(text)
	if at == nil || !strings.Contains(text[at[1]:], "\ngoroutine ") {
		return tail(text)
	}
	lines := crash(text[at[0]:])
	return tail(strings.Join(lines[:min(len(lines), crashLines)], "\n"))
}

// crash leaves out the frames that are not the submission's: two lines each, the
// function and its place.
func crash(text string) (kept []string) {
	skip, runtimes := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		// Where the runtime itself stood, up to the next empty line.
		if runtimes = line == "runtime stack:" || runtimes && line != ""; runtimes {
			continue
		}
		if strings.HasPrefix(line, "\t") {
			if !skip {
				kept = append(kept, frameOffset.ReplaceAllString(line, ""))
			}
			continue
		}
		if skip = foreignFrame.MatchString(line); !skip {
			kept = append(kept, frameArgs.ReplaceAllString(numberless(line), "$1"))
		}
	}
	return kept
}

// numberless leaves out which goroutine it was: told alike, the same crash in
// several scenarios is told once.
func numberless(line string) string {
	return goroutine.ReplaceAllStringFunc(line, func(m string) string {
		if strings.HasPrefix(m, " ") {
			return ""
		}
		return "goroutine "
	})
}
