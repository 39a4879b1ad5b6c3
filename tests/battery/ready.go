package battery

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"
)

// shared is the stage of this process: what one test has had built, the next finds.
var shared *Stage

// Run runs the tests, and removes what they have shared.
func Run(m *testing.M) int {
	code := m.Run()
	if shared != nil {
		shared.Close()
		_ = os.RemoveAll(shared.Dir)
	}
	return code
}

// open opens the shared stage, once.
func open() (*Stage, error) {
	if shared != nil {
		return shared, nil
	}
	dir, err := os.MkdirTemp("", "moulinette-battery-")
	if err != nil {
		return nil, err
	}
	if shared, err = Open(dir, "../.."); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return shared, nil
}

// Ready is a stage with the programs of the test's own folder, built, and with the
// machine's fingerprint taken. Only is a pattern: the programs that are wanted.
func Ready(t *testing.T, only string) (*Stage, []*Program, *Built) {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
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
