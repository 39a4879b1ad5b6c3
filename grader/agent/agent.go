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
}

// Job asks for one scenario.
type Job struct {
	Scenario scenario.Scenario `json:"scenario"`
}

// Answer is the answer to a Setup (Host) or a Job (Record).
type Answer struct {
	Error  string           `json:"error,omitempty"` // a fault of the harness or the host
	Host   *evidence.Host   `json:"host,omitempty"`
	Record *evidence.Record `json:"record,omitempty"`
}

// Serve answers messages on conn until it is closed.
func Serve(conn io.ReadWriter) error {
	dec, enc := json.NewDecoder(conn), json.NewEncoder(conn)
	var s Setup
	if err := dec.Decode(&s); err != nil {
		return fmt.Errorf("agent: set-up: %w", err)
	}
	a, err := open(s)
	if err != nil {
		return errors.Join(err, enc.Encode(Answer{Error: err.Error()}))
	}
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
		answer := Answer{}
		if answer.Record, err = a.run(j.Scenario); err != nil {
			answer = Answer{Error: err.Error()}
		}
		if err := enc.Encode(answer); err != nil {
			return err
		}
	}
}
