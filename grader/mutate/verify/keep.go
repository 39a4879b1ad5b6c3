package verify

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/spec"
)

// records keeps what was seen of a solution in a scenario, by all that it
// depends on: the same texts in the same kind of box show the same. As with
// `go test`, what has not changed need not be seen again; Options.Fresh does so
// nevertheless.
type records struct {
	dir   string // empty: keeps nothing
	seed  string // what all have in common
	fresh bool
}

// keepFor is how long an unused record stays.
const keepFor = 7 * 24 * time.Hour

func openRecords(o Options, host evidence.Host) *records {
	return &records{dir: o.Records, fresh: o.Fresh, seed: fmt.Sprintf("%q %q %d", o.Agent, host, evidence.Version)}
}

func (r *records) file(key string, scenario []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q", r.seed, key, scenario)
	return filepath.Join(r.dir, hex.EncodeToString(h.Sum(nil)[:20])+".json.gz")
}

// find answers a kept record, or nil.
func (r *records) find(key string, scenario []byte) *evidence.Record {
	if r.dir == "" || r.fresh {
		return nil
	}
	name := r.file(key, scenario)
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil
	}
	rec := new(evidence.Record)
	if json.NewDecoder(z).Decode(rec) != nil {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now)
	return rec
}

// found answers a kept record, but none of a failure where there should be none: what
// went wrong once is tried again, as `go test` does, and not repeated for days.
func (v *verification) found(s *Solution, sc *shared) *evidence.Record {
	rec := v.kept.find(s.key, sc.text)
	if rec == nil {
		return nil
	}
	rec.Given = sc.given
	verdict := v.verdict(sc, rec).Verdict
	if verdict == judge.HarnessFault || verdict == judge.Fail && v.mustPass(s, sc.ID) {
		v.judged.Delete(rec)
		return nil
	}
	return rec
}

// mustPass tells whether a failed scenario of a solution is an error.
func (v *verification) mustPass(s *Solution, id string) bool {
	switch {
	case s.Kind == Skeleton, s.Kind == Mutant && s.Mutant == nil: // of a company it leads to trying each alone
		return false
	case s.Kind == Alternative && s.Alternative.Bonus == "none":
		return !slices.ContainsFunc(v.Exercises, func(ex *spec.Exercise) bool {
			return slices.ContainsFunc(ex.Bonus, func(row spec.Row) bool { return slices.Contains(row.Scenarios, id) })
		})
	case s.Mutant != nil:
		return v.passes(s)[id]
	default:
		return true
	}
}

// keep writes a record, whole or not at all. One that cannot be written will be
// made again.
func (r *records) keep(key string, scenario []byte, rec *evidence.Record) {
	if r.dir == "" || os.MkdirAll(r.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(r.dir, "tmp-")
	if err != nil {
		return
	}
	defer func() { _ = os.Remove(f.Name()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return
	}
	if json.NewEncoder(z).Encode(rec) == nil && z.Close() == nil && f.Close() == nil {
		_ = os.Rename(f.Name(), r.file(key, scenario))
	}
}

// prune removes what was not used for long.
func (r *records) prune() {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > keepFor {
			_ = os.Remove(filepath.Join(r.dir, e.Name()))
		}
	}
}
