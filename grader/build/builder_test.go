package build

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moulinette/grader/build/cell"
	"moulinette/grader/submission"
	"moulinette/grader/submission/norm"

	"golang.org/x/sys/unix"
)

// good is a whole submission.
const good = `package student

import "moulinette/grader/contract"

type runtime struct{ contract.Unimplemented }

func New() contract.Runtime { return runtime{} }
`

// folderOf writes files to a new folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rendu")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func builder(t *testing.T) *Builder {
	t.Helper()
	return &Builder{Cache: filepath.Join(t.TempDir(), "cache"), Sources: os.DirFS("..")}
}

func fromText(t *testing.T, text string) *submission.Submission {
	t.Helper()
	s, err := submission.FromFiles("", submission.Files{"student.go": []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counted counts the runs of the go command on texts that are not ours.
func counted(b *Builder) *atomic.Int32 {
	var n atomic.Int32
	b.Run = func(ctx context.Context, c cell.Command) error {
		if !c.Caches {
			n.Add(1)
		}
		return cell.Here(ctx, c)
	}
	return &n
}

func TestBuildIsCached(t *testing.T) {
	b := builder(t)
	runs := counted(b)
	first, err := b.Build(t.Context(), fromText(t, good))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	second, err := b.Build(t.Context(), fromText(t, good))
	if err != nil || !second.Cached || first.Cached || second.Path != first.Path {
		t.Errorf("got %+v then %+v, %v; want the second from the cache", first, second, err)
	}
	t.Logf("from the cache in %v", time.Since(start))
	if _, err := b.Build(t.Context(), fromText(t, good+"\n")); err != nil {
		t.Fatal(err)
	}
	if got := runs.Load(); got != 2 {
		t.Errorf("got %d runs of the go command; want 2", got)
	}
	left, err := os.ReadDir(filepath.Join(b.Cache, "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	speaks(t, first.Path)
}

// speaks starts a driver and reads its first line.
func speaks(t *testing.T, path string) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	ours, theirs := os.NewFile(uintptr(fds[0]), ""), os.NewFile(uintptr(fds[1]), "")
	cmd := exec.Command(path)
	cmd.ExtraFiles = []*os.File{theirs}
	must(t, cmd.Start())
	_ = theirs.Close()
	line, err := bufio.NewReader(ours).ReadString('\n')
	if want := `{"id":0,"failed":false,"value":0}` + "\n"; err != nil || line != want {
		t.Errorf("driver says %q, %v; want %q", line, err, want)
	}
	_ = ours.Close()
	must(t, cmd.Wait())
}

func TestBuildersAtOnce(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			b := &Builder{Cache: cache, Sources: os.DirFS("..")}
			d, err := b.Build(context.Background(), fromText(t, good+strings.Repeat("\n", i%2)))
			if err != nil {
				t.Error(err)
			} else if info, err := os.Stat(d.Path); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("got %v, %v; want an executable", info, err)
			}
		})
	}
	wg.Wait()
	if got, err := os.ReadDir(filepath.Join(cache, "drivers")); err != nil || len(got) != 2 {
		t.Errorf("got %d drivers, %v; want 2", len(got), err)
	}
}

func TestCompileErrors(t *testing.T) {
	const other = "type T struct{}\n\nfunc New() T { return T{} }\n"
	tests := []struct {
		name, text string
		want       string // the first finding begins with this
	}{
		{"type error", good + "\nvar x int = \"a\"\n", "student.go:9:13: cannot use \"a\""},
		{"unused import", strings.Replace(good, "import ", "import \"os\"\nimport ", 1), "student.go:3:8: \"os\" imported and not used"},
		{"no such package", strings.Replace(good, "import ", "import _ \"nosuch\"\nimport ", 1), "student.go:3:8: package nosuch is not in std"},
		{"not a Runtime", "package student\n\n" + other, "New has the wrong type, it has to be func New() contract.Runtime: cannot use submission.New()"},
		{"own package is missing", strings.Replace(good, "import ", "import _ \"moulinette/student/no\"\nimport ", 1), "student.go:3:8: package moulinette/student/no is not in std"},
		{"no body", good + "\nfunc f()\n", "student.go:9:6: missing function body"},
		{"escape sequence", good + "\nvar x int = `\x1b[2J`\n", "student.go:9:13: cannot use `\uFFFD[2J`"},
		{"needs cgo", strings.Replace(good, "import ", "import _ \"runtime/cgo\"\nimport ", 1), ""},
	}
	b := builder(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.Build(t.Context(), fromText(t, test.text))
			var bad *submission.BuildError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v; want a BuildError", err)
			}
			if got := bad.Findings[0].String(); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q; want %q", got, test.want)
			}
			if strings.Contains(err.Error(), b.Cache) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %q; want no path of ours and no escape", err)
			}
		})
	}
}

// TestUserSettingsHaveNoEffect: neither the folder's nor the environment's.
func TestUserSettingsHaveNoEffect(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor -tags=evil")
	t.Setenv("GOPROXY", "http://127.0.0.1:1")
	t.Setenv("GOOS", "windows")
	dir := folderOf(t, map[string]string{"a.go": good, "go.mod": "module x\n\nreplace golang.org/x/sys => /nowhere\n"})
	s, err := submission.Open(dir)
	must(t, err)
	if _, err := builder(t).Build(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// spinning is a run of the go command that never ends.
func spinning(ctx context.Context, _ cell.Command) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestWhoseFault(t *testing.T) {
	killed := errors.New("signal: killed")
	isNothing := func(c cell.Command) bool {
		_, err := os.Stat(filepath.Join(c.Dir, "student", "nothing.go"))
		return err == nil
	}
	succeed := func(c cell.Command) error { return os.WriteFile(filepath.Join(c.Dir, "..", "driver"), nil, 0o755) }
	tests := []struct {
		name string
		run  cell.Runner
		rule string // of a BuildError; empty: ours
	}{
		{"a text that takes for ever", func(ctx context.Context, c cell.Command) error {
			if isNothing(c) {
				return succeed(c)
			}
			return spinning(ctx, c)
		}, "timeout"},
		{"a host that takes for ever", spinning, ""},
		{"a text that takes all memory", func(_ context.Context, c cell.Command) error {
			if isNothing(c) {
				return succeed(c)
			}
			return killed
		}, "compile"},
		{"a host without room for what is compiled", func(_ context.Context, c cell.Command) error {
			c.Output.WriteString("moulinette/student: write /tmp/go-build1/b001/importcfg: no space left on device\n")
			return errors.New("exit status 1")
		}, ""},
		{"a broken toolchain", func(context.Context, cell.Command) error { return killed }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := builder(t)
			b.Timeout, b.Run = 20*time.Millisecond, test.run
			_, err := b.Build(t.Context(), fromText(t, good))
			var bad *submission.BuildError
			if errors.As(err, &bad) != (test.rule != "") || bad != nil && bad.Findings[0].Rule != test.rule {
				t.Errorf("got %v; want rule %q", err, test.rule)
			}
		})
	}
}

// Where nothing is compiled yet, text of ours brings the standard library along: it has
// more time than a stranger's, which comes after it.
func TestOwnTextHasMoreTime(t *testing.T) {
	b := builder(t)
	left := map[bool]time.Duration{}
	b.Run = func(ctx context.Context, c cell.Command) error {
		end, ok := ctx.Deadline()
		if !ok {
			t.Error("a compilation without an end")
		}
		left[c.Caches] = time.Until(end)
		return errors.New("enough")
	}
	_, _ = b.Build(t.Context(), fromText(t, good))
	if left[true] < 2*left[false] {
		t.Errorf("ours has %v, a stranger's %v; want twice as much at least", left[true], left[false])
	}
}

func TestSecondTryIsEnough(t *testing.T) {
	b := builder(t)
	var n atomic.Int32
	b.Run = func(ctx context.Context, c cell.Command) error {
		if !c.Caches && n.Add(1) == 1 {
			return errors.New("signal: killed")
		}
		return cell.Here(ctx, c)
	}
	if d, err := b.Build(t.Context(), fromText(t, good)); err != nil || n.Load() != 2 {
		t.Errorf("got %v, %v after %d runs; want a driver after 2", d, err, n.Load())
	}
}

// An empty module cache is the host's lack, never the submission's: it is
// filled, and where it cannot be, the error says what to do.
func TestMissingModules(t *testing.T) {
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOFLAGS", "-modcacherw")
	t.Setenv("GOPROXY", "off")
	_, err := builder(t).Build(t.Context(), fromText(t, good))
	if bad := (*submission.BuildError)(nil); err == nil || errors.As(err, &bad) || !strings.Contains(err.Error(), "go mod download") {
		t.Errorf("got %v; want an error of ours with the cure", err)
	}
}

// A module cache that cannot be made (a HOME that is somebody else's) is told of once,
// with the way to another.
func TestNoModuleCache(t *testing.T) {
	place := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(place, nil, 0o600))
	t.Setenv("GOMODCACHE", filepath.Join(place, "mod"))
	_, err := builder(t).Build(t.Context(), fromText(t, good))
	if !errors.Is(err, errModules) {
		t.Fatalf("got %v; want %v", err, errModules)
	}
	const words = "could not create module cache"
	if got := err.Error(); !strings.Contains(got, "set HOME to your own folder, or GOMODCACHE") || strings.Contains(got, "with a network") || strings.Count(got, words) != 1 {
		t.Errorf("got %v; want the cure, and what the go command says once", err)
	}
}

// What a submission says is not what the go command says.
func TestModulesThatASubmissionSpeaksOf(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	_, err := builder(t).Build(t.Context(), fromText(t, good+"\nvar n int = \"disabled by GOPROXY=off\"\n"))
	if bad := (*submission.BuildError)(nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), "cannot use") {
		t.Errorf("got %v; want the compiler's words", err)
	}
	if output := []byte("# moulinette/student\nstudent/a.go:9:13: cannot use \"disabled by GOPROXY=off\"\n"); lacksModules(output) {
		t.Errorf("%s: taken for the go command's", output)
	}
}

func TestNoGoCommand(t *testing.T) {
	b := builder(t)
	b.Go = "/nowhere/go"
	if _, err := b.Build(t.Context(), fromText(t, good)); err == nil || !strings.Contains(err.Error(), "go command") {
		t.Errorf("got %v; want the go command named", err)
	}
}

// An old go command is told of by its version and the cure, unless it brings a newer
// toolchain, as it has if it compiled this program.
func TestOldGo(t *testing.T) {
	real, err := exec.LookPath("go")
	must(t, err)
	b := builder(t)
	b.Go = filepath.Join(t.TempDir(), "go")
	script := func(newer string) {
		must(t, os.WriteFile(b.Go, []byte(`#!/bin/sh
case $GOTOOLCHAIN in
local) echo '{"GOVERSION": "go1.23.4"}' ;;
*) `+newer+`
esac
`), 0o755))
	}
	script("echo no network >&2; exit 1;;")
	_, err = b.Build(t.Context(), fromText(t, good))
	if err == nil || !strings.Contains(err.Error(), "go1.23.4 is too old; install Go 1.26") || !strings.Contains(err.Error(), "no network") {
		t.Errorf("got %v; want the version, the cure and what go said", err)
	}
	again := builder(t)
	again.Go = b.Go
	script("GOTOOLCHAIN=local exec " + real + ` "$@";;`)
	if _, err := again.Build(t.Context(), fromText(t, good)); err != nil {
		t.Errorf("with a newer toolchain at hand: %v", err)
	}
}

// A compiler with flags is no compiler, and installing another is no cure.
func TestFlagsInCC(t *testing.T) {
	b := builder(t)
	b.CC = "gcc -O2"
	s, err := submission.FromFiles("", submission.Files{submission.CFile: []byte(littleC)})
	must(t, err)
	if _, err := b.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), "CC=gcc -O2: it names a program") {
		t.Errorf("got %v; want CC named", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := builder(t)
	b.Run = func(ctx context.Context, c cell.Command) error {
		cancel()
		return cell.Here(ctx, c)
	}
	if _, err := b.Build(ctx, fromText(t, good)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want canceled", err)
	}
}

func TestReferenceAndSkeleton(t *testing.T) {
	b := builder(t)
	for _, dir := range []string{"../../reference", "../../student"} {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			t.Errorf("%s has a go.mod of its own", dir)
		}
		s, err := submission.Open(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		d, err := b.Build(t.Context(), s)
		if err != nil {
			t.Error(err)
			continue
		}
		speaks(t, d.Path)
		if found := norm.Of(s, []string{"docker", "podman", "runc", "containerd"}, norm.Packages{}); len(found) > 0 {
			t.Errorf("%s: %v", dir, found)
		}
	}
}

// TestDamagedDriver: what was changed since it was installed is built anew.
func TestDamagedDriver(t *testing.T) {
	b := builder(t)
	runs := counted(b)
	d, err := b.Build(t.Context(), fromText(t, good))
	must(t, err)
	file, err := os.OpenFile(d.Path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = file.WriteString("x")
	must(t, errors.Join(err, file.Close()))
	again, err := b.Build(t.Context(), fromText(t, good))
	if err != nil || again.Cached || runs.Load() != 2 {
		t.Errorf("got %+v, %v after %d runs; want it built twice", again, err, runs.Load())
	}
	if _, ok := b.cache.Find(d.Key); !ok {
		t.Error("the second driver is not what was installed")
	}
}

// TestCacheOfOthers: whoever can write to the cache chooses what is graded.
func TestCacheOfOthers(t *testing.T) {
	b := builder(t)
	must(t, os.Mkdir(b.Cache, 0o700))
	must(t, os.Chmod(b.Cache, 0o770))
	if _, err := b.Build(t.Context(), fromText(t, good)); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
		t.Errorf("writable by a group: got %v; want a refusal", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a folder away")
	}
	b = builder(t)
	must(t, os.Mkdir(b.Cache, 0o700))
	must(t, os.Chown(b.Cache, 61234, 61234))
	if _, err := b.Build(t.Context(), fromText(t, good)); err == nil || !strings.Contains(err.Error(), "belongs to user 61234") {
		t.Errorf("of somebody else: got %v; want a refusal", err)
	}
}
