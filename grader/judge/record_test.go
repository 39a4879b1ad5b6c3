package judge_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

var exercises = sync.OnceValue(func() map[string]*spec.Exercise {
	all, err := spec.LoadAll(os.DirFS("testdata/specs"))
	if err != nil {
		panic(err)
	}
	byName := map[string]*spec.Exercise{}
	for _, ex := range all {
		byName[ex.Name] = ex
	}
	return byName
})

func truman() *spec.Exercise { return exercises()["truman_container"] }

// golden is a kept record with what must be said of it.
type golden struct {
	head   map[string]string
	record *evidence.Record
}

func readGolden(t testing.TB, file string) golden {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := bytes.Cut(data, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s: no blank line between head and record", file)
	}
	g := golden{head: map[string]string{}, record: &evidence.Record{}}
	for lines := bufio.NewScanner(bytes.NewReader(head)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		g.head[key] = value
	}
	if err := json.Unmarshal(body, g.record); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return g
}

func TestGoldenRecords(t *testing.T) {
	files, err := filepath.Glob("testdata/records/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no records", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			g := readGolden(t, file)
			got := judge.Record(truman().Scenarios[g.head["scenario"]], g.record)
			if string(got.Verdict) != g.head["verdict"] {
				t.Errorf("got %s (%s); want %s", got.Verdict, got.Reason.EN, g.head["verdict"])
			}
			checkReason(t, got, g.head["reason"])
			checkFailed(t, got, g.head["failed"], g.head["got"])
		})
	}
}

func checkReason(t *testing.T, got judge.Scenario, want string) {
	t.Helper()
	if !strings.Contains(got.Reason.EN, want) || want == "" && !got.Reason.IsZero() {
		t.Errorf("got reason %q; want %q", got.Reason.EN, want)
	}
	if (got.Reason.EN == "") != (got.Reason.FR == "") {
		t.Errorf("the reason is not translated: %+v", got.Reason)
	}
}

// checkFailed compares the numbers of the expectations that failed, counted
// from 1, and what they show.
func checkFailed(t *testing.T, got judge.Scenario, want, shows string) {
	t.Helper()
	var failed, shown []string
	for i, e := range got.Expectations {
		if e.Judged && !e.OK {
			failed = append(failed, fmt.Sprint(i+1))
			shown = append(shown, e.Got)
		}
		if len(e.Got) > 1200 {
			t.Errorf("expectation %d shows %d bytes", i+1, len(e.Got))
		}
	}
	if strings.Join(failed, " ") != want {
		t.Errorf("got failed expectations %v; want %s\n%s", failed, want, strings.Join(shown, "\n"))
	}
	if !strings.Contains(strings.Join(shown, "\n"), shows) {
		t.Errorf("got shown\n%s\nwant %s", strings.Join(shown, "\n"), shows)
	}
}

func TestZeroRecordNeverPasses(t *testing.T) {
	for _, ex := range exercises() {
		for id, sc := range ex.Scenarios {
			run, _ := sc.Resolve(0)
			empty := &evidence.Record{}
			hollow := hollowRecord(id, run.Steps[0].As)
			for _, rec := range []*evidence.Record{nil, empty, hollow} {
				if got := judge.Record(sc, rec); got.Verdict == judge.Pass || got.Verdict == "" {
					t.Errorf("%s: got verdict %q of an empty record", id, got.Verdict)
				}
			}
		}
	}
}

// hollowRecord says that all went well, and shows nothing.
func hollowRecord(id, label string) *evidence.Record {
	return &evidence.Record{
		Version: evidence.Version, Scenario: id, End: evidence.End{Outcome: evidence.Completed},
		Calls: map[string]evidence.Call{label: {}}, At: map[string]evidence.Snapshot{"before": {}, "after": {}},
	}
}

// TestClaimsAloneEarnNothing completes every step of every scenario with happy
// claims and no evidence.
func TestClaimsAloneEarnNothing(t *testing.T) {
	for _, ex := range exercises() {
		for id, sc := range ex.Scenarios {
			run, given := sc.Resolve(7)
			rec := hollowRecord(id, "")
			rec.Seed = 7
			for _, f := range run.Faults {
				rec.Faults = append(rec.Faults, evidence.FaultSeen{Effect: f.Effect, Fired: 1})
			}
			for _, step := range run.Steps {
				status, _ := given["status"].(int)
				rec.Calls[step.As] = evidence.Call{Name: step.Call, Returned: true, OK: true, Value: status}
				rec.At[step.As] = evidence.Snapshot{}
			}
			got := judge.Record(sc, rec)
			if got.Verdict == judge.Pass && !strings.HasPrefix(id, "norm.") && id != "container.minimal" {
				t.Errorf("%s passes on claims alone", id)
			}
		}
	}
}

const faulty = `name: faulty
title: {fr: a, en: a}
passing_score: 50
concepts: [{id: one, title: {fr: un, en: one}}]
rows: [{id: r, title: {fr: a, en: a}, points: 100, asks: {fr: a, en: a}, expected: {fr: a, en: a}, scenarios: [s]}]
scenarios:
  - id: s
    title: {fr: a, en: a}
    concepts: [one]
    needs: [faults]
    faults: [{effect: mount, errno: EPERM, path: /sea}, {effect: mount, errno: EPERM, path: /sky, nth: 2}]
    steps: [{make_mount_private: {path: /}}]
    expect:
      - {that: call.failed, hint: {fr: a, en: a}, lesson: {fr: a, en: a}}
`

// TestFaultsOfOneEffect: that one fault struck says nothing of another with the same
// effect, and who is told of the one that did not is told which.
func TestFaultsOfOneEffect(t *testing.T) {
	ex, err := spec.Load(fstest.MapFS{"t.yaml": {Data: []byte(faulty)}}, "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rec := hollowRecord("s", "make_mount_private")
	rec.Calls["make_mount_private"] = evidence.Call{Name: "make_mount_private", Failed: true, Errno: "EPERM"}
	for _, c := range []struct {
		fired   []int
		verdict judge.Verdict
		reason  spec.Text
	}{
		{[]int{1, 1}, judge.Pass, spec.Text{}},
		{[]int{1, 0}, judge.Fail, spec.Text{FR: "jamais demandé au noyau un montage (/sky, 2 fois).", EN: "never asked the kernel for a mount (/sky, 2 times)."}},
		{[]int{0, 1}, judge.Fail, spec.Text{FR: "jamais demandé au noyau un montage (/sea).", EN: "never asked the kernel for a mount (/sea)."}},
		{[]int{1}, judge.HarnessFault, spec.Text{FR: "fault mount fired", EN: "fault mount fired"}},
	} {
		rec.Faults = nil
		for _, n := range c.fired {
			rec.Faults = append(rec.Faults, evidence.FaultSeen{Effect: "mount", Fired: n})
		}
		got := judge.Record(ex.Scenarios["s"], rec)
		if got.Verdict != c.verdict || !strings.Contains(got.Reason.FR, c.reason.FR) || !strings.Contains(got.Reason.EN, c.reason.EN) {
			t.Errorf("fired %v: got %s %+v; want %s %+v", c.fired, got.Verdict, got.Reason, c.verdict, c.reason)
		}
	}
}

func FuzzRecord(f *testing.F) {
	files, err := filepath.Glob("testdata/records/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := bytes.Cut(data, []byte("\n\n"))
		f.Add(body)
	}
	f.Add([]byte(`{"version":1,"probes":{"":{}},"order":["x",""],"at":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec := &evidence.Record{}
		if json.Unmarshal(data, rec) != nil {
			return
		}
		for id, sc := range truman().Scenarios {
			rec.Scenario = id
			got := judge.Record(sc, rec)
			if got.Verdict == "" || !reflect.DeepEqual(got, judge.Record(sc, rec)) {
				t.Fatalf("%s: no stable verdict", id)
			}
		}
	})
}
