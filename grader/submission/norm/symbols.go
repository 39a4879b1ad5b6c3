package norm

import (
	"debug/elf"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"moulinette/grader/submission"
	"moulinette/grader/submission/c17"
)

// Functions says which functions of others a submission in C may call, by patterns
// of [path.Match]. Without any that are allowed, all are.
type Functions struct {
	Allowed   []string
	Forbidden []string
}

// chosen are the names that the C library's headers put in the place of those
// that stand in the text.
var chosen = regexp.MustCompile(`^__(?:isoc\d\d_)?([a-z]\w*?)(?:_chk|_2)?$`)

// cAliases are those that have nothing in common.
var cAliases = map[string]string{"gnu_dev_makedev": "makedev", "gnu_dev_major": "major", "gnu_dev_minor": "minor", "__errno_location": "errno"}

// Imports judges the functions that an object calls and does not have, as nm
// shows them.
func Imports(s *submission.Submission, object string, f Functions) (findings []submission.Finding, err error) {
	file, err := elf.Open(object)
	if err != nil {
		return nil, fmt.Errorf("norm: object: %w", err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		return nil, fmt.Errorf("norm: object: %w", err)
	}
	var g gathered
	symbolOf := map[string]string{}
	for _, symbol := range symbols {
		if symbol.Section != elf.SHN_UNDEF || symbol.Name == "" {
			continue
		}
		if finding, bad := f.judge(symbol.Name); bad {
			g.add(finding)
			symbolOf[finding.EN] = symbol.Name
		}
	}
	findings = g.few()
	for i := range findings { // those that are told: looking for a line takes its time
		locate(s, &findings[i], symbolOf[findings[i].EN])
	}
	return findings, nil
}

func (f Functions) judge(symbol string) (submission.Finding, bool) {
	name := inText(symbol)
	switch {
	case slices.Contains(f.Forbidden, name):
		return submission.Finding{
			Rule: "forbidden_program",
			FR:   fmt.Sprintf("%s est interdit : l'exercice est d'en écrire un", name),
			EN:   fmt.Sprintf("%s is forbidden: the exercise is to write one", name),
		}, true
	case len(f.Allowed) == 0 || f.allows(name) || f.allows(symbol):
		return submission.Finding{}, false
	}
	return submission.Finding{
		Rule: "other_function",
		FR:   fmt.Sprintf("%s n'est ni dans la liste de l'exercice, ni parmi les fonctions tolérées ; cela ne coûte rien", name),
		EN:   fmt.Sprintf("%s is neither on the exercise's list, nor among the functions that are tolerated; that costs nothing", name),
	}, true
}

func (f Functions) allows(name string) bool {
	return slices.ContainsFunc(f.Allowed, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// inText is a symbol as it stands in the text.
func inText(symbol string) string {
	if name, ok := cAliases[symbol]; ok {
		return name
	}
	if m := chosen.FindStringSubmatch(symbol); m != nil {
		return m[1]
	}
	return symbol
}

// locate finds the line of the first call.
func locate(s *submission.Submission, f *submission.Finding, symbol string) {
	for _, name := range append([]string{submission.CFile}, slices.Sorted(maps.Keys(s.Files))...) {
		if f.Line = callIn(s.Files[name], symbol); f.Line > 0 {
			f.File = name
			return
		}
	}
	f.File = submission.CFile
}

// callIn is the line of the first call in a text; 0: none.
func callIn(text []byte, symbol string) int {
	tokens := c17.Tokens(text)
	for i, t := range tokens {
		named := t.Kind == c17.Word && (t.Text == inText(symbol) || t.Text == symbol)
		if named && i+1 < len(tokens) && tokens[i+1].Text == "(" && (i == 0 || !declares(tokens[i-1])) {
			return t.Line
		}
	}
	return 0
}

// declares tells whether a name after t is declared, and not called.
func declares(t c17.Token) bool {
	return t.Kind == c17.Word && t.Text != "return" && t.Text != "else" && t.Text != "do" || t.Text == "*"
}
