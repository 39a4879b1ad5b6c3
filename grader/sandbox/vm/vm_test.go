package vm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"moulinette/grader/build"
	"moulinette/grader/evidence"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/conformance"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/sandbox/vm/image"
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
	if err := fetchKernel(filepath.Join(dir, "machines")); err != nil {
		return 0, err
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

// fetchKernel puts the kernel of the user's cache, which is filled if need be, into
// ours: to fetch one takes longer than to boot it, and is tested in package image.
func fetchKernel(cache string) error {
	users, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	users = filepath.Join(users, "moulinette", "vm")
	if _, err := image.Build(context.Background(), image.Options{Cache: users, Agent: built.agent}); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(cache, "kernels"), os.DirFS(filepath.Join(users, "kernels")))
}

// driverOf builds a driver whose print_namespace_info is body.
func driverOf(body string) (string, error) {
	source := "package student\n\nimport (\n\t\"fmt\"\n\t\"io\"\n\t\"os\"\n\t\"syscall\"\n\t\"time\"\n\n\t\"moulinette/grader/contract\"\n)\n\nvar (\n\t_ = os.Exit\n\t_ = syscall.Getpid\n\t_ = fmt.Sprint\n\t_ = time.Now\n)\n\ntype s struct{ contract.Unimplemented }\n\n" +
		"func New() contract.Runtime { return s{} }\n\nfunc (s) PrintNamespaceInfo(io.Writer) error {\n\t" + body + "\n\treturn nil\n}\n"
	s, err := submission.FromFiles("moulinette/student", submission.Files{"student.go": []byte(source)})
	if err != nil {
		return "", err
	}
	return drive(s)
}

func drive(s *submission.Submission) (string, error) {
	b := build.Builder{Cache: filepath.Join(built.dir, "cache"), Sources: os.DirFS("../..")}
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
	for name, reuse := range map[string]bool{"fresh": false, "reused": true} {
		t.Run(name, func(t *testing.T) {
			op := opener(t, vm.Options{Reuse: reuse})
			for _, driver := range []string{drivers.Good, drivers.Exits, drivers.Hangs} { // while one is open, all share its layer
				s, err := op.Open(t.Context(), driver, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
			}
			conformance.Test(t, func(*testing.T) sandbox.Opener { return op }, drivers)
		})
	}
}

// A machine that is reused serves what comes until something goes wrong, and
// never real root.
func TestReuse(t *testing.T) {
	op := opener(t, vm.Options{Reuse: true})
	open := func(driver string) sandbox.Sandbox {
		s, err := op.Open(t.Context(), driver, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	good := open(built.reference)
	plain, root := call("print_namespace_info"), call("print_namespace_info")
	root.Root = scenario.RealRoot
	run(t, good, plain)
	first := vm.Kept(good)
	if first == 0 {
		t.Fatal("no machine is kept")
	}
	for _, sc := range []scenario.Scenario{plain, root, plain} {
		if rec := run(t, good, sc); rec.End.Outcome != evidence.Completed {
			t.Fatalf("end %+v; want completed", rec.End)
		}
		if now := vm.Kept(good); now != first {
			t.Fatalf("after root %q machine %d is kept; want %d", sc.Root, now, first)
		}
	}
	driver, err := driverOf("for { fmt.Println(time.Now()) }")
	if err != nil {
		t.Fatal(err)
	}
	floods := open(driver)
	if rec := run(t, floods, plain); rec.End.Outcome != evidence.Flooded {
		t.Fatalf("end %+v; want flooded", rec.End)
	}
	if now := vm.Kept(floods); now != 0 {
		t.Errorf("machine %d is kept after a submission that flooded it", now)
	}
	vm.Wear(good)
	run(t, good, plain)
	if now := vm.Kept(good); now != 0 {
		t.Errorf("machine %d is kept after all that it may serve", now)
	}
}

// A base is made once for all that use it.
func TestBaseIsKept(t *testing.T) {
	dir := filepath.Join(built.dir, "machines")
	opener(t, vm.Options{Cache: dir})
	before := bases(t, dir)
	opener(t, vm.Options{Cache: dir})
	if after := bases(t, dir); len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("bases %v, and before %v; want the same", after, before)
	}
}

// Two graders that start at once make one base.
func TestBaseIsMadeOnce(t *testing.T) {
	dir := filepath.Join(built.dir, "machines")
	program, err := os.ReadFile(built.agent)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "agent") // the same, and yet another
	if err := os.WriteFile(other, append(program, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	before := bases(t, dir)
	failed := make(chan error, 2)
	for range cap(failed) {
		go func() {
			_, err := vm.New(t.Context(), vm.Options{Agent: other, Cache: dir})
			failed <- err
		}()
	}
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if after := bases(t, dir); len(after) != len(before)+1 {
		t.Errorf("%d bases, %d before; want one more", len(after), len(before))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "bases", "new-*")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// bases lists the kept bases with the time when each was made.
func bases(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "bases", "*", "state"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v; want 0600", f, info.Mode())
		}
		files[i] = fmt.Sprint(f, info.ModTime())
	}
	return files
}

// Where QEMU cannot keep a machine's memory apart, it is in the state.
func TestStreamed(t *testing.T) {
	s, err := opener(t, vm.Options{Streamed: true}).Open(t.Context(), built.reference, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if rec := run(t, s, call("print_namespace_info")); rec.End.Outcome != evidence.Completed {
		t.Errorf("end %+v; want completed", rec.End)
	}
}

// Clones of one snapshot differ in what they draw, and know what time it is.
func TestClonesDiffer(t *testing.T) {
	driver, err := driverOf(`b := make([]byte, 8)
	f, err := os.Open("/dev/urandom")
	if err != nil {
		return err
	}
	if _, err := f.Read(b); err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "%x %d", b, time.Now().Unix())
	if err != nil {
		return err
	}`)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, driver)
	var draws []string
	for range 3 {
		var draw string
		var now int64
		rec := run(t, s, call("print_namespace_info"))
		if _, err := fmt.Sscan(rec.Output.Stdout, &draw, &now); err != nil {
			t.Fatalf("%v: %+v %+v", err, rec.End, rec.Output)
		}
		if slices.Contains(draws, draw) {
			t.Errorf("%s was drawn before: %v", draw, draws)
		}
		draws = append(draws, draw)
		if off := time.Since(time.Unix(now, 0)); off < -2*time.Second || off > time.Minute {
			t.Errorf("the clock of the machine is %v late", off)
		}
	}
}

// Libraries for netlink open a socket of each of these families, asked or not.
func TestNetlinkFamilies(t *testing.T) {
	driver, err := driverOf(`for _, family := range []int{syscall.NETLINK_ROUTE, syscall.NETLINK_XFRM, syscall.NETLINK_NETFILTER} {
		if _, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, family); err != nil {
			return fmt.Errorf("family %d: %w", family, err)
		}
	}`)
	if err != nil {
		t.Fatal(err)
	}
	rec := run(t, open(t, driver), call("print_namespace_info"))
	if c := rec.Calls["call"]; !c.OK {
		t.Errorf("%s; want sockets of all", c.Error)
	}
}

// What a machine costs: some 90 MiB of its own by its end, of which translated
// code is a third (64 MiB in all is the aim), and a quarter of a GiB for a base and
// a layer.
func TestMachinesAreSmall(t *testing.T) {
	op := opener(t, vm.Options{})
	s, err := op.Open(t.Context(), built.reference, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	own, err := vm.OwnMemory(t.Context(), s, scenario.Scenario{ID: "test.own", Steps: []scenario.Step{
		{As: "call", Call: "create_pid_namespace", Script: &scenario.Script{Name: "p", Exit: 42}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	layer, base, err := op.Stored(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a clone has %d KiB of its own; a layer holds %d KiB, its base %d KiB", own, layer, base)
	if most := 112 << 10; own <= 0 || own > most {
		t.Errorf("a clone has %d KiB of its own; want at most %d", own, most)
	}
	if most := int64(250 << 10); layer <= 0 || base <= 0 || layer+base > most {
		t.Errorf("base and layer hold %d KiB; want at most %d", layer+base, most)
	}
}

// N clones in a row (see `make clones`) all answer.
func TestManyClones(t *testing.T) {
	n := 10
	if text := os.Getenv("MOULINETTE_CLONES"); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, built.reference)
	for i := range n {
		if rec := run(t, s, call("print_namespace_info")); rec.End.Outcome != evidence.Completed {
			t.Fatalf("clone %d: end %+v; want completed", i, rec.End)
		}
	}
}
