package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// text formats one sentence in both languages with the same values.
func text(fr, en string, values ...any) spec.Text {
	return spec.Text{FR: fmt.Sprintf(fr, values...), EN: fmt.Sprintf(en, values...)}
}

// followed puts a second sentence, if there is one, behind the first.
func followed(first, second spec.Text) spec.Text {
	return spec.Text{FR: strings.TrimSpace(first.FR + " " + second.FR), EN: strings.TrimSpace(first.EN + " " + second.EN)}
}

func noRecord() spec.Text {
	return text("Le correcteur n'a pas de trace de ce scénario : ce n'est pas votre faute.",
		"The grader has no record of this scenario: that is not your fault.")
}

func harness(why string) spec.Text { return failed(spec.Text{FR: why, EN: why}) }

func failed(why spec.Text) spec.Text {
	return spec.Text{
		FR: fmt.Sprintf("Le correcteur ou la machine a failli (%s) : ce n'est pas votre faute.", short(cmp.Or(why.FR, "?"))),
		EN: fmt.Sprintf("The grader or its host failed (%s): that is not your fault.", short(cmp.Or(why.EN, "?"))),
	}
}

func unavailable(feature string) spec.Text {
	cure := text("relancez en root, ou avec --isolation vm.", "run it again as root, or with --isolation vm.")
	switch feature {
	case "real_root", "other_abi", "faults":
		cure = text("relancez avec --isolation vm.", "run it again with --isolation vm.")
	case "ip_command":
		cure = text("installez iproute2.", "install iproute2.")
	}
	what := text("« %s »", "%q", feature)
	if known, ok := spec.Features()[feature]; ok {
		what = known
	}
	return spec.Text{
		FR: "Cette machine ne permet pas : " + what.FR + " ; " + cure.FR,
		EN: "This host cannot offer: " + what.EN + "; " + cure.EN,
	}
}

// leftOut tells of scenarios that only another host could show, for free.
func leftOut(why spec.Text, ids []string) spec.Text {
	what := text("Non joué ici, sans effet sur les points (%s). ", "Not played here, at no cost (%s). ", strings.Join(ids, ", "))
	return spec.Text{FR: what.FR + why.FR, EN: what.EN + why.EN}
}

func withheld(due []evidence.Refusal) spec.Text {
	var what []string
	for _, r := range due {
		what = append(what, r.String())
	}
	list := short(strings.Join(what, ", "))
	return text("Le noyau refuse ceci au bac à sable mais l'aurait accordé à un vrai root (%s) ; pour être jugé, relancez en root, ou avec --isolation vm.",
		"The kernel refuses this to the sandbox but would have granted it to a real root (%s); to have it judged, run it again as root, or with --isolation vm.", list)
}

// broke tells how a submission ended before its time.
func broke(sc *spec.Scenario, rec *evidence.Record) spec.Text {
	end := rec.End
	resolved, _ := sc.Resolve(rec.Seed)
	step := stepName(cmp.Or(end.Step, "New"), callOf(resolved, end.Step))
	limits := resolved.Limits.WithDefaults()
	switch end.Outcome {
	case evidence.Exited:
		if end.Panic != "" {
			return panicked(evidence.Call{Name: "New", Panic: end.Panic})
		}
		if end.Step == "start" {
			return neverBegan(end)
		}
		if end.Signal != 0 {
			return during(step, "Votre programme a été tué par %[2]s pendant l'étape %[1]s.",
				"Your program was killed by %[2]s during the step %[1]s.", signalName(end.Signal))
		}
		return during(step, "Votre programme s'est terminé (statut %[2]d) pendant l'étape %[1]s, alors qu'il devait rendre la main.",
			"Your program ended (status %[2]d) during the step %[1]s, where it should have returned.", end.Exit)
	case evidence.Hung:
		return during(step, "L'étape %[1]s n'a pas rendu la main à temps (%[2]g s pour une étape, %[3]g s en tout) : qu'attend votre programme, et qui devait le réveiller ?",
			"The step %[1]s did not return in time (%[2]g s for a step, %[3]g s for all): what does your program wait for, and who was to wake it?",
			float64(limits.StepMS)/1000, float64(limits.ScenarioMS)/1000)
	case evidence.Flooded:
		if end.Limit == "record" {
			return text("Votre programme a laissé plus à regarder que le correcteur n'en garde : combien de processus, de montages ou d'interfaces fait-il ?",
				"Your program left more to look at than the grader keeps: how many processes, mounts or interfaces does it make?")
		}
		return during(step, "Votre programme a écrit plus que permis (%[2]d Kio) jusqu'à l'étape %[1]s.",
			"Your program had printed more than it may (%[2]d KiB) by the step %[1]s.", limits.OutputKiB)
	case evidence.Exhausted:
		switch end.Limit {
		case "memory":
			return during(step, "Votre programme, avec tout ce qu'il a lancé, a pris plus de mémoire que permis (%[2]d Mio) pendant l'étape %[1]s.",
				"Your program, with all that it has started, took more memory than it may (%[2]d MiB) during the step %[1]s.", limits.MemoryMiB)
		case "processes":
			return during(step, "Votre programme a lancé plus de processus et de fils d'exécution que permis (%[2]d à la fois) pendant l'étape %[1]s.",
				"Your program started more processes and threads than it may (%[2]d at a time) during the step %[1]s.", limits.Processes)
		}
		return during(step, "Votre programme a dépassé sa limite de mémoire ou de processus pendant l'étape %s.",
			"Your program went over its limit of memory or processes during the step %s.")
	case evidence.Spoiled:
		return during(step, "L'hôte n'a pas pu agir à l'étape %[1]s (%[2]s) : votre programme a changé ce qui n'était pas à lui.",
			"The host could not act in the step %[1]s (%[2]s): your program has changed what was not its own.", short(end.Reason))
	default: // babbled
	}
	return during(step, "La réponse à l'étape %s est illisible : le canal du correcteur ne vous appartient pas.",
		"The answer to the step %s makes no sense: the grader's channel is not yours to write to.")
}

// stepName is a step as its author knows it. Nobody has written a "start".
// A label alone says nothing to somebody who has not read the scenario.
func stepName(step, call string) spec.Text {
	if call != "" && !strings.HasPrefix(step, call) {
		step = call + " (" + step + ")"
	}
	if step == "start" {
		return text("start (tout ce qui tourne avant le premier appel : init, variables de paquet, New ; en C, les constructeurs)",
			"start (all that runs before the first call: init, package variables, New; in C, constructors)")
	}
	return spec.Text{FR: step, EN: step}
}

// callOf is the call that is made in a step.
func callOf(sc scenario.Scenario, step string) string {
	for _, s := range sc.Steps {
		if s.As == step {
			return s.Call
		}
	}
	return ""
}

// during is a text whose first word is the step.
func during(step spec.Text, fr, en string, args ...any) spec.Text {
	return spec.Text{
		FR: fmt.Sprintf(fr, append([]any{step.FR}, args...)...),
		EN: fmt.Sprintf(en, append([]any{step.EN}, args...)...),
	}
}

// ruined explains what the C library says of its heap before it gives up, often in a
// call that is not the culprit.
func ruined(rec *evidence.Record) spec.Text {
	said := rec.Output.Stderr
	for _, words := range []string{"double free or corruption", "free(): ", "malloc(): ", "munmap_chunk(): ", "corrupted size", "corrupted top size"} {
		if rec.End.Signal == 6 && strings.Contains(said, words) {
			return text("Le tas a été écrasé avant cela, ou un bloc rendu deux fois : qui a écrit devant ou derrière le sien ? clone() écrit juste sous l'adresse qu'on lui donne pour pile : c'est le sommet qu'il veut.",
				"The heap had been overwritten before, or a block was freed twice: who wrote in front of his own, or behind it? clone() writes just below the address that it is given for a stack: it wants the top.")
		}
	}
	return spec.Text{}
}

// crashed is for those whose language does not say where a program was killed.
func crashed() spec.Text {
	return text("Un programme tué l'a été à une ligne : avec --sanitize, le compilateur la nomme.",
		"A program that was killed was killed at a line: with --sanitize the compiler names it.")
}

// neverBegan is for a program that is gone before it was asked for anything.
func neverBegan(end evidence.End) spec.Text {
	if end.Signal != 0 {
		return text("Votre programme a été tué par %s avant le premier appel : que fait-il à son démarrage (constructeur, init) ?",
			"Your program was killed by %s before the first call: what does it do at its start (constructor, init)?", signalName(end.Signal))
	}
	return text("Votre programme s'est terminé (statut %d) avant le premier appel : que fait-il à son démarrage (constructeur, init) ?",
		"Your program ended (status %d) before the first call: what does it do at its start (constructor, init)?", end.Exit)
}

// signalName is a signal as people look it up; see signal(7).
func signalName(n int) string {
	names := map[int]string{
		4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 31: "SIGSYS",
	}
	return cmp.Or(names[n], fmt.Sprintf("signal %d", n))
}

func unimplemented(call string) spec.Text {
	return text("%s n'est pas encore écrit.", "%s is not implemented yet.", call)
}

func stubbed(call string) spec.Text {
	return text("%s répond « pas encore écrit » (ENOSYS).", "%s answers \"not implemented\" (ENOSYS).", call)
}

func panicked(c evidence.Call) spec.Text {
	return text("%s a paniqué : %s", "%s panicked: %s", c.Name, short(c.Panic))
}

func impostor(name, why string) spec.Text {
	if why == evidence.Gone {
		return text("Ce qui s'est présenté comme %s n'était déjà plus là quand nous l'avons regardé : votre code l'a tué, ou ce n'est pas le programme que nous vous avons confié.",
			"What checked in as %s was gone when we looked at it: your code has killed it, or it is not the program that we handed to you.", name)
	}
	return spec.Text{
		FR: fmt.Sprintf("Ce qui s'est présenté comme %s n'est pas le programme que nous vous avons confié (%s).", name, cmp.Or(unbelieved()[why], short(why))),
		EN: fmt.Sprintf("What checked in as %s is not the program that we handed to you (%s).", name, short(why)),
	}
}

// unbelieved is in French what the evidence says of impostors.
func unbelieved() map[string]string {
	return map[string]string{
		evidence.Nameless:  "ce qui s'est connecté ne s'est pas présenté",
		evidence.Borrowed:  "sa connexion n'est pas de son fait",
		evidence.Traced:    "un autre processus le trace",
		evidence.Otherwise: "il exécute un autre programme que la sonde",
		evidence.Altered:   "le programme de la sonde a été modifié",
	}
}

// gaveUp tells of the first call that failed: it may be why the next thing was not asked for.
func gaveUp(rec *evidence.Record) spec.Text {
	for _, label := range rec.Order {
		if c := rec.Calls[label]; c.Failed {
			return hadFailed(c)
		}
	}
	return spec.Text{}
}

func hadFailed(c evidence.Call) spec.Text {
	return text("%s avait échoué : %s.", "%s had failed: %s.", c.Name, strings.TrimRight(short(cmp.Or(strings.TrimPrefix(c.Error, c.Name+" "), c.Errno, "?")), "."))
}

// neverAsked is for a fault that nothing ran into.
func neverAsked(f scenario.Fault) spec.Text {
	what, ok := asked()[f.Effect]
	if !ok {
		what = text("« %s »", "%q", f.Effect)
	}
	what = followed(what, narrowed(f))
	never := spec.Text{FR: "Votre code n'a jamais demandé au noyau " + what.FR + ".", EN: "Your code never asked the kernel for " + what.EN + "."}
	if slices.Contains([]string{"open_uid_map", "open_gid_map", "open_setgroups"}, f.Effect) {
		never = followed(never, text("C'est au parent de l'écrire, pour le PID de l'enfant, pendant que celui-ci attend.",
			"It is for the parent to write it, for the child's PID, while the child waits."))
	}
	return never
}

// narrowed says which calls of its effect a fault waits for, if not the first one anywhere.
func narrowed(f scenario.Fault) spec.Text {
	switch {
	case f.Path != "" && f.Nth > 1:
		return text("(%s, %d fois)", "(%s, %d times)", f.Path, f.Nth)
	case f.Path != "":
		return text("(%s)", "(%s)", f.Path)
	case f.Nth > 1:
		return text("(%d fois)", "(%d times)", f.Nth)
	}
	return spec.Text{}
}

// asked says in words what each effect of a fault is a request for.
func asked() map[string]spec.Text {
	return map[string]spec.Text{
		"new_pid":        {FR: "un nouvel espace de noms PID", EN: "a new PID namespace"},
		"new_net":        {FR: "un nouvel espace de noms réseau", EN: "a new network namespace"},
		"new_mnt":        {FR: "un nouvel espace de noms de montage", EN: "a new mount namespace"},
		"new_user":       {FR: "un nouvel espace de noms utilisateur", EN: "a new user namespace"},
		"new_uts":        {FR: "un nouvel espace de noms UTS", EN: "a new UTS namespace"},
		"new_ipc":        {FR: "un nouvel espace de noms IPC", EN: "a new IPC namespace"},
		"pipe":           {FR: "un tube de synchronisation", EN: "a pipe to synchronise with"},
		"fork":           {FR: "un nouveau processus", EN: "a new process"},
		"mount":          {FR: "un montage", EN: "a mount"},
		"mount_proc":     {FR: "le montage d'un proc", EN: "a proc to be mounted"},
		"mount_bind":     {FR: "un montage lié (bind)", EN: "a bind mount"},
		"propagation":    {FR: "un changement de propagation", EN: "a change of propagation"},
		"umount":         {FR: "un démontage", EN: "an unmount"},
		"pivot_root":     {FR: "pivot_root", EN: "pivot_root"},
		"sethostname":    {FR: "un changement de nom d'hôte", EN: "a change of the hostname"},
		"setns":          {FR: "l'entrée dans un espace de noms (setns)", EN: "entry into a namespace (setns)"},
		"open_uid_map":   {FR: "l'écriture d'un uid_map", EN: "a uid_map to write"},
		"open_gid_map":   {FR: "l'écriture d'un gid_map", EN: "a gid_map to write"},
		"open_setgroups": {FR: "l'écriture d'un setgroups", EN: "a setgroups to write"},
		"execve":         {FR: "l'exécution de la commande", EN: "the command to be executed"},
		"seccomp":        {FR: "un filtre seccomp", EN: "a seccomp filter"},
		"capset":         {FR: "l'abandon de capacités", EN: "capabilities to be dropped"},
		"setuid":         {FR: "un changement d'utilisateur", EN: "a change of user"},
		"mknod":          {FR: "la création d'un périphérique", EN: "a device node"},
		"netlink":        {FR: "une socket netlink", EN: "a netlink socket"},
	}
}

// short bounds foreign text in a sentence.
func short(foreign string) string {
	const most = 300
	foreign = strings.ToValidUTF8(foreign, "\ufffd")
	if len(foreign) > most {
		foreign = strings.ToValidUTF8(foreign[:most], "") + "..."
	}
	return foreign
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
