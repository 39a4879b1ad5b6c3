package battery

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Ready is a stage with the programs of the test's own folder, built, and with the
// machine's fingerprint taken. Only is a pattern: the programs that are wanted.
func Ready(t *testing.T, only string) (*Stage, []*Program, *Built) {
	t.Helper()
	dir, err := os.MkdirTemp("", "moulinette-battery-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := Open(dir, "../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	programs, err := Load(".")
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(only)
	programs = slices.DeleteFunc(programs, func(p *Program) bool { return !wanted.MatchString(p.Name) })
	built, err := Build(t.Context(), s.Builder, s.Root, programs)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remember(); err != nil {
		t.Fatal(err)
	}
	return s, programs, built
}
