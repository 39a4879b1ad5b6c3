// Package agent is our process beside the box, never in it: it opens a box for
// each scenario, runs the driver through the steps, arms faults, looks at the
// kernel at each checkpoint, and answers with a record. It has no opinion.
//
// The grader starts one agent for each driver and slot and talks to it over a
// stream: one [Setup], then a [Job] for each scenario, each answered by one
// [Answer].
package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// Setup is the grader's first message.
type Setup struct {
	Box  box.Config `json:"box"`
	Tier string     `json:"tier"` // for the records: ns, privileged, vm
	// Slow is how many times longer everything takes here than on the host for
	// which limits are written; 0 means as long.
	Slow float64 `json:"slow,omitempty"`
	// Alone says that the agent has a machine of its own, where nobody takes its
	// time away: the first box is made before the Setup is answered, and none
	// ahead after it.
	Alone bool `json:"alone,omitempty"`
	// Try has a box made and thrown away before the Setup is answered: there are hosts
	// that refuse no more than that.
	Try bool `json:"try,omitempty"`
}

// Job asks for one scenario.
type Job struct {
	Scenario scenario.Scenario `json:"scenario"`
	// Tell asks for an Answer with Begun, before the one with the record.
	Tell bool `json:"tell,omitempty"`
	// Word comes back with every answer to the job. A submission never learns
	// it: where one could speak on the agent's channel, it cannot answer.
	Word string `json:"word,omitempty"`
}

// Answer is the answer to a Setup (Host) or a Job (Record).
type Answer struct {
	Error  string           `json:"error,omitempty"` // a fault of the harness or the host
	Host   *evidence.Host   `json:"host,omitempty"`
	Record *evidence.Record `json:"record,omitempty"`
	Begun  bool             `json:"begun,omitempty"` // the submission is about to run
	Late   bool             `json:"late,omitempty"`  // a time limit was met: with more time the record might be another
	Word   string           `json:"word,omitempty"`  // of the job
}

// MaxAnswer bounds an [Answer]: a record is a fraction of a MiB.
const MaxAnswer = 64 << 20

// Serve answers messages on conn until it is closed.
func Serve(conn io.ReadWriter) (err error) {
	dec, enc := json.NewDecoder(conn), json.NewEncoder(conn)
	var s Setup
	if err := dec.Decode(&s); err != nil {
		return fmt.Errorf("agent: set-up: %w", err)
	}
	a, err := open(s)
	if err != nil {
		return errors.Join(err, enc.Encode(Answer{Error: err.Error()}))
	}
	defer func() { err = errors.Join(err, a.template.Close()) }()
	if err := enc.Encode(Answer{Host: &a.host}); err != nil {
		return err
	}
	for {
		var j Job
		if err := dec.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("agent: job: %w", err)
		}
		answer := Answer{Word: j.Word}
		begun := func() error { return nil }
		if j.Tell {
			begun = func() error { return enc.Encode(Answer{Begun: true, Word: j.Word}) }
		}
		if answer.Record, answer.Late, err = a.run(j.Scenario, begun); err != nil {
			answer.Error = err.Error()
		}
		line, err := answer.encode()
		if err == nil {
			_, err = conn.Write(line)
		}
		if err != nil {
			return err
		}
	}
}

// encode makes the answer a line of at most [MaxAnswer] bytes. A record that would be
// longer is of a submission that has made more than there is to be looked at.
func (a Answer) encode() ([]byte, error) {
	line, err := json.Marshal(a)
	if err != nil || a.Record == nil || len(line) < MaxAnswer {
		return append(line, '\n'), err
	}
	rec := a.Record
	a.Record = &evidence.Record{
		Version: rec.Version, Scenario: rec.Scenario, Seed: rec.Seed, Host: rec.Host, Calls: map[string]evidence.Call{}, Order: []string{},
		Probes: map[string]evidence.Probe{}, At: map[string]evidence.Snapshot{}, Millis: rec.Millis,
		End: evidence.End{Outcome: evidence.Flooded, Limit: "record", Step: rec.End.Step, Reason: fmt.Sprintf("there was more to look at than %d MiB hold", MaxAnswer>>20)},
	}
	line, err = json.Marshal(a)
	return append(line, '\n'), err
}
