// Package words reads what a compiler has said: what of it is about a submission,
// as findings, and what is the host's fault.
//
// It does not know how a compiler is run.
package words

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"moulinette/grader/lack"
	"moulinette/grader/submission"
)

// position is how the go command begins a line about a place in a file.
var position = regexp.MustCompile(`^(?:\./)?([^\s:][^:]*\.go):(\d+)(?::(\d+))?: (.*)$`)

// killed is how the go command tells of a tool that came to a violent end.
var killed = regexp.MustCompile(`/(compile|link|asm): signal: `)

// starved is how a tool tells of what the host lacks. The go command names the package
// that it was about, which has no part in it.
var starved = regexp.MustCompile(`: (?:no space left on device|disk quota exceeded|read-only file system|input/output error|` +
	`too many open files(?: in system)?|resource temporarily unavailable|cannot allocate memory)$`)

// ErrTimeout is why a compiler was stopped that did not come to an end.
var ErrTimeout = errors.New("not finished after")

// Explain turns what the go command printed into a [*submission.BuildError], or
// answers nil if nothing of it is about the submission.
func Explain(s *submission.Submission, output []byte) error {
	rel := strings.TrimPrefix(s.ImportPath, submission.Module+"/")
	var findings []submission.Finding
	about := false
	for line := range strings.Lines(string(output)) {
		line = strings.Map(plain, strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, "# ") || strings.TrimSpace(line) == "" {
			continue
		}
		if (killed.MatchString(line) || starved.MatchString(line)) && !position.MatchString(line) {
			return nil // whoever stopped it, it has not said what it thinks
		}
		f := finding(rel, line)
		about = about || f.File != "" || f.Rule == "new" || strings.Contains(line, s.ImportPath)
		if len(findings) > 0 && strings.HasPrefix(line, "\t") {
			last := &findings[len(findings)-1]
			last.FR, last.EN = last.FR+"\n"+line, last.EN+"\n"+line
			continue
		}
		findings = append(findings, f)
	}
	if !about {
		return nil
	}
	return &submission.BuildError{Findings: findings}
}

// finding reads one line.
func finding(rel, line string) submission.Finding {
	m := position.FindStringSubmatch(line)
	if m == nil {
		return submission.Finding{Rule: "compile", FR: line, EN: line}
	}
	file, text := path.Clean(m[1]), m[4]
	if file == "main.go" {
		return submission.Finding{
			Rule: "new", FR: "New n'a pas le bon type, il faut " + submission.WantNew + " : " + text,
			EN: "New has the wrong type, it has to be " + submission.WantNew + ": " + text,
		}
	}
	inside, ok := strings.CutPrefix(file, rel+"/")
	if !ok {
		return submission.Finding{Rule: "compile", FR: line, EN: line}
	}
	f := submission.Finding{Rule: "compile", File: inside, FR: text, EN: text}
	f.Line, _ = strconv.Atoi(m[2])
	f.Column, _ = strconv.Atoi(m[3])
	return f
}

// plain leaves no control character: a student's text is in the compiler's words.
func plain(r rune) rune {
	if r == '\t' || unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// Unexplained is the submission's fault although the compiler does not say so.
func Unexplained(output []byte, cause error) error {
	f := submission.Finding{
		Rule: "compile", FR: "le compilateur n'en vient pas à bout : ", EN: "the compiler cannot cope with it: ",
	}
	if errors.Is(cause, ErrTimeout) {
		f.Rule = "timeout"
	}
	words := cause.Error()
	if first := firstWords(output); first != "" {
		words += ": " + first
	}
	f.FR, f.EN = f.FR+words, f.EN+words
	return &submission.BuildError{Findings: []submission.Finding{f}}
}

// firstWords is the first line that is not about a package.
func firstWords(output []byte) string {
	for line := range strings.Lines(string(output)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "# ") {
			return strings.Map(plain, line)
		}
	}
	return ""
}

// HostFault is why nothing can be built here.
func HostFault(output []byte, cause error) error {
	text := strings.TrimSpace(string(output))
	if strings.Contains(text, "GOPROXY=off") {
		return &lack.Error{
			EN:  "modules are missing in the module cache (run `go mod download` in the moulinette's repository)",
			FR:  "des modules manquent dans leur cache (lancez `go mod download` dans le dépôt de la moulinette)",
			Err: fmt.Errorf("%w: %s", cause, text),
		}
	}
	if full.MatchString(text) {
		text = firstWords(output) // each package says so
	}
	if errors.Is(cause, ErrTimeout) {
		cause = &lack.Error{
			EN:  "what has been compiled is kept, so run it again, best while this machine has little else to do",
			FR:  "ce qui est compilé est gardé : relancez, de préférence quand cette machine a peu à faire",
			Err: cause,
		}
	}
	if text != "" {
		cause = fmt.Errorf("%w: %s", cause, text)
	}
	return Cured(&lack.Error{EN: "no submission can be built on this host", FR: "aucun rendu ne peut être compilé sur cette machine", Err: cause})
}

// NoC is why nothing in C can be built here.
func NoC(cause error) error {
	return &lack.Error{
		EN:  "no submission in C can be built on this host (is libc6-dev there?)",
		FR:  "aucun rendu en C ne peut être compilé sur cette machine (libc6-dev est-il installé ?)",
		Err: cause,
	}
}

// full is how a tool tells of a place that it cannot write to.
var full = regexp.MustCompile(`(?i): (?:no space left on device|disk quota exceeded|read-only file system)`)

// cured is how an error names a cure of its own.
var cured = regexp.MustCompile(`XDG_CACHE_HOME|GOMODCACHE`)

// Cured is err with the cure, if it is about a place that cannot be written to.
func Cured(err error) error {
	var bad *submission.BuildError
	if err == nil || errors.As(err, &bad) || cured.MatchString(err.Error()) {
		return err
	}
	at := &fs.PathError{}
	noPlace := errors.As(err, &at) && at.Op == "mkdir" // and not of a program that is not there
	for _, no := range []error{syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EACCES} {
		noPlace = noPlace || errors.Is(err, no)
	}
	if !noPlace && !full.MatchString(err.Error()) {
		return err
	}
	return NoPlace(err)
}

// NoPlace is that there is nowhere to write to, with the cure.
func NoPlace(cause error) error {
	return &lack.Error{
		EN:  "set XDG_CACHE_HOME, and GOCACHE if you have one, to a folder that can be written to, with room for 500 MB",
		FR:  "donnez à XDG_CACHE_HOME, et à GOCACHE si vous en avez un, un dossier où l'on puisse écrire, avec 500 Mo de libres",
		Err: cause,
	}
}
