package submission

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"moulinette/grader/submission/c17"
)

// The two files of a submission in C.
const (
	CFile   = "linux_namespaces.c"
	CHeader = "linux_namespaces.h"
)

// isRootC is a C text of the folder itself.
func isRootC(name string) bool {
	return !strings.Contains(name, "/") && (strings.HasSuffix(name, ".c") || strings.HasSuffix(name, ".h"))
}

// loadC chooses the files that are compiled, and judges them: the one C file,
// what it includes, and every header beside it.
func (s *Submission) loadC(files Files) error {
	var findings []Finding
	included := includedC(files)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case included[name] && odd(name):
			return oddSource(s.ImportPath, name)
		case odd(name) && !strings.Contains(name, "/") && isCText(name):
			s.Notices = append(s.Notices, Finding{
				Rule: "ignored", File: shown(name),
				FR: "fichier ignoré : rien ne l'inclut par ce nom", EN: "file ignored: nothing includes it by this name",
			})
		case odd(name):
		case isRootGo(name) && name[0] != '.' && name[0] != '_':
			s.Notices = append(s.Notices, Finding{
				Rule: "ignored", File: name,
				FR: "fichier Go ignoré : son nom ou sa ligne //go:build le réserve à autre chose, et le rendu est en C",
				EN: "Go file ignored: its name or its //go:build line keeps it for something else, and the submission is in C",
			})
		case included[name], isRootC(name) && path.Ext(name) == ".h":
			s.Files[name] = files[name]
			findings = append(findings, checkC(name, files[name])...)
		case path.Ext(name) == ".c":
			s.Notices = append(s.Notices, Finding{
				Rule: "ignored", File: name,
				FR: "fichier ignoré : seul " + CFile + ", avec ce qu'il inclut, est compilé, avec le main du correcteur",
				EN: "file ignored: only " + CFile + " and what it includes are compiled, with the grader's main",
			})
		}
	}
	if _, ok := files[CHeader]; !ok {
		s.Notices = append(s.Notices, Finding{
			Rule: "ignored", FR: CHeader + " n'est pas rendu : celui du correcteur le remplace",
			EN: CHeader + " is not handed in: the grader's stands in for it",
		})
	}
	if len(findings) > 0 {
		SortFindings(findings)
		return &BuildError{Findings: findings[:min(len(findings), MaxFindings)]}
	}
	return nil
}

// checkC refuses what would reach out of the submission.
func checkC(name string, text []byte) (findings []Finding) {
	refuse := func(t c17.Token, what string) {
		if len(findings) == MaxFindings {
			return
		}
		findings = append(findings, Finding{
			Rule: "directive", File: name, Line: t.Line,
			FR: what + " n'est pas permis dans un rendu", EN: what + " is not allowed in a submission",
		})
	}
	for _, t := range c17.Tokens(text) {
		switch {
		case t.Kind == c17.Directive:
			if what := forbiddenInclude(name, t.Text); what != "" {
				refuse(t, what)
			}
		case t.Kind == c17.String && strings.Contains(t.Text, ".incbin"):
			refuse(t, ".incbin")
		case t.Kind == c17.String && strings.Contains(t.Text, ".include"):
			refuse(t, ".include")
		}
	}
	return findings
}

// forbiddenInclude names an #include in file that leaves the folder and the
// system's headers, or does not say where it leads.
func forbiddenInclude(file, line string) string {
	name, rest := c17.CutDirective(line)
	switch name {
	case "include":
	case "include_next", "import", "embed":
		return "#" + name
	default:
		return ""
	}
	rest = strings.TrimSpace(rest)
	if rest == "" || rest[0] != '"' && rest[0] != '<' {
		return "#include " + rest
	}
	target, _, _ := strings.Cut(rest[1:], string(map[byte]rune{'"': '"', '<': '>'}[rest[0]]))
	if leavesC(file, target, rest[0] == '"') {
		return fmt.Sprintf("#include %c%s%c", rest[0], target, map[byte]rune{'"': '"', '<': '>'}[rest[0]])
	}
	return ""
}
