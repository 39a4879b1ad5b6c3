package submission

import (
	"path"
	"slices"
	"strings"

	"moulinette/grader/submission/c17"
)

// cExtensions are those of files that a submission in C may include by their
// path: the compiler takes any text.
var cExtensions = []string{".c", ".h", ".inc", ".def"}

// isCText is a file whose content a submission in C may need.
func isCText(name string) bool { return slices.Contains(cExtensions, path.Ext(name)) }

// includedC gathers the files of the folder that the compiler will read: the one
// that it is given, the header that our shim is compiled with, and whatever these
// include, directly or not.
func includedC(files Files) (read map[string]bool) {
	read = map[string]bool{}
	queue := []string{CFile, CHeader}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if read[name] {
			continue
		}
		read[name] = true
		for _, t := range c17.Tokens(files[name]) {
			if target := quotedInclude(t); target != "" {
				target = path.Join(path.Dir(name), target)
				if _, ok := files[target]; ok && isCText(target) {
					queue = append(queue, target)
				}
			}
		}
	}
	return read
}

// quotedInclude is what stands between the quotes of an #include.
func quotedInclude(t c17.Token) string {
	if t.Kind != c17.Directive {
		return ""
	}
	name, rest := c17.CutDirective(t.Text)
	rest, quoted := strings.CutPrefix(strings.TrimSpace(rest), `"`)
	if name != "include" || !quoted {
		return ""
	}
	target, _, _ := strings.Cut(rest, `"`)
	return target
}

// leavesC tells whether an #include of this target, in the file name, leads out of
// the folder. Up is allowed as far as the folder goes, at the beginning only: what
// the compiler does not find there it looks for in the system's folders.
func leavesC(name, target string, quoted bool) bool {
	up := 0
	if quoted {
		for strings.HasPrefix(target, "../") {
			target, up = target[len("../"):], up+1
		}
	}
	return path.IsAbs(target) || slices.Contains(strings.Split(target, "/"), "..") || up > strings.Count(name, "/")
}
