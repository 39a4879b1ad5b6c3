package norm

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"moulinette/grader/submission"
	"moulinette/grader/submission/c17"
)

// cExecutors are the functions that execute what their texts name; those that
// are true take a line for a shell.
var cExecutors = map[string]bool{
	"execl": false, "execlp": false, "execle": false, "execv": false, "execvp": false, "execvpe": false, "execve": false,
	"posix_spawn": false, "posix_spawnp": false, "system": true, "popen": true,
}

// ofC finds breaches of the norm in the text of a submission in C.
func ofC(s *submission.Submission, forbidden []string) (findings []submission.Finding) {
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		n := normOfC{file: name, forbidden: forbidden, tokens: c17.Tokens(s.Files[name])}
		for i := range n.tokens {
			n.visit(i)
		}
		findings = append(findings, n.few()...)
	}
	return findings
}

type normOfC struct {
	file      string
	forbidden []string
	tokens    []c17.Token
	gathered
}

func (n *normOfC) visit(i int) {
	t := n.tokens[i]
	switch t.Kind {
	case c17.Word:
		n.name(t, t.Text)
		if line, ok := cExecutors[t.Text]; ok {
			n.execution(n.arguments(i+1), line)
		}
		if t.Text == "_Pragma" && i+2 < len(n.tokens) {
			n.pragma(t, n.tokens[i+2].Text)
		}
	case c17.String:
		n.name(t, firstWord(t.Text))
	case c17.Directive:
		if name, rest := c17.CutDirective(t.Text); name == "pragma" {
			n.pragma(t, rest)
		}
	}
}

// pragma judges a #pragma that hides warnings.
func (n *normOfC) pragma(t c17.Token, text string) {
	words := strings.Fields(text)
	if len(words) < 2 || words[0] != "GCC" && words[0] != "clang" {
		return
	}
	if hides := words[1] == "diagnostic" && len(words) > 2 && words[2] == "ignored" || words[1] == "system_header"; hides {
		n.say(t, "hidden_warning",
			fmt.Sprintf("#pragma %s cache des avertissements que l'exercice veut voir (-Wall -Wextra -Werror)", strings.Join(words, " ")),
			fmt.Sprintf("#pragma %s hides warnings that the exercise wants to see (-Wall -Wextra -Werror)", strings.Join(words, " ")))
	}
}

func (n *normOfC) say(t c17.Token, rule, fr, en string) {
	n.add(submission.Finding{Rule: rule, File: n.file, Line: t.Line, FR: fr, EN: en})
}

func (n *normOfC) name(t c17.Token, word string) {
	if slices.Contains(n.forbidden, word) {
		n.say(t, "forbidden_program", fmt.Sprintf("%s est interdit : l'exercice est d'en écrire un", word),
			fmt.Sprintf("%s is forbidden: the exercise is to write one", word))
	}
}

// arguments are the texts between the parentheses that begin at i.
func (n *normOfC) arguments(i int) (texts []c17.Token) {
	depth := 0
	for ; i < len(n.tokens); i++ {
		switch t := n.tokens[i]; {
		case t.Kind == c17.Mark && t.Text == "(":
			depth++
		case t.Kind == c17.Mark && t.Text == ")":
			depth--
		case t.Kind == c17.String && depth > 0:
			texts = append(texts, t)
		}
		if depth <= 0 {
			return texts
		}
	}
	return texts
}

// execution judges what is executed: the program, and where that is a shell every
// word.
func (n *normOfC) execution(texts []c17.Token, line bool) {
	if len(texts) == 0 {
		return
	}
	if !line && !slices.Contains(shells, path.Base(texts[0].Text)) {
		n.command(texts[0], path.Base(texts[0].Text))
		return
	}
	for _, t := range texts {
		for i, word := range strings.FieldsFunc(t.Text, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()", r) }) {
			n.command(t, path.Base(word))
			if i > 0 { // the first was judged as every text's is
				n.name(t, path.Base(word))
			}
		}
	}
}

func (n *normOfC) command(t c17.Token, word string) {
	if slices.Contains(waysRound, word) {
		n.say(t, "way_round", fmt.Sprintf("exécuter %s n'est pas faire le travail : l'exercice porte sur les appels système qui sont derrière", word),
			fmt.Sprintf("executing %s is not doing the work: the exercise is about the system calls behind it", word))
	}
}
