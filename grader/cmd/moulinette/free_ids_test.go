package main

import "testing"

// The doctor gives nobody the ids of another.
func TestFreeIDs(t *testing.T) {
	for _, test := range []struct {
		name   string
		tables []string
		want   int
	}{
		{"nobody has any", []string{"", ""}, 100000},
		{"one user has the first ones", []string{"eleve:100000:65536\n", "eleve:100000:65536\n"}, 165536},
		{"the tables differ", []string{"eleve:100000:65536\n", "eleve:100000:65536\nprof:165536:65536\n"}, 231072},
		{"in no order, with what is no entry", []string{"# ids\nprof:300000:1000\neleve:100000:65536\nx:y\nx:1:many\n"}, 301000},
		{"below those that distributions give", []string{"old:1000:10\n"}, 100000},
	} {
		if got := freeIDs(test.tables...); got != test.want {
			t.Errorf("%s: %d; want %d", test.name, got, test.want)
		}
	}
}
