package submission

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// position is how the go command begins a line about a place in a file.
var position = regexp.MustCompile(`^(?:\./)?([^\s:][^:]*\.go):(\d+)(?::(\d+))?: (.*)$`)

// explain turns what the go command printed into findings about the submission,
// or, where nothing of it is about the submission, into an error of ours.
func (s *Submission) explain(output []byte, cause error) error {
	rel := strings.TrimPrefix(s.ImportPath, Module+"/")
	var findings []Finding
	about := false
	for line := range strings.Lines(strings.ToValidUTF8(string(output), "\uFFFD")) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "# ") || strings.TrimSpace(line) == "" {
			continue
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
		return ourFault(string(output), cause)
	}
	return &BuildError{Findings: findings}
}

// finding reads one line.
func finding(rel, line string) Finding {
	m := position.FindStringSubmatch(line)
	if m == nil {
		return Finding{Rule: "compile", FR: line, EN: line}
	}
	file, text := path.Clean(m[1]), m[4]
	if file == "main.go" {
		return Finding{
			Rule: "new", FR: "New n'a pas le bon type, il faut " + wantNew + " : " + text,
			EN: "New has the wrong type, it has to be " + wantNew + ": " + text,
		}
	}
	inside, ok := strings.CutPrefix(file, rel+"/")
	if !ok {
		return Finding{Rule: "compile", FR: line, EN: line}
	}
	f := Finding{Rule: "compile", File: inside, FR: text, EN: text}
	f.Line, _ = strconv.Atoi(m[2])
	f.Column, _ = strconv.Atoi(m[3])
	return f
}

func ourFault(output string, cause error) error {
	if strings.Contains(output, "module lookup disabled") {
		return fmt.Errorf("go build: the modules are not in the module cache (run `go mod download` in the repository): %w", cause)
	}
	return fmt.Errorf("go build: %w: %s", cause, strings.TrimSpace(output))
}
