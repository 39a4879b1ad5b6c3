// Package fingerprint tells whether a machine is as it was: it takes down what a
// program that got out of its box could have changed, so that a second look can
// be held against the first.
//
// A machine in use changes by itself, so each part leaves out what does, and
// says why. What comes and goes is given time: see [Print.Differs].
package fingerprint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Place says what of this machine belongs to whom.
type Place struct {
	Repository string   // its tracked files are hashed
	Scratch    []string // folders that must be as empty, or full, as before
	Living     []int    // processes that must go on living, beside our ancestors and PID 1
}

// Print is a fingerprint: facts by part and name.
type Print struct {
	place  Place
	parts  map[string]map[string]string
	levels map[string]level
}

// level is an amount that may move within a tolerance.
type level struct{ value, tolerance int64 }

// part is one kind of fact.
type part struct {
	name string
	take func(Place) (map[string]string, error)
}

// parts are all kinds; they run in this order.
var parts = []part{
	{"mounts", mounts},
	{"network", network},
	{"processes", processes},
	{"cgroups", cgroups},
	{"sysctls", sysctls},
	{"names", names},
	{"kernel", kernel},
	{"ipc", ipc},
	{"keys", keys},
	{"files", systemFiles},
	{"repository", repository},
	{"scratch", scratch},
}

// Take takes the fingerprint of this machine. Root sees all of it, others what they may.
func Take(p Place) (*Print, error) {
	print := &Print{place: p, parts: map[string]map[string]string{}}
	for _, part := range parts {
		facts, err := part.take(p)
		if err != nil {
			return nil, fmt.Errorf("fingerprint: %s: %w", part.name, err)
		}
		print.parts[part.name] = facts
	}
	var err error
	print.levels, err = levels()
	return print, err
}

// patience is how long what dies, or is cleared up behind its death, may take:
// network namespaces and keys go some time after their last user.
const patience = 15 * time.Second

// Differs compares the machine with what it was, and lists what is not the same
// and stays so for as long as the kernel may take to clear up.
func (p *Print) Differs(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		now, err := Take(p.place)
		if err != nil {
			return nil, err
		}
		found := p.compare(now)
		if len(found) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return found, nil
		case <-time.After(patience / 30):
		}
	}
}

// mostTold bounds the differences that are told of each part.
const mostTold = 12

func (p *Print) compare(now *Print) (found []string) {
	for _, part := range parts {
		differences := compareFacts(p.parts[part.name], now.parts[part.name])
		if more := len(differences) - mostTold; more > 0 {
			differences = append(differences[:mostTold], fmt.Sprintf("and %d more", more))
		}
		for _, d := range differences {
			found = append(found, part.name+": "+d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.levels)) {
		was, is := p.levels[name], now.levels[name]
		if moved := is.value - was.value; max(moved, -moved) > was.tolerance {
			found = append(found, fmt.Sprintf("%s: was %d, is %d; it may move by %d", name, was.value, is.value, was.tolerance))
		}
	}
	return found
}

func compareFacts(was, is map[string]string) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		switch now, there := is[name]; {
		case !there:
			found = append(found, fmt.Sprintf("%s is gone; it was %q", name, clip(was[name])))
		case now != was[name]:
			found = append(found, fmt.Sprintf("%s was %q, is %q", name, clip(was[name]), clip(now)))
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(is), cmp.Compare) {
		if _, there := was[name]; !there {
			found = append(found, fmt.Sprintf("%s is new: %q", name, clip(is[name])))
		}
	}
	return found
}

func clip(text string) string {
	if len(text) > 120 {
		text = text[:120] + "..."
	}
	return strings.ReplaceAll(text, "\n", " ")
}
