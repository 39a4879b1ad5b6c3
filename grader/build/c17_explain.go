package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"moulinette/grader/build/jail"
	"moulinette/grader/submission"
)

// How a C compiler and a linker begin a line about a place.
var (
	cPosition = regexp.MustCompile(`^(submission|driver)/([^\s:]+):(\d+):(?:(\d+):)? (?:fatal )?(error|warning|note): (.*)$`)
	linkPlace = regexp.MustCompile(`(?:submission/([^\s:]+):(\d+): )?((?:multiple definition of|undefined reference to|duplicate symbol).*)$`)
	asmError  = regexp.MustCompile(`^\S+\.s:\d+: Error: (.*)$`)
	missingH  = regexp.MustCompile(`'?<?((?:sys/capability|seccomp|sys/seccomp)\.h)'?>?:? (?:No such file|file not found)`)
)

// packages are what to install for a header that a submission may ask for.
var packages = map[string]string{
	"sys/capability.h": "libcap-dev (Fedora: libcap-devel)",
	"seccomp.h":        "libseccomp-dev (Fedora: libseccomp-devel)",
}

// Missing says that a header which submissions may ask for is not there.
type Missing struct{ Header, Package string }

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is missing on this host: install %s", m.Header, m.Package)
}

// blameC finds out whose fault a failure is: the compiler's words say it, or else
// a submission that does nothing does.
func (b *Builder) blameC(ctx context.Context, output []byte, cause error) error {
	if ctx.Err() != nil || len(output) == 0 && !errors.Is(cause, errTimeout) {
		return cause
	}
	if m := missingH.FindSubmatch(output); m != nil && packages[string(m[1])] != "" {
		return &Missing{Header: string(m[1]), Package: packages[string(m[1])]}
	}
	if bytes.HasPrefix(output, []byte(jail.Mark)) {
		return fmt.Errorf("compile: %s", bytes.TrimSpace(output))
	}
	if findings := explainC(output); len(findings) > 0 {
		return &submission.BuildError{Findings: findings}
	}
	if err := b.warmC(ctx); err != nil {
		return err
	}
	return unexplained(output, cause)
}

// warmC compiles a submission that does nothing. It fails if none can be built on
// this host.
func (b *Builder) warmC(ctx context.Context) error {
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte("#include \"" + submission.CHeader + "\"\n\nbool is_container_init(void) { return false; }\n")})
	if err != nil {
		return err
	}
	st, err := b.stageC(s)
	if err != nil {
		return err
	}
	if output, err := b.compileC(ctx, st, &Driver{Key: b.keyOfC(st)}, nil); err != nil {
		return fmt.Errorf("no submission in C can be built on this host (is libc6-dev there?): %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

// explainC turns what a compiler printed into findings; none if nothing of it is
// about the submission.
func explainC(output []byte) (findings []submission.Finding) {
	for line := range strings.Lines(string(output)) {
		line = strings.Map(plain, strings.TrimRight(line, "\n"))
		f, ok := cFinding(line)
		if note := strings.Contains(line, " note: "); ok && note {
			if len(findings) > 0 {
				last := &findings[len(findings)-1]
				last.FR, last.EN = last.FR+"\n\t"+f.String(), last.EN+"\n\t"+f.String()
			}
			continue
		}
		if ok && len(findings) < submission.MaxFindings {
			findings = append(findings, f)
		}
	}
	return findings
}

func cFinding(line string) (submission.Finding, bool) {
	if m := cPosition.FindStringSubmatch(line); m != nil {
		if m[5] == "warning" {
			return submission.Finding{}, false
		}
		f := submission.Finding{Rule: "compile", File: path.Clean(m[2]), FR: m[6], EN: m[6]}
		f.Line, _ = strconv.Atoi(m[3])
		f.Column, _ = strconv.Atoi(m[4])
		if m[1] == "driver" {
			return misfit(f), true
		}
		return f, true
	}
	if m := asmError.FindStringSubmatch(line); m != nil {
		return submission.Finding{Rule: "compile", File: submission.CFile, FR: "assembleur : " + m[1], EN: "assembler: " + m[1]}, true
	}
	if m := linkPlace.FindStringSubmatch(line); m != nil {
		return linkFinding(m), true
	}
	return submission.Finding{}, false
}

// misfit is a complaint of our shim about the submission's header.
func misfit(f submission.Finding) submission.Finding {
	return submission.Finding{
		Rule: "header", File: submission.CHeader,
		FR: "l'en-tête ne va pas avec l'exercice : " + f.EN + " (" + f.File + ":" + strconv.Itoa(f.Line) + " du correcteur)",
		EN: "the header does not fit the exercise: " + f.EN + " (the grader's " + f.File + ":" + strconv.Itoa(f.Line) + ")",
	}
}

func linkFinding(m []string) submission.Finding {
	f := submission.Finding{Rule: "link", File: m[1], FR: m[3], EN: m[3]}
	f.Line, _ = strconv.Atoi(m[2])
	if strings.Contains(m[3], "`main'") || strings.Contains(m[3], "'main'") || strings.Contains(m[3], "symbol: main") {
		f.Rule, f.File = "main", submission.CFile
		f.FR = "le rendu a un main à lui ; le correcteur fournit le sien : mettez le vôtre dans un autre fichier (test_main.c, par exemple)"
		f.EN = "the submission has a main of its own, and the grader brings one: put yours into another file (test_main.c, for example)"
	}
	return f
}
