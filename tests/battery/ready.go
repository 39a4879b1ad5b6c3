package battery

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
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

// whole tells whether all is to be played in machines, not just a sample.
func whole() bool { return os.Getenv("MOULINETTE_WHOLE") != "" }

// InMachines is the pattern of the programs to play in machines: those that are asked
// for, or a sample.
func InMachines(only, sample string) string {
	if whole() {
		return only
	}
	return cmp.Or(only, sample)
}

// KindsOfMachines are those that a test plays in. Where there is no QEMU it skips;
// in CI there has to be one.
func KindsOfMachines(t *testing.T) []Machines {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no QEMU here; apt install qemu-system-x86")
	}
	if whole() {
		return []Machines{Reused, Fresh}
	}
	return []Machines{Reused}
}

// Boot makes the machine that all others are copies of, and remembers this one.
func (s *Stage) Boot(t *testing.T) {
	t.Helper()
	if _, err := s.Play(t.Context(), s.Users[0], Plan{Machines: Reused}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remember(); err != nil {
		t.Fatal(err)
	}
}
