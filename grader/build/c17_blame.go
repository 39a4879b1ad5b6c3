package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"

	"moulinette/grader/build/jail"
	"moulinette/grader/build/words"
	"moulinette/grader/lack"
	"moulinette/grader/submission"
)

// missingH is how a C compiler tells of a header that it has not found; an #error says
// what its author likes, but not that it is fatal.
var missingH = regexp.MustCompile(`(?m)^\S+:\d+:\d+: fatal error: '?((?:sys/capability|seccomp)\.h)'?:? (?:No such file|file not found)`)

// packages are what to install for a header that a submission may ask for.
var packages = map[string]string{
	"sys/capability.h": "libcap-dev (Fedora: libcap-devel)",
	"seccomp.h":        "libseccomp-dev (Fedora: libseccomp-devel)",
}

// Missing says that a header which submissions may ask for is not there.
type Missing struct{ Header, Package string }

func (m *Missing) Error() string {
	return m.Header + ": no such file"
}

// blameC finds out whose fault a failure is: the compiler's words say it, or else
// a submission that does nothing does.
func (b *Builder) blameC(ctx context.Context, output []byte, cause error) error {
	if ctx.Err() != nil || len(output) == 0 && !errors.Is(cause, words.ErrTimeout) && !killed(cause) {
		return cause
	}
	// A text can have its compiler say so, too (#line): another one that wants it tells.
	if m := missingH.FindSubmatch(output); m != nil && b.tryC(ctx, "#include <"+string(m[1])+">\n") != nil {
		missing := &Missing{Header: string(m[1]), Package: packages[string(m[1])]}
		return &lack.Error{
			EN:  "a header is missing on this host: install " + missing.Package,
			FR:  "un en-tête manque sur cette machine : installez " + missing.Package,
			Err: missing,
		}
	}
	// A text can have its compiler begin a line so (#line), but not end so.
	if exit := (*exec.ExitError)(nil); errors.As(cause, &exit) && exit.ExitCode() == jail.Failed && bytes.HasPrefix(output, []byte(jail.Mark)) {
		return fmt.Errorf("compile: %s", bytes.TrimSpace(output))
	}
	if findings := words.ExplainC(output); len(findings) > 0 {
		return &submission.BuildError{Findings: findings}
	}
	if err := b.tryC(ctx, ""); err != nil {
		return words.NoC(err)
	}
	return words.Unexplained(output, cause)
}

// killed tells whether a signal ended a compiler, as one of the jail's limits does: one
// that is a single program cannot say a word of it then.
func killed(cause error) bool {
	exit := (*exec.ExitError)(nil)
	return errors.As(cause, &exit) && !exit.Exited()
}

// tryC compiles a submission that does nothing but include more.
func (b *Builder) tryC(ctx context.Context, more string) error {
	text := more + "#include \"" + submission.CHeader + "\"\n\nbool is_container_init(void) { return false; }\n"
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(text)})
	if err != nil {
		return err
	}
	st, err := b.stageC(s)
	if err != nil {
		return err
	}
	if output, err := b.compileC(ctx, st, &Driver{Key: b.keyOfC(st)}, nil); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}
