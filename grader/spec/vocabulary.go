package spec

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"moulinette/grader/scenario"
	"moulinette/grader/spec/expect"
	"moulinette/grader/spec/tree"
)

// Topics are the ids, beside those of an exercise, that [Explain] knows: each lists words
// of specs, from the tables by which these are checked.
func Topics() []string { return slices.Sorted(maps.Keys(topics())) }

const (
	aboutExpressions = "expressions"
	aboutSteps       = "steps"
	aboutFaults      = "faults"
	aboutWorld       = "world"
)

func topics() map[string]func(*words) {
	return map[string]func(*words){
		aboutExpressions: (*words).language, aboutSteps: (*words).stepWords,
		aboutFaults: (*words).faultWords, aboutWorld: (*words).worldWords,
	}
}

// suggest is [tree.Suggest]; where that stops, it names the topic that lists all.
func suggest(word string, known []string, topic string) string {
	advice := tree.Suggest(word, known)
	if strings.HasSuffix(advice, "...") {
		advice += " (all: `moulinette spec explain " + topic + "`)"
	}
	return advice
}

func (w *words) records() {
	w.line("\n%s", w.in("Champs", "Fields"))
	for _, r := range expect.Records() {
		name := r.Name
		if len(r.Are) > 0 && !slices.Equal(r.Are, []string{name}) {
			name += " (" + strings.Join(r.Are, ", ") + ")"
		}
		w.line("  %s\n%s", name, wrapped(r.Fields, "      "))
	}
}

func (w *words) stepWords() {
	w.line("%s %s", w.in("Une étape fait une chose : un appel du contrat, ou l'une de ces clés :",
		"A step does one thing: a call of the contract, or one of these keys:"), strings.Join(deeds(), ", "))
	w.line("\n%s", w.in("Clés d'une étape", "Keys of a step"))
	w.documented(reflect.TypeFor[stepDescription]())
	w.line("\n%s", w.in("Appels, avec leurs arguments (* : lance une sonde, accepte script)", "Calls, with their arguments (*: starts a probe, takes script)"))
	calls := scenario.Calls()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		mark := ""
		if calls[name].Starts {
			mark = " *"
		}
		w.line("  %s: {%s}%s", name, strings.Join(calls[name].Args, ", "), mark)
	}
	w.line("\n%s", w.in("Arguments qui ont des clés", "Arguments with keys"))
	for f := range reflect.TypeFor[scenario.Args]().Fields() {
		if f.Type.Kind() == reflect.Pointer {
			w.line("  %s", shape(f))
		}
	}
	w.line("  %s", w.in(
		"Sans cmd, la commande est la sonde ; "+scenario.TruePath+" finit aussitôt, bien, et sans bibliothèque, dans chaque racine aussi.",
		"Without cmd the command is the probe; "+scenario.TruePath+" ends at once, well, and without a library, in every root, too.",
	))
	w.line("\n%s", w.in("Ce que fait une sonde (do:)", "What a probe does (do:)"))
	w.table(scenario.Acts())
	w.list(w.in("Appels système de l'acte syscall", "System calls of the act syscall"), scenario.SyscallNames())
	w.list(w.in("Espaces de noms (flags)", "Namespaces (flags)"), slices.Sorted(maps.Keys(scenario.FlagNames())))
	w.list(w.in("Capacités (keep)", "Capabilities (keep)"), expect.Capabilities())
}

func (w *words) faultWords() {
	w.line("%s", w.in("Une faute fait échouer un appel système, ou le retient.", "A fault makes a system call fail, or holds it."))
	w.line("\n%s", w.in("Clés d'une faute", "Keys of a fault"))
	w.line("  %s", strings.Join(keysOf(reflect.TypeFor[scenario.Fault]()), ", "))
	w.line("\n%s", w.in("Effets (effect)", "Effects (effect)"))
	w.table(scenario.Effects())
	w.list(w.in("Effets que path peut restreindre", "Effects that path can narrow"), onPaths())
	w.list(w.in("Erreurs (errno)", "Errors (errno)"), scenario.Errnos())
}

func (w *words) worldWords() {
	w.line("%s", w.in("Le décor est ce que le bac à sable contient avant la première étape.", "The world is what the sandbox holds before the first step."))
	for _, part := range []struct {
		title string
		t     reflect.Type
	}{
		{w.in("Clés du décor (world)", "Keys of the world"), reflect.TypeFor[scenario.World]()},
		{w.in("Clés des limites (limits)", "Keys of the limits"), reflect.TypeFor[scenario.Limits]()},
	} {
		w.line("\n%s", part.title)
		for _, key := range keysOf(part.t) {
			w.line("  %s", key)
		}
	}
	w.line("\n%s", w.in("Ce qu'un scénario demande à la machine (needs)", "What a scenario needs of the host (needs)"))
	needs := map[string]string{}
	for name, text := range Features() {
		needs[name] = text.In(w.lang)
	}
	w.table(needs)
	w.list(w.in("Valeurs tirées (given: {NOM: {random: SORTE}})", "Random values (given: {NAME: {random: KIND}})"), slices.Sorted(maps.Keys(randomKinds())))
	w.list(w.in("Espaces de noms d'une cible (targets: flags)", "Namespaces of a target (targets: flags)"), slices.Sorted(maps.Keys(scenario.FlagNames())))
}

// documented writes the keys of a struct with their doc tags.
func (w *words) documented(t reflect.Type) {
	for _, i := range inOrder(tree.Keys(t)) {
		f := t.Field(i)
		w.line("  %s\n      %s", shape(f), f.Tag.Get("doc"))
	}
}

func (w *words) table(of map[string]string) {
	wide := 0
	for name := range of {
		wide = max(wide, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		w.line("  %-*s  %s", wide, name, of[name])
	}
}

func (w *words) list(title string, of []string) { w.line("\n%s\n%s", title, wrapped(of, "  ")) }

// wrapped is words in lines of a terminal's width.
func wrapped(of []string, indent string) string {
	const wide = 100
	lines := []string{indent}
	for i, word := range of {
		if i < len(of)-1 {
			word += ","
		}
		last := &lines[len(lines)-1]
		if len(*last)+1+len(word) > wide {
			*last = strings.TrimRight(*last, " ")
			lines = append(lines, indent)
			last = &lines[len(lines)-1]
		}
		*last += word + " "
	}
	return strings.TrimRight(strings.Join(lines, "\n"), " ")
}

// shape is a key with the keys of what it holds: mounts: [{target, source}].
func shape(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	t, open, shut := f.Type, "", ""
	if t.Kind() == reflect.Slice {
		t, open, shut = t.Elem(), "[", "]"
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Struct:
		return key + ": " + open + "{" + strings.Join(keysOf(t), ", ") + "}" + shut
	case open != "":
		return key + ": [...]"
	}
	return key
}

// keysOf are the keys of a struct in the order of its fields.
func keysOf(t reflect.Type) (keys []string) {
	for _, i := range inOrder(tree.Keys(t)) {
		keys = append(keys, shape(t.Field(i)))
	}
	return keys
}

func inOrder(keys map[string]int) []int {
	return slices.Sorted(maps.Values(keys))
}
