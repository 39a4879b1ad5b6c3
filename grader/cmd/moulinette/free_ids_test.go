package main

import (
	"strings"
	"testing"

	subid "github.com/moby/sys/user"
)

// The doctor gives nobody the ids of another.
func TestFreeIDs(t *testing.T) {
	for _, test := range []struct {
		name, tables string
		want         int64
	}{
		{"nobody has any", "", 100000},
		{"one user has the first ones", "eleve:100000:65536\neleve:100000:65536\n", 165536},
		{"the tables differ", "eleve:100000:65536\neleve:100000:65536\nprof:165536:65536\n", 231072},
		{"in no order, with what is no entry", "# ids\nprof:300000:1000\neleve:100000:65536\nx:y\nx:1:many\n", 301000},
		{"below those that distributions give", "old:1000:10\n", 100000},
	} {
		taken, err := subid.ParseSubID(strings.NewReader(test.tables))
		if err != nil {
			t.Fatal(err)
		}
		if got := freeIDs(taken); got != test.want {
			t.Errorf("%s: %d; want %d", test.name, got, test.want)
		}
	}
}
