package judge

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// Speak puts what a student reads in the submission's language: the spec's words for
// it, and the contract's functions by its names. Who has written CreatePIDNamespace looks
// for that, and not for create_pid_namespace.
func (s *Sheet) Speak() {
	if s.Language != "go" {
		return
	}
	for _, rows := range [][]Row{s.Rows, s.Bonus} {
		for i := range rows {
			speakAll(&rows[i].Reason)
			for at := range rows[i].Scenarios {
				rows[i].Scenarios[at].speak()
			}
		}
	}
	for i := range s.Norm.Findings {
		speakAll(&s.Norm.Findings[i].Message)
	}
	for i := range s.Notices {
		speakAll(&s.Notices[i])
	}
}

func (s *Scenario) speak() {
	speakAll(&s.Title, &s.Reason)
	s.Expectations = slices.Clone(s.Expectations)
	for i := range s.Expectations {
		e := &s.Expectations[i]
		*e = e.in("go")
		speakAll(&e.Hint, &e.Lesson)
	}
}

// in is the expectation with the spec's words for a language.
func (e Expectation) in(language string) Expectation {
	if language != "go" {
		return e
	}
	e.Hint, e.Lesson = cmp.Or(e.Go.Hint, e.Hint), cmp.Or(e.Go.Lesson, e.Lesson)
	if len(e.Go.Read) > 0 {
		e.Read = e.Go.Read
	}
	return e
}

func speakAll(texts ...*spec.Text) {
	for _, t := range texts {
		t.FR, t.EN = inGo(t.FR), inGo(t.EN)
	}
}

func inGo(text string) string {
	return callNames().ReplaceAllStringFunc(ofC.Replace(text), goName)
}

// ofC takes out what only those who write in C can do.
var ofC = strings.NewReplacer(stackFR, "", stackEN, "")

// callNames finds the contract's functions in a text.
var callNames = sync.OnceValue(func() *regexp.Regexp {
	calls := maps.Clone(scenario.Calls())
	maps.DeleteFunc(calls, func(_ string, s scenario.Signature) bool { return s.Own })
	return regexp.MustCompile(`\b(?:` + strings.Join(slices.Sorted(maps.Keys(calls)), "|") + `)\b`)
})

// goName is the method that stands for a function of linux_namespaces.h.
func goName(call string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(call, "_") {
		switch word {
		case "pid", "uid", "gid":
			name.WriteString(strings.ToUpper(word))
		default:
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return name.String()
}
