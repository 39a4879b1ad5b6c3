package run

import (
	"sync"

	"moulinette/grader/evidence"
)

// enough records without hope, and none with, are taken for what all would be.
const enough = 3

// hope is what there is left of it for the jobs of one driver.
type hope struct {
	hopeless func(*evidence.Record) bool

	mu     sync.Mutex
	some   bool // a record that is not hopeless was seen, or none could be
	driver string
	seen   int
	last   *evidence.Record
}

// learn takes what came of a job.
func (h *hope) learn(job Job, r Result) {
	if h.hopeless == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Record == nil || !h.hopeless(r.Record) || h.seen > 0 && job.Driver != h.driver {
		h.some = true
		return
	}
	h.driver, h.last = job.Driver, r.Record
	h.seen++
}

// lost is the record of a job that need not be run, nil if there is hope.
func (h *hope) lost(job Job) *evidence.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.some || h.seen < enough || job.Driver != h.driver {
		return nil
	}
	rec := *h.last
	rec.Scenario, rec.Seed, rec.Millis = job.Scenario.ID, job.Scenario.Seed, 0
	rec.Notes = []string{"not run: other scenarios have ended like this before their first step"}
	return &rec
}
