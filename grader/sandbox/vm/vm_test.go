package vm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/conformance"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/scenario"
	"moulinette/grader/submission"
)

// built holds what all tests of this package run: TestMain makes it once.
var built struct {
	dir, agent string
	reference  string
	exits      string
	hangs      string
}

const exitStatus = 7

func TestMain(m *testing.M) {
	code, err := withBuilt(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withBuilt runs the tests if there is a QEMU; where CI says that all has to
// run, there has to be one.
func withBuilt(m *testing.M) (int, error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		if os.Getenv("CI") == "true" {
			return 0, err
		}
		fmt.Println("grader/sandbox/vm: all tests skipped: no QEMU here; apt install qemu-system-x86")
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "vm-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	built.dir, built.agent = dir, filepath.Join(dir, "moulinette-agent")
	cmd := exec.Command("go", "build", "-trimpath", "-o", built.agent, "moulinette/grader/cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	for _, d := range []struct {
		driver *string
		body   string
	}{
		{&built.exits, fmt.Sprintf("os.Exit(%d)", exitStatus)},
		{&built.hangs, "r, _, _ := os.Pipe(); _, _ = r.Read(make([]byte, 1))"},
	} {
		if *d.driver, err = driverOf(d.body); err != nil {
			return 0, err
		}
	}
	ref, err := submission.Open("../../../reference")
	if err != nil {
		return 0, err
	}
	if built.reference, err = drive(ref); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// driverOf builds a driver whose print_namespace_info is body.
func driverOf(body string) (string, error) {
	source := "package student\n\nimport (\n\t\"io\"\n\t\"os\"\n\n\t\"moulinette/grader/contract\"\n)\n\nvar _ = os.Exit\n\ntype s struct{ contract.Unimplemented }\n\n" +
		"func New() contract.Runtime { return s{} }\n\nfunc (s) PrintNamespaceInfo(io.Writer) error {\n\t" + body + "\n\treturn nil\n}\n"
	s, err := submission.FromFiles("moulinette/student", submission.Files{"student.go": []byte(source)})
	if err != nil {
		return "", err
	}
	return drive(s)
}

func drive(s *submission.Submission) (string, error) {
	b := submission.Builder{Cache: filepath.Join(built.dir, "cache"), Sources: os.DirFS("../..")}
	d, err := b.Build(context.Background(), s)
	if err != nil {
		return "", err
	}
	return d.Path, nil
}

func opener(tb testing.TB, o vm.Options) *vm.Opener {
	tb.Helper()
	o.Agent = built.agent
	if o.Cache == "" {
		o.Cache = filepath.Join(built.dir, "machines")
	}
	op, err := vm.New(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return op
}

func open(tb testing.TB, driver string) sandbox.Sandbox {
	tb.Helper()
	s, err := opener(tb, vm.Options{}).Open(tb.Context(), driver, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func run(tb testing.TB, s sandbox.Sandbox, sc scenario.Scenario) *evidence.Record {
	tb.Helper()
	rec, err := s.Run(tb.Context(), sc)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func call(name string) scenario.Scenario {
	return scenario.Scenario{ID: "test." + name, Steps: []scenario.Step{{As: "call", Call: name}}}
}

func TestConformance(t *testing.T) {
	drivers := conformance.Drivers{Good: built.reference, Exits: built.exits, Status: exitStatus, Hangs: built.hangs}
	conformance.Test(t, func(t *testing.T) sandbox.Opener { return opener(t, vm.Options{}) }, drivers)
}

func TestFirst(t *testing.T) {
	start := time.Now()
	o := opener(t, vm.Options{})
	t.Logf("opener %v host %+v", time.Since(start), o.Host())
	start = time.Now()
	o = opener(t, vm.Options{})
	t.Logf("again %v", time.Since(start))
	start = time.Now()
	s, err := o.Open(t.Context(), built.reference, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Logf("layer %v", time.Since(start))
	for range 5 {
		start = time.Now()
		rec := run(t, s, call("print_namespace_info"))
		t.Logf("run %v: %+v %v", time.Since(start), rec.End, rec.Millis)
	}
}
