package words

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"moulinette/grader/submission"
)

// How a C compiler and a linker begin a line about a place.
var (
	cPosition = regexp.MustCompile(`^(submission|driver)/([^\s:]+):(\d+):(?:(\d+):)? (?:fatal )?(error|warning|note): (.*)$`)
	linkPlace = regexp.MustCompile(`(?:submission/([^\s:]+):(\d+): )?((?:multiple definition of|undefined reference to|duplicate symbol).*)$`)
	asmError  = regexp.MustCompile(`^\S+\.s:\d+: Error: (.*)$`)
)

// ExplainC turns what a compiler printed into findings; none if nothing of it is
// about the submission.
func ExplainC(output []byte) (findings []submission.Finding) {
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
