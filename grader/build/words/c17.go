package words

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"moulinette/grader/submission"
)

// How a C compiler and a linker begin a line about a place.
var (
	cPosition = regexp.MustCompile(`^(submission|driver)/([^\s:]+):(\d+):(?:(\d+):)? (?:fatal )?(error|warning|note): (.*)$`)
	linkPlace = regexp.MustCompile(`(?:submission/([^\s:]+):(\d+): )?((?:multiple definition of|undefined reference to|duplicate symbol).*)$`)
	// Of its own file, or of the place in C that the compiler has told it.
	asmError = regexp.MustCompile(`^(?:\S+\.s|submission/([^\s:]+)):(\d+): Error: (.*)$`)
)

// ExplainC turns what a compiler printed into findings; none if nothing of it is
// about the submission.
func ExplainC(output []byte) (findings []submission.Finding) {
	for line := range strings.Lines(string(output)) {
		line = strings.Map(plain, strings.TrimRight(line, "\n"))
		f, ok := cFinding(line)
		if note := strings.Contains(line, " note: "); ok && note {
			if f.Rule != "header" && len(findings) > 0 {
				last := &findings[len(findings)-1]
				last.FR, last.EN = last.FR+"\n\t"+f.String(), last.EN+"\n\t"+f.String()
			}
			continue
		}
		again := func(known submission.Finding) bool { return repeats(known, f) }
		if ok && len(findings) < submission.MaxFindings && !slices.ContainsFunc(findings, again) {
			findings = append(findings, f)
		}
	}
	return withMacro(withCure(findings))
}

// unseen is how compilers complain of a name that the C library keeps from those who
// do not say which library they want.
var unseen = regexp.MustCompile(`(?:implicit declaration of function|undeclared function|undeclared identifier) '(clone|unshare|setns|pipe2|dprintf|sethostname|setres[ug]id|(?:CLONE|O)_[A-Z]+)'` +
	`|^'((?:CLONE|O)_[A-Z]+)' undeclared`)

// withMacro says what is behind such a complaint, before all that comes of it.
func withMacro(findings []submission.Finding) []submission.Finding {
	for _, f := range findings {
		if m := unseen.FindStringSubmatch(f.EN); m != nil && f.Rule == "compile" {
			name := m[1] + m[2]
			return append([]submission.Finding{{
				Rule: "feature_macro", File: f.File, Line: f.Line,
				FR: name + " est inconnu : son en-tête est-il inclus, et #define _GNU_SOURCE se trouve-t-il avant le tout premier #include ? Le SYNOPSIS de sa page de manuel dit les deux",
				EN: name + " is unknown: is its header included, and does #define _GNU_SOURCE stand before the very first #include? The SYNOPSIS of its manual page says both",
			}}, findings...)
		}
	}
	return findings
}

// withCure keeps a few complaints about the header, for one brings others, and says
// what to do.
func withCure(findings []submission.Finding) []submission.Finding {
	const most = 3
	misfits := 0
	findings = slices.DeleteFunc(findings, func(f submission.Finding) bool {
		if f.Rule == "header" {
			misfits++
		}
		return f.Rule == "header" && misfits > most
	})
	if misfits > 0 {
		findings = append(findings, submission.Finding{
			Rule: "header", File: submission.CHeader,
			FR: "comparez-le à student/c17/" + submission.CHeader + ", ou n'en rendez pas : celui du correcteur sert alors",
			EN: "compare it with student/c17/" + submission.CHeader + ", or hand in none: the grader's stands in then",
		})
	}
	return findings
}

// repeats tells whether two complaints about the header are the same: a type that it
// lacks is missed in many places, and one is enough.
func repeats(a, b submission.Finding) bool {
	said := func(f submission.Finding) string { text, _, _ := strings.Cut(f.EN, " (the grader's "); return text }
	return a.Rule == "header" && b.Rule == "header" && said(a) == said(b)
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
		f := submission.Finding{Rule: "compile", File: submission.CFile, FR: "assembleur : " + m[3], EN: "assembler: " + m[3]}
		if m[1] != "" {
			f.File = path.Clean(m[1])
			f.Line, _ = strconv.Atoi(m[2])
		}
		return f, true
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
		return f
	}
	if strings.HasPrefix(m[3], "undefined reference") {
		f.FR += " : il n'y a que " + submission.CFile + ", ce qu'il inclut, et la bibliothèque C"
		f.EN += ": there is only " + submission.CFile + ", what it includes, and the C library"
	}
	return f
}
