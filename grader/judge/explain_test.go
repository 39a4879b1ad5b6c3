package judge

import (
	"strings"
	"testing"

	"moulinette/grader/evidence"
	"moulinette/grader/spec"
)

// What stands before an expectation's subject is told in the place of its hint.
func TestExplain(t *testing.T) {
	create := func(c evidence.Call) *evidence.Record {
		c.Name, c.Returned = "container_create", true
		return &evidence.Record{Order: []string{"container_create"}, Calls: map[string]evidence.Call{"container_create": c}}
	}
	refused := evidence.Call{Failed: true, Errno: "EPERM", Error: "container_create returned -1: Operation not permitted"}
	withProbe := func(r *evidence.Record) *evidence.Record {
		r.Probes = map[string]evidence.Probe{"probe": {Seen: true}}
		return r
	}
	seen := withProbe(create(evidence.Call{OK: true}))
	for name, test := range map[string]struct {
		that, got string
		rec       *evidence.Record
		want      string // of the hint; HINT stands for its own
	}{
		"the command never ran":         {`probe.process.hostname == "x"`, "", create(evidence.Call{OK: true}), neverRan().EN},
		"as it had failed":              {`new_ns(probe.process, driver) == ["pid"]`, "", create(refused), neverRan().EN + " container_create had failed: returned -1: Operation not permitted."},
		"it asks whether it ran":        {`probe.seen && probe.process.hostname == "x"`, "", create(evidence.Call{OK: true}), "HINT"},
		"it wants that, and more":       {`probe.seen && probe.process.hostname == "x"`, "probe.seen = false", create(evidence.Call{OK: true}), neverRan().EN},
		"it wants that alone":           {`probe.seen`, "probe.seen = false", create(evidence.Call{OK: true}), "HINT"},
		"it ran":                        {`probe.process.hostname == "x"`, "", seen, "HINT"},
		"something else had failed":     {`after.driver.hostname == "x"`, "", create(refused), "HINT container_create had failed: returned -1: Operation not permitted."},
		"which is shown":                {`calls.container_create.ok`, "calls.container_create.error = \"x\"", create(refused), "HINT"},
		"which is wanted":               {`calls.container_create.failed && call.value == 1`, "", create(refused), "HINT"},
		"an error that leads nowhere":   {`calls.container_create.errno == "EINVAL"`, `calls.container_create.errno = ""`, create(evidence.Call{Failed: true, Error: "no"}), unset().EN},
		"an act that got through":       {`probe.acts.mount.errno == "EPERM"`, `probe.acts.mount.errno = "", probe.acts.mount.signal = 0`, withProbe(create(evidence.Call{Failed: true, Error: "no"})), "HINT container_create had failed: no."},
		"no error where one was wanted": {`calls.container_create.errno == "EINVAL"`, `calls.container_create.errno = ""`, create(evidence.Call{OK: true}), "HINT"},
	} {
		e := Expectation{That: test.that, Got: test.got, Hint: spec.Text{FR: "PISTE", EN: "HINT"}, Lesson: spec.Text{FR: "LEÇON", EN: "LESSON"}}
		e.explain(&spec.Scenario{Expect: []spec.Expectation{{That: test.that}}}, test.rec)
		if e.Hint.EN != test.want {
			t.Errorf("%s: %q; want %q", name, e.Hint.EN, test.want)
		}
		if told := test.want == unset().EN; told != (e.Go.Hint == leadsNowhere()) {
			t.Errorf("%s: Go is told %q", name, e.Go.Hint.EN)
		}
		if own := strings.HasPrefix(test.want, "HINT"); own != (e.Lesson.EN == "LESSON") || own != strings.HasPrefix(e.Hint.FR, "PISTE") {
			t.Errorf("%s: its lesson is %+v, in French its hint %q", name, e.Lesson, e.Hint.FR)
		}
	}
}
