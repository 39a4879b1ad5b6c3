package judge

import (
	"reflect"
	"strings"
	"testing"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
	"moulinette/grader/spec"
)

// Every function of the contract is a method of Go's.
func TestNamesInGo(t *testing.T) {
	for call, signature := range scenario.Calls() {
		_, ok := reflect.TypeFor[contract.Runtime]().MethodByName(goName(call))
		_, bonus := reflect.TypeFor[contract.Seccomp]().MethodByName(goName(call))
		if !ok && !bonus && !signature.Own {
			t.Errorf("%s: there is no %s", call, goName(call))
		}
	}
}

// Nobody hands a stack to clone in Go.
func TestStackIsOfC(t *testing.T) {
	for _, language := range []string{"go", "c17"} {
		sheet := &Sheet{Language: language, Rows: []Row{{Reason: beforeTheCommand()}}}
		sheet.Speak()
		fr, en := strings.Contains(sheet.Rows[0].Reason.FR, "pile"), strings.Contains(sheet.Rows[0].Reason.EN, "stack")
		if fr != (language == "c17") || en != fr {
			t.Errorf("%s: %+v", language, sheet.Rows[0].Reason)
		}
	}
}

func TestSpeak(t *testing.T) {
	sheet := func(language string) *Sheet {
		text := spec.Text{FR: "container_create (container_create_2) et container_create_secure", EN: "write_uid_map, gid_map, mount_procs, demo, run_probe"}
		return &Sheet{
			Language: language, Notices: []spec.Text{text}, Norm: Norm{Findings: []Finding{{Message: text}}},
			Bonus: []Row{{Reason: text, Scenarios: []Scenario{{Title: text, Reason: text, Expectations: []Expectation{{That: "calls.container_create.ok", Hint: text, Lesson: text}}}}}},
		}
	}
	spoken := func(s *Sheet) []spec.Text {
		sc := s.Bonus[0].Scenarios[0]
		return []spec.Text{s.Notices[0], s.Norm.Findings[0].Message, s.Bonus[0].Reason, sc.Title, sc.Reason, sc.Expectations[0].Hint, sc.Expectations[0].Lesson}
	}
	inGo, inC := sheet("go"), sheet("c17")
	words := spec.Words{Lesson: spec.Text{FR: "container_wait", EN: "container_wait"}, Read: []string{"wait(2)"}}
	for _, s := range []*Sheet{inGo, inC} {
		s.Rows = []Row{{Scenarios: []Scenario{{Expectations: []Expectation{{Hint: spec.Text{EN: "hint"}, Lesson: spec.Text{EN: "lesson"}, Read: []string{"waitpid(2)"}, Go: words}}}}}}
	}
	inGo.Speak()
	inC.Speak()
	want := spec.Text{FR: "ContainerCreate (container_create_2) et ContainerCreateSecure", EN: "WriteUIDMap, gid_map, mount_procs, demo, run_probe"}
	for i, got := range spoken(inGo) {
		if got != want {
			t.Errorf("text %d: %+v; want %+v", i, got, want)
		}
	}
	for i, got := range spoken(inC) {
		if got != spoken(sheet("c17"))[i] {
			t.Errorf("text %d: %+v; want it as it was", i, got)
		}
	}
	own := func(s *Sheet) string {
		e := s.Rows[0].Scenarios[0].Expectations[0]
		return e.Hint.EN + ", " + e.Lesson.EN + ", " + e.Read[0]
	}
	if got, want := own(inGo), "hint, ContainerWait, wait(2)"; got != want {
		t.Errorf("Go is told %q; want %q", got, want)
	}
	if got, want := own(inC), "hint, lesson, waitpid(2)"; got != want {
		t.Errorf("C is told %q; want %q", got, want)
	}
	if got := inGo.Bonus[0].Scenarios[0].Expectations[0].That; got != "calls.container_create.ok" {
		t.Errorf("the expression is %q now", got)
	}
}
