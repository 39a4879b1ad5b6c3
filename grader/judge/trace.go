package judge

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"moulinette/grader/evidence"
)

// trace writes the traced system calls of a record as readable lines.
func trace(rec *evidence.Record) []string {
	const most = 200
	var lines []string
	for _, e := range rec.Trace {
		if len(lines) == most {
			return append(lines, fmt.Sprintf("... %d more", len(rec.Trace)-most))
		}
		lines = append(lines, traceLine(e))
	}
	return lines
}

func traceLine(e evidence.Event) string {
	what := e.Detail // which begins with the call, if there is one
	if !strings.HasPrefix(what, e.Call+"(") {
		what = e.Call + "(" + what + ")"
	}
	line := fmt.Sprintf("%8.1f ms  pid %d  %s", e.Millis, e.PID, short(what))
	if e.Path != "" {
		line += " " + short(strings.Join(append([]string{e.Path}, e.Argv[min(1, len(e.Argv)):]...), " "))
	}
	if e.Result != "" {
		line += " -> " + short(e.Result)
	}
	return line
}

// executed finds the forbidden programs that were executed while a scenario
// ran.
func executed(rec *evidence.Record, forbidden []string, blocking bool) []Finding {
	var found []Finding
	seen := map[string]bool{}
	for _, e := range rec.Trace {
		program := matches(e, forbidden)
		if program == "" || seen[program] {
			continue
		}
		seen[program] = true
		found = append(found, Finding{
			Rule: "forbidden_program", Where: rec.Scenario, Blocking: blocking,
			Message: text("%[1]s a été exécuté : l'exercice est de faire ce travail vous-même. (%[2]s)",
				"%[1]s was executed: the exercise is to do this work yourself. (%[2]s)", program, short(strings.Join(e.Argv, " "))),
		})
	}
	return found
}

// matches gives the forbidden program that an execve ran, or "". An entry is a
// program's name and the words that must follow it, in their order; options may
// stand between them.
func matches(e evidence.Event, forbidden []string) string {
	if e.Path == "" || !strings.HasPrefix(e.Call, "exec") {
		return ""
	}
	names := []string{path.Base(e.Path)}
	var words []string
	if len(e.Argv) > 0 {
		names = append(names, path.Base(e.Argv[0]))
		words = plainWords(e.Argv[1:])
	}
	if slices.Contains([]string{"busybox", "toybox"}, names[0]) && len(words) > 0 {
		names, words = append(names, words[0]), words[1:]
	}
	for _, entry := range forbidden {
		parts := strings.Fields(entry)
		if len(parts) > 0 && slices.Contains(names, parts[0]) && leads(words, parts[1:]) {
			return entry
		}
	}
	return ""
}

// plainWords leaves options out, and the values of those of ip(8) that take
// one.
func plainWords(argv []string) []string {
	var words []string
	for i := 0; i < len(argv); i++ {
		switch {
		case slices.Contains([]string{"-n", "-netns", "-f", "-family", "-b", "-batch", "-l", "-loops", "-rc", "-rcvbuf"}, argv[i]):
			i++
		case !strings.HasPrefix(argv[i], "-"):
			words = append(words, argv[i])
		}
	}
	return words
}

// leads tells whether words begin with those of an entry. ip(8) takes shortened
// words too.
func leads(words, entry []string) bool {
	if len(words) < len(entry) {
		return false
	}
	for i, w := range entry {
		if words[i] == "" || !strings.HasPrefix(w, words[i]) {
			return false
		}
	}
	return true
}
