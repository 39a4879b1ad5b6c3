package norm

import (
	"fmt"
	"maps"
	"path"
	"regexp"
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
			n.calls.follow(n.tokens, i)
		}
		findings = append(findings, n.few()...)
	}
	return findings
}

type normOfC struct {
	file      string
	forbidden []string
	tokens    []c17.Token
	calls     calls
	gathered
}

func (n *normOfC) visit(i int) {
	t := n.tokens[i]
	switch t.Kind {
	case c17.Word:
		n.name(t, t.Text)
		if t.Text == "_Pragma" && i+2 < len(n.tokens) {
			n.pragma(t, n.tokens[i+2].Text)
		}
	case c17.String:
		n.name(t, firstWord(t.Text))
		n.executed(t)
	case c17.Directive:
		n.directive(t, n.tokens[i+1:])
	}
}

// systemHeader is a line marker that says that what follows is the system's text, of
// which no compiler warns.
var systemHeader = regexp.MustCompile(`^\d+\s+"[^"]*"(?:\s+[124])*\s+3\b`)

// directive judges one; its texts are the next tokens.
func (n *normOfC) directive(t c17.Token, next []c17.Token) {
	name, rest := c17.CutDirective(t.Text)
	switch {
	case name == "pragma":
		n.pragma(t, rest)
	case name == "define" && strings.Contains(rest, "_Pragma"):
		for i := 0; i < len(next) && next[i].At < 0; i++ {
			n.pragma(t, next[i].Text)
		}
	case systemHeader.MatchString(t.Text):
		n.hidden(t, t.Text)
	}
}

// pragma judges a #pragma that hides warnings, or makes them no errors again.
func (n *normOfC) pragma(t c17.Token, text string) {
	words := strings.Fields(text)
	if len(words) < 2 || words[0] != "GCC" && words[0] != "clang" {
		return
	}
	tamed := words[1] == "diagnostic" && len(words) > 2 && (words[2] == "ignored" || words[2] == "warning")
	if tamed || words[1] == "system_header" {
		n.hidden(t, "pragma "+strings.Join(words, " "))
	}
}

func (n *normOfC) hidden(t c17.Token, directive string) {
	n.say(t, "hidden_warning", fmt.Sprintf("#%s cache des avertissements que l'exercice veut voir (-Wall -Wextra -Werror)", directive),
		fmt.Sprintf("#%s hides warnings that the exercise wants to see (-Wall -Wextra -Werror)", directive))
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

// executed judges a text that stands in calls which execute: the program of one, and
// every word where one of them is for a shell.
func (n *normOfC) executed(t c17.Token) {
	program := n.calls.text(slices.Contains(shells, path.Base(t.Text)))
	if n.calls.shells == 0 {
		if program {
			n.command(t, path.Base(t.Text))
		}
		return
	}
	for i, word := range strings.FieldsFunc(t.Text, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()", r) }) {
		n.command(t, path.Base(word))
		if i > 0 { // the first was judged as every text's is
			n.name(t, path.Base(word))
		}
	}
}

func (n *normOfC) command(t c17.Token, word string) {
	if slices.Contains(waysRound, word) {
		n.say(t, "way_round", fmt.Sprintf("exécuter %s n'est pas faire le travail : l'exercice porte sur les appels système qui sont derrière", word),
			fmt.Sprintf("executing %s is not doing the work: the exercise is about the system calls behind it", word))
	}
}

// calls are those of [cExecutors] that are open at a place of a text. They are followed
// in one pass: a text can nest as many as it has words.
type calls struct {
	open   []call
	depth  int // of parentheses
	shells int // how many of the open ones are for a shell
}

type call struct {
	depth int  // of its parentheses
	shell bool // every word of its texts is executed
	named bool // its program has been seen
}

// follow goes on by one token.
func (c *calls) follow(tokens []c17.Token, i int) {
	switch t := tokens[i]; {
	case t.Kind != c17.Mark:
	case t.Text == "(":
		c.depth++
		if i == 0 || tokens[i-1].Kind != c17.Word {
			return
		}
		if line, ok := cExecutors[tokens[i-1].Text]; ok {
			c.open = append(c.open, call{depth: c.depth, shell: line})
			c.count(line, 1)
		}
	case t.Text == ")":
		if last := len(c.open) - 1; last >= 0 && c.open[last].depth == c.depth {
			c.count(c.open[last].shell, -1)
			c.open = c.open[:last]
		}
		c.depth--
	}
}

// text notes that one stands here, the name of a shell or not, and tells whether it is
// the program of an open call.
func (c *calls) text(shell bool) (program bool) {
	for i := len(c.open) - 1; i >= 0 && !c.open[i].named; i-- {
		program, c.open[i].named = true, true
		if shell && !c.open[i].shell {
			c.open[i].shell = true
			c.count(true, 1)
		}
	}
	return program
}

func (c *calls) count(shell bool, n int) {
	if shell {
		c.shells += n
	}
}
