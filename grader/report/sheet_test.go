package report_test

import (
	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

func text(en, fr string) spec.Text { return spec.Text{EN: en, FR: fr} }

// passing is a sheet with nothing to complain about.
func passing() *judge.Sheet {
	return &judge.Sheet{
		Exercise: "truman_container", Title: text("Truman's container", "Le conteneur de Truman"),
		Submission: "./reference", Language: "go", Seed: 4242, Isolation: "ns",
		Rows: []judge.Row{{
			ID: "pid_isolation", Title: text("PID isolation", "Isolation des PID"), Points: 60, Earned: 60,
			Verdict: judge.Pass, Scenarios: []judge.Scenario{good("pid.child_is_init")},
		}, {
			ID: "container_wait", Title: text("Container wait", "Attente du conteneur"), Points: 40, Earned: 40,
			Verdict: judge.Pass, Scenarios: []judge.Scenario{good("wait.status")},
		}},
		Bonus: []judge.Row{{
			ID: "seccomp", Title: text("Seccomp filter", "Filtre seccomp"), Points: 50, Earned: 50,
			Verdict: judge.Pass, Scenarios: []judge.Scenario{good("seccomp.blocks")},
		}},
		Norm:     judge.Norm{OK: true},
		Concepts: []judge.Concept{{ID: "2.10.8.d", Title: text("the parent sees its children", "le parent voit ses enfants"), Mastered: true, Judged: true}},
		Score:    100, MaxScore: 100, PassingScore: 70, Passed: new(true),
		XP: 2000, BonusEarned: 50, BonusMax: 50,
		Environment: map[string]string{"kernel": "6.12.0", "cgroup": "v2"},
	}
}

func good(id string) judge.Scenario {
	return judge.Scenario{
		ID: id, Title: text("it works", "cela marche"), Verdict: judge.Pass, Millis: 12.345,
		Expectations: []judge.Expectation{{That: "call.ok", OK: true, Judged: true, Got: "call.ok = true"}},
	}
}

// failing is a sheet with every kind of trouble at once.
func failing() *judge.Sheet {
	s := passing()
	s.Submission = "./student"
	lesson := text(
		"A process is PID 1 only in a PID namespace that it was born in: unshare moves the children, not the caller.",
		"Un processus n'est PID 1 que dans l'espace de PID où il est né : unshare déplace les enfants, pas l'appelant.")
	wrongFlag := judge.Expectation{
		That: "probe.nspid[-1] == 1 && probe.ns.pid != before.driver.ns.pid", Judged: true,
		Got:    "probe.nspid = [4242], probe.ns.pid = 4026531836, before.driver.ns.pid = 4026531836",
		Hint:   text("Which flag did you hand to clone?", "Quel drapeau avez-vous donné à clone ?"),
		Lesson: lesson, Read: []string{"clone(2)", "pid_namespaces(7)"},
	}
	status := judge.Expectation{
		That: "call.value == given.status", Judged: true, Got: "call.value = 0, given.status = 42",
		Hint: text("The value to return is the exit status, not the pid.", "La valeur à rendre est le code de sortie, pas le pid."), Lesson: lesson,
	}
	unseen := judge.Expectation{That: "after.zombies == 0", Hint: text("never shown", "jamais montré")}
	s.Rows[0].Verdict, s.Rows[0].Earned = judge.Fail, 0
	s.Rows[0].Scenarios = []judge.Scenario{
		{
			ID: "pid.child_is_init", Title: text("The child is PID 1", "L'enfant est PID 1"), Verdict: judge.Fail, Millis: 3.2,
			Expectations: []judge.Expectation{wrongFlag, status, unseen}, Trace: []string{"+0.4ms clone(CLONE_NEWNS)"},
		},
		good("pid.status"),
		{
			ID: "pid.hangs", Title: text("A refused clone is reported", "Un clone refusé est signalé"), Verdict: judge.Fail, Millis: 5000,
			Reason: text("create_pid_namespace panicked: boom\nmain.f()\n\tmain.go:3 +0x1", "create_pid_namespace a paniqué : boom\nmain.f()\n\tmain.go:3 +0x1"),
			Stderr: "panic: \x1b[31mboom\x1b[0m\n\tmain.go:12\n",
		},
		{
			ID: "pid.hangs_too", Title: text("A refused fork is reported", "Un fork refusé est signalé"), Verdict: judge.Fail, Millis: 5000,
			Reason: text("create_pid_namespace panicked: boom\nmain.f()\n\tmain.go:3 +0x1", "create_pid_namespace a paniqué : boom\nmain.f()\n\tmain.go:3 +0x1"),
			Stderr: "panic: \x1b[31mboom\x1b[0m\n\tmain.go:12\n",
		},
	}
	s.Rows[1].Verdict, s.Rows[1].Earned = judge.NotJudged, 0
	s.Rows[1].Reason = text("It needs PID isolation, which failed.", "Il faut d'abord l'isolation des PID, qui a échoué.")
	s.Rows[1].Scenarios[0].Verdict = judge.NotJudged
	s.Bonus[0].Verdict, s.Bonus[0].Earned, s.BonusEarned = judge.Fail, 0, 0
	s.Bonus[0].Scenarios = []judge.Scenario{{
		ID: "seccomp.blocks", Title: text("reboot is refused", "reboot est refusé"), Verdict: judge.Fail,
		Expectations: []judge.Expectation{wrongFlag},
		Stderr:       "container entry: hostname: operation not permitted\n",
	}}
	s.Norm = judge.Norm{Blocking: true, Findings: []judge.Finding{
		{Rule: "memory", Where: "container.leak", Message: text("each call keeps 1 MiB", "chaque appel garde 1 Mio"), Blocking: true},
		{Rule: "forbidden_import", Where: "net.go:7", Message: text("imports os/user", "importe os/user")},
	}}
	s.Concepts = append(s.Concepts,
		judge.Concept{ID: "2.10.10.f", Title: text("one-way propagation", "propagation à sens unique"), Judged: true},
		judge.Concept{ID: "2.10.9.c", Title: text("own routing table", "table de routage propre")})
	s.Score, s.Unjudged, s.Passed, s.XP = 0, 0, new(false), 0
	s.Notices = []spec.Text{text("gofmt would change two files", "gofmt changerait deux fichiers")}
	return s
}

// unbuildable is a submission that the compiler refused.
func unbuildable() *judge.Sheet {
	s := passing()
	for i := range s.Rows {
		s.Rows[i].Verdict, s.Rows[i].Earned, s.Rows[i].Scenarios = judge.Fail, 0, nil
	}
	s.Bonus[0].Verdict, s.Bonus[0].Earned, s.BonusEarned = judge.Fail, 0, 0
	s.Build = &judge.Build{
		Reason: text("The compiler refused it.", "Le compilateur l'a refusé."),
		Output: "student/pid.go:12:2: undefined: clone\nstudent/pid.go:14:9: not enough return values",
	}
	s.Concepts = nil
	s.Score, s.Passed, s.XP = 0, new(false), 0
	return s
}

// broken is a grading that the harness spoilt.
func broken() *judge.Sheet {
	s := passing()
	s.Rows[0].Verdict, s.Rows[0].Earned = judge.HarnessFault, 0
	s.Rows[0].Reason = text("The sandbox could not be opened.", "Le bac à sable n'a pas pu être ouvert.")
	s.Rows[0].Scenarios[0].Verdict, s.Rows[0].Scenarios[0].Reason = judge.HarnessFault, s.Rows[0].Reason
	s.Rows[1].Verdict, s.Rows[1].Earned = judge.NotJudged, 0
	s.Rows[1].Reason = text(
		"This host gives the box one id only. Cure: apt install uidmap, then add a line for you to /etc/subuid.",
		"Cette machine ne donne qu'un identifiant à la boîte. Remède : apt install uidmap, puis une ligne à votre nom dans /etc/subuid.")
	s.Rows[1].Scenarios[0].Verdict = judge.NotJudged
	s.Score, s.Unjudged, s.Passed, s.XP = 0, 40, nil, 0
	for _, id := range []string{"pid.child_is_init", "pid.status"} {
		s.Faults = append(s.Faults, text(id+": the sandbox could not be opened", id+": le bac à sable n'a pas pu être ouvert"))
	}
	return s
}
