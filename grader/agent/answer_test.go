package agent

import (
	"encoding/json"
	"strings"
	"testing"

	"moulinette/grader/evidence"
)

// A record that nobody could take is that of a flood, and a smaller one is left as it is.
func TestAnswerIsBounded(t *testing.T) {
	for size, want := range map[int]evidence.Outcome{1 << 10: evidence.Completed, MaxAnswer: evidence.Flooded} {
		rec := &evidence.Record{Version: evidence.Version, Scenario: "s", Seed: 3, Notes: []string{strings.Repeat("x", size)}}
		rec.End = evidence.End{Outcome: evidence.Completed}
		line, err := Answer{Record: rec, Word: "w"}.encode()
		if err != nil || len(line) > MaxAnswer {
			t.Fatalf("%d bytes, %v", len(line), err)
		}
		var got Answer
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if r := got.Record; (r.End.Limit == "record") != (want == evidence.Flooded) || got.Word != "w" || r.End.Outcome != want || r.Scenario != "s" || r.Seed != 3 || r.Version != evidence.Version {
			t.Errorf("a record of %d bytes: %s of %q, %d, word %q; want %s", size, r.End.Outcome, r.Scenario, r.Seed, got.Word, want)
		}
	}
}
