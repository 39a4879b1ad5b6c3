package report

import "moulinette/grader/judge"

// words are the report's own sentences in one language. Verbs are those of fmt.
type words struct {
	Seed, Score, Bonus, Row, Points, Verdict string

	Pass, Fail, NotJudged, HarnessFault string

	BuildTitle, FaultsTitle, FaultsText                                     string
	WrongTitle, UnjudgedTitle                                               string
	Expected, Got, Hint, Lesson, Read                                       string
	LessonAbove, MoreExpectations, OutputTitle, TraceTitle                  string
	NormOK, NormTitle, Blocking, ConceptsTitle                              string
	Mastered, ToWorkOn, NotShown, EnvironmentTitle                          string
	Passed, Failed, Undecided, UndecidedText, Blocked                       string
	UnjudgedPoints, XP, ClosingPass, ClosingFail, ClosingBuild, ClosingNorm string
	NoteTitle, Colon                                                        string
}

// wordsIn gives the sentences of a language: "fr", else English.
func wordsIn(lang string) words {
	if lang == "fr" {
		return french
	}
	return english
}

// verdict names a verdict.
func (w words) verdict(v judge.Verdict) string {
	switch v {
	case judge.Pass:
		return w.Pass
	case judge.Fail:
		return w.Fail
	case judge.NotJudged:
		return w.NotJudged
	case judge.HarnessFault:
		return w.HarnessFault
	}
	return "?"
}

var english = words{
	Seed: "seed", Score: "Score", Bonus: "Bonus",
	Row: "Row", Points: "Points", Verdict: "Verdict",

	Pass: "pass", Fail: "fail", NotJudged: "not judged", HarnessFault: "harness fault",

	BuildTitle:       "It does not build",
	FaultsTitle:      "HARNESS FAULT",
	FaultsText:       "The moulinette or this machine failed, not your work. It costs you no point; the result below is not complete. `moulinette doctor` shows what this machine lacks.",
	WrongTitle:       "What went wrong",
	UnjudgedTitle:    "What could not be judged",
	Expected:         "expected",
	Got:              "the kernel showed",
	Hint:             "hint",
	Lesson:           "lesson",
	Read:             "read",
	LessonAbove:      "(as above)",
	MoreExpectations: "and %d more; `--format json` shows them all",
	OutputTitle:      "the end of what your program wrote:",
	TraceTitle:       "what your program asked of the kernel:",
	NormOK:           "nothing found",
	NormTitle:        "Norm",
	Blocking:         "blocking",
	ConceptsTitle:    "Concepts",
	Mastered:         "mastered",
	ToWorkOn:         "to work on",
	NotShown:         "not judged",
	EnvironmentTitle: "Judged on",
	Passed:           "PASSED",
	Failed:           "NOT PASSED YET",
	Undecided:        "UNDECIDED",
	UndecidedText:    "What this run could not judge might change the outcome; what is named above says how to have it judged.",
	Blocked:          "A blocking finding of the norm sets the score to 0; the rows show what the work itself earned.",
	UnjudgedPoints:   "Points that could not be judged here: %d. They are neither won nor lost.",
	XP:               "%d XP",
	ClosingPass:      "Truman has found the door.",
	ClosingFail:      "The horizon is still painted: take the first row that failed, read its hint, and grade again.",
	ClosingBuild:     "Nothing could run: mend the first error above, and grade again.",
	ClosingNorm:      "Mend first what blocks, named under the norm, and grade again.",
	Colon:            ": ",
	NoteTitle:        "Good to know",
}

var french = words{
	Seed: "graine", Score: "Score", Bonus: "Bonus",
	Row: "Ligne", Points: "Points", Verdict: "Verdict",

	Pass: "réussi", Fail: "échoué", NotJudged: "non jugé", HarnessFault: "panne du banc",

	BuildTitle:       "Le rendu ne compile pas",
	FaultsTitle:      "PANNE DU BANC D'ESSAI",
	FaultsText:       "C'est la moulinette ou cette machine qui a failli, pas votre travail. Cela ne vous coûte aucun point ; le résultat ci-dessous est incomplet. `moulinette doctor` montre ce qui manque à cette machine.",
	WrongTitle:       "Ce qui n'a pas marché",
	UnjudgedTitle:    "Ce qui n'a pas pu être jugé",
	Expected:         "attendu",
	Got:              "le noyau a montré",
	Hint:             "piste",
	Lesson:           "leçon",
	Read:             "à lire",
	LessonAbove:      "(comme plus haut)",
	MoreExpectations: "et %d de plus ; `--format json` les montre toutes",
	OutputTitle:      "la fin de ce que votre programme a écrit :",
	TraceTitle:       "ce que votre programme a demandé au noyau :",
	NormOK:           "rien à signaler",
	NormTitle:        "Norme",
	Blocking:         "bloquant",
	ConceptsTitle:    "Notions",
	Mastered:         "acquises",
	ToWorkOn:         "à travailler",
	NotShown:         "non jugées",
	EnvironmentTitle: "Jugé sur",
	Passed:           "VALIDÉ",
	Failed:           "PAS ENCORE VALIDÉ",
	Undecided:        "INDÉCIS",
	UndecidedText:    "Ce que cette exécution n'a pas pu juger pourrait changer l'issue ; ce qui est dit plus haut explique comment le faire juger.",
	Blocked:          "Une infraction bloquante à la norme met le score à 0 ; les lignes montrent ce que le travail lui-même a gagné.",
	UnjudgedPoints:   "Points qui n'ont pas pu être jugés ici : %d. Ils ne sont ni gagnés ni perdus.",
	XP:               "%d XP",
	ClosingPass:      "Truman a trouvé la porte.",
	ClosingFail:      "L'horizon est encore peint : prenez la première ligne échouée, lisez sa piste, et relancez.",
	ClosingBuild:     "Rien n'a pu tourner : corrigez la première erreur ci-dessus, et relancez.",
	ClosingNorm:      "Corrigez d'abord ce qui bloque, nommé sous la norme, et relancez.",
	Colon:            " : ",
	NoteTitle:        "Bon à savoir",
}
