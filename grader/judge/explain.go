package judge

import (
	"regexp"
	"slices"
	"strings"

	"moulinette/grader/evidence"
	"moulinette/grader/spec"
)

// explain puts what stands before an expectation's own subject in the place of its hint:
// a scenario about hostnames would speak of hostnames where no command ever ran.
func (e *Expectation) explain(sc *spec.Scenario, rec *evidence.Record) {
	first := obstacle(sc, rec)
	switch {
	case e.unseen(rec):
		e.Hint, e.Lesson, e.Read, e.Go = followed(neverRan(), first), beforeTheCommand(), []string{"execve(2)", "clone(2)", "strace(1)"}, spec.Words{}
	case e.mute(rec):
		e.Hint, e.Lesson, e.Read, e.Go = unset(), spec.Text{}, []string{"errno(3)"}, spec.Words{Hint: leadsNowhere(), Read: []string{"go doc fmt.Errorf"}}
	case !first.IsZero() && !strings.Contains(e.Got, ".error = "):
		e.Hint = followed(e.Hint, first)
		if !e.Go.Hint.IsZero() {
			e.Go.Hint = followed(e.Go.Hint, first)
		}
	}
}

// notSeen is what the kernel showed where a probe was to have run, before anything else.
var notSeen = regexp.MustCompile(`^probes?(?:\.\w+)?\.seen = false$`)

// unseen tells whether an expectation speaks of what a probe did that never ran. One that
// asks for nothing else than that has words of its own.
func (e *Expectation) unseen(rec *evidence.Record) bool {
	return unwitnessed(e.That, rec) && (!strings.Contains(e.That, ".seen") || notSeen.MatchString(e.Got))
}

// unreached is why a scenario failed of which this is the first expectation that is not
// true, if that is about a probe that never ran: whatever else was expected, too, is of no
// interest then.
func (e *Expectation) unreached(rec *evidence.Record) spec.Text {
	if !e.unseen(rec) {
		return spec.Text{}
	}
	return followed(e.Hint, e.Lesson)
}

// noErrno is how the kernel shows a call without an errno; group 1 is its label. An act of
// a probe without one got through.
var noErrno = regexp.MustCompile(`(?:^|[^.\w])call(?:s\.(\w+))?\.errno = ""`)

// mute tells whether the kernel showed of a call that it failed, and no errno.
func (e *Expectation) mute(rec *evidence.Record) bool {
	return slices.ContainsFunc(noErrno.FindAllStringSubmatch(e.Got, -1), func(m []string) bool {
		label := m[1]
		if label == "" && len(rec.Order) > 0 { // the last one
			label = rec.Order[len(rec.Order)-1]
		}
		return rec.Calls[label].Failed && rec.Calls[label].Errno == ""
	})
}

// wantsFailure is how an expectation asks for the failure of a call; group 1 is its label.
var wantsFailure = regexp.MustCompile(`\bcalls?(?:\.(\w+))?\.(?:failed|errno|error)\b`)

// obstacle tells of the first call that failed where nobody wanted it to.
func obstacle(sc *spec.Scenario, rec *evidence.Record) spec.Text {
	wanted := map[string]bool{}
	for _, e := range sc.Expect {
		for _, m := range wantsFailure.FindAllStringSubmatch(e.That, -1) {
			wanted[m[1]] = true
		}
	}
	for _, label := range rec.Order {
		if c := rec.Calls[label]; c.Failed && !wanted[label] && !wanted[""] {
			return hadFailed(c)
		}
	}
	return spec.Text{}
}

func neverRan() spec.Text {
	return text("La commande n'a pas donné signe de vie : ce que ce scénario regarde n'a pas été atteint.",
		"There was no sign of life from the command: what this scenario looks at was not reached.")
}

// stackFR and stackEN are for who has called clone() himself, which nobody does in Go.
const (
	stackFR = " (pile trop petite, donnée par le bas, ou rendue trop tôt)"
	stackEN = " (a stack too small, given by its bottom, or given back too early)"
)

func beforeTheCommand() spec.Text {
	return spec.Text{
		FR: "Tout ce qui précède la commande peut échouer, dans l'enfant aussi : vérifiez chaque appel, et dites sur stderr lequel. Un enfant tué" + stackFR + " ne dit rien : le statut que vous récoltez le trahit, un signal où vous attendiez une fin.",
		EN: "All that comes before the command can fail, in the child as well: check each call, and say on stderr which. A child that was killed" + stackEN + " says nothing: the status that you reap gives it away, a signal where you expected an end.",
	}
}

func leadsNowhere() spec.Text {
	return text("L'appel a échoué, mais son erreur ne mène à aucun errno : enveloppez avec %%w, non %%v, jusqu'à l'errno du noyau, où errors.Is le cherche.",
		"The call failed, but its error leads to no errno: wrap with %%w, not %%v, down to the kernel's errno, where errors.Is looks for it.")
}

func unset() spec.Text {
	return text("L'appel a échoué sans dire pourquoi : rendez -1, et rien d'autre, une fois errno fixé.",
		"The call failed and did not say why: return -1, and nothing else, once errno is set.")
}
