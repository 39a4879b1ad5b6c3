package build

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"moulinette/grader/build/cell"
	"moulinette/grader/build/jail"
	"moulinette/grader/submission"
)

// inKind is a builder whose cells are of one kind.
func inKind(t *testing.T, kind jail.Kind) *Builder {
	t.Helper()
	b := builder(t)
	b.Jail = agentProgram(t)
	b.once.Do(func() { b.toolErr = b.prepare(t.Context()) })
	must(t, b.toolErr)
	b.toolchain.cell.Kind = kind
	return b
}

// A module that the cache knows by name alone, as `go list -m` leaves it, is missing
// as well, though the go command speaks of a file that it may not write.
func TestHalfMissingModules(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	must(t, err)
	from, names := os.DirFS(strings.TrimSpace(string(out))), t.TempDir()
	for _, library := range submission.Libraries() {
		mods, err := fs.Glob(from, "cache/download/"+library+"/@v/*.mod")
		must(t, err)
		for _, mod := range mods {
			text, err := fs.ReadFile(from, mod)
			must(t, err)
			must(t, os.MkdirAll(filepath.Join(names, filepath.Dir(mod)), 0o755))
			must(t, os.WriteFile(filepath.Join(names, mod), text, 0o600))
		}
	}
	t.Setenv("GOMODCACHE", names)
	t.Setenv("GOPROXY", "off")
	for _, kind := range jail.Kinds() {
		_, err := inKind(t, kind).Build(t.Context(), fromText(t, good))
		if !errors.Is(err, errModules) {
			t.Errorf("%s: got %v; want %v", kind, err, errModules)
		}
	}
}

// A download goes by the user's proxy, and no compiler hears of it.
func TestFetchBehindAProxy(t *testing.T) {
	asked := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Host
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", "http://modules.invalid")
	t.Setenv("http_proxy", proxy.URL)
	t.Setenv("no_proxy", "")
	b := builder(t)
	b.Run = func(ctx context.Context, c cell.Command) error {
		if slices.ContainsFunc(c.Env, leadsOut.MatchString) {
			t.Errorf("a compiler sees %q", c.Env)
		}
		return cell.Here(ctx, c)
	}
	if _, err := b.Build(t.Context(), fromText(t, good)); !errors.Is(err, errModules) {
		t.Errorf("got %v; want %v", err, errModules)
	}
	if len(asked) == 0 || <-asked != "modules.invalid" {
		t.Error("the proxy was not asked")
	}
}

// The user's build cache is used only where it can be written to.
func TestBuildCacheIsOurs(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for path, want := range map[string]bool{
		dir: true, dir + "/new/one": true, dir + "/file/below": false, dir + "/file": false,
		"/proc/none": false, "/proc/self": false, "off": false, "": false, "relative": false,
	} {
		if got := ours(path); got != want {
			t.Errorf("%q: got %v; want %v", path, got, want)
		}
	}
}

// agentProgram is this binary: TestMain lends it the face of the jail.
func agentProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	return self
}

// wantCell, in the environment, is another kind than namespaces.
const wantCell = "MOULINETTE_TEST_CELL"

// TestCellWithoutNamespaces: where none can be made, Landlock has to do.
func TestCellWithoutNamespaces(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces && exec "+agentProgram(t)+" -test.run '^TestBestCellIsFound$' -test.v")
	cmd.Env = append(os.Environ(), wantCell+"="+string(jail.Landlock))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestBestCellIsFound")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBestCellIsFound(t *testing.T) {
	b := builder(t)
	if got := b.Boxed(submission.Go); got != "nothing" {
		t.Errorf("without a jail: got %q", got)
	}
	b.Jail = agentProgram(t)
	b.once.Do(func() { b.toolErr = b.prepare(t.Context()) })
	must(t, b.toolErr)
	if got, want := b.Boxed(submission.Go), cmp.Or(os.Getenv(wantCell), string(jail.Namespaces)); got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	c, err := b.findCell(t.Context(), []string{"/bin/false"}, nil)
	if err != nil || c.Kind != "" {
		t.Errorf("where no cell works: got %+v, %v; want none", c, err)
	}
}

// TestCellIsTight: what a compiler that a text has taken over would try. Each line
// of the script ends in success if the door is open.
func TestCellIsTight(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("hidden"), 0o666))
	for _, kind := range jail.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			b := inKind(t, kind)
			b.toolchain.buildCache = t.TempDir()
			doors := map[string]string{
				"read what is not shown":     "read line < " + secret,
				"write what is not shown":    "echo x >> " + secret,
				"write the toolchain":        ": > " + b.toolchain.root + "/x",
				"write the build cache":      ": > $GOCACHE/x",
				"write to system folders":    ": > /usr/x",
				"change the kernel":          "cat /proc/sys/kernel/core_pattern && echo core >> /proc/sys/kernel/core_pattern",
				"make the cache writable":    "mount -o remount,bind,rw $GOCACHE && : > $GOCACHE/x",
				"keep a capability":          "grep -q 'CapPrm.*[1-9a-f]' /proc/self/status || grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status",
				"gain privileges by execve":  "grep -q 'NoNewPrivs:.*0' /proc/self/status",
				"own a file of any size":     "head -c 300M /dev/zero > big",
				"take a capability by setns": "nsenter -t 1 -m true",
			}
			if kind == jail.Namespaces {
				doors["see another process"] = "grep -q . /proc/" + "2/status"
				doors["see a network"] = "grep -v 'lo:' /proc/net/dev | grep ':'"
			}
			for name, door := range doors {
				t.Run(name, func(t *testing.T) {
					if out, err := shell(t, b, false, door); err == nil {
						t.Errorf("%q was open: %s", door, out)
					}
				})
			}
			for _, fine := range []string{": > x && rm x", "ls $GOCACHE", "head -c 1 " + b.toolchain.root + "/VERSION"} {
				if out, err := shell(t, b, false, fine); err != nil {
					t.Errorf("%s: %v: %s", fine, err, out)
				}
			}
			if out, err := shell(t, b, true, ": > $GOCACHE/x"); err != nil {
				t.Errorf("our own text cannot write the build cache: %v: %s", err, out)
			}
		})
	}
}

// TestHiddenFolders: what lies below a system folder and is not to be seen is not,
// and all beside it is.
func TestHiddenFolders(t *testing.T) {
	if _, err := os.Stat("/usr/include/netinet/in.h"); err != nil {
		t.Skip("no headers")
	}
	outside := t.TempDir()
	for _, kind := range jail.Kinds() {
		b := inKind(t, kind)
		b.toolchain.cell.Hide = []string{"/usr/include/netinet", outside, "/usr/lib", "/nowhere", "/"}
		if out, err := shell(t, b, false, "grep -q . /usr/include/netinet/in.h"); err == nil {
			t.Errorf("%s: what is hidden was read: %s", kind, out)
		}
		if out, err := shell(t, b, false, "head -c 1 /usr/include/stdio.h && head -c 1 "+b.toolchain.root+"/VERSION && : > x"); err != nil {
			t.Errorf("%s: what is beside it was not: %v: %s", kind, err, out)
		}
		b.toolchain.cell.Hide = []string{b.toolchain.root}
		if out, err := shell(t, b, false, "head -c 1 "+b.toolchain.root+"/VERSION"); err != nil {
			t.Errorf("%s: what is asked for in a hidden folder is not shown: %v: %s", kind, err, out)
		}
	}
}

// TestCellOfAnOrdinaryUser is the same, for whom root's ways are closed.
func TestCellOfAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the user of the other tests is ordinary already")
	}
	home, err := os.MkdirTemp("", "ordinary-")
	must(t, err)
	defer func() { _ = os.RemoveAll(home) }()
	must(t, os.Chown(home, 61234, 61234))
	text, err := os.ReadFile(agentProgram(t))
	must(t, err)
	program := filepath.Join(home, "build.test")
	must(t, os.WriteFile(program, text, 0o755))
	cmd := exec.Command(program, "-test.run", "^(TestCellIsTight|TestBestCellIsFound|TestHiddenFolders)$", "-test.v")
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61234, Gid: 61234}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestCellIsTight/landlock/write_the_build_cache")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// shell runs a line as the go command is run.
func shell(t *testing.T, b *Builder, ownText bool, line string) (string, error) {
	t.Helper()
	own := t.TempDir()
	var out bytes.Buffer
	err := b.runGo(t.Context(), cell.Command{
		Args: []string{"/bin/sh", "-c", line}, Dir: own, Own: own, Shown: b.toolchain.shown(), Caches: ownText, Output: &out,
		Env: []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "GOCACHE=" + b.toolchain.buildCache},
	})
	if strings.Contains(out.String(), jail.Mark) {
		t.Fatalf("the cell does not open: %s", out.String())
	}
	return out.String(), err
}

// TestBuildInEachCell: a driver comes out of each, and the same one.
func TestBuildInEachCell(t *testing.T) {
	var first []byte
	for _, kind := range append(jail.Kinds(), "") {
		b := inKind(t, kind)
		d, err := b.Build(t.Context(), fromText(t, strings.Replace(good, "import ", "import _ \"encoding/xml\"\nimport ", 1)))
		if err != nil {
			t.Fatalf("in %q: %v", kind, err)
		}
		speaks(t, d.Path)
		text, err := os.ReadFile(d.Path)
		must(t, err)
		if first == nil {
			first = text
		}
		if !bytes.Equal(text, first) {
			t.Errorf("in %q: another driver than in namespaces", kind)
		}
	}
}

// TestBuildOfWhatIsNotCached: a package that the build cache does not know, and
// cannot be told of, is compiled for this one build.
func TestBuildOfWhatIsNotCached(t *testing.T) {
	b := inKind(t, jail.Namespaces)
	withIndex, without := 0, 0
	b.Run = func(ctx context.Context, c cell.Command) error {
		switch {
		case c.Caches:
			return errors.New("no room")
		case slices.Contains(c.Env, withoutIndex):
			without++
		default:
			withIndex++
		}
		return b.runGo(ctx, c)
	}
	text := strings.Replace(good, "import ", "import _ \"debug/plan9obj\"\nimport ", 1)
	if _, err := b.Build(t.Context(), fromText(t, text)); err != nil || withIndex != 1 {
		t.Errorf("got %v after %d runs with an index and %d without", err, withIndex, without)
	}
}

// TestReadyIsRemembered: what a submission borrows is compiled once a day, and
// whatever becomes of that, the submission is built.
func TestReadyIsRemembered(t *testing.T) {
	b := builder(t)
	refuse, warmed := false, 0
	b.Run = func(ctx context.Context, c cell.Command) error {
		if c.Caches && !slices.Contains(c.Env, withoutIndex) { // not the second try
			warmed++
		}
		if c.Caches && refuse {
			return errors.New("no room")
		}
		return cell.Here(ctx, c)
	}
	for i, test := range []struct {
		imports string
		refuse  bool
		want    int
	}{{"sort", false, 1}, {"sort", false, 1}, {"slices", true, 2}, {"slices", false, 3}, {"slices", false, 3}} {
		refuse = test.refuse
		text := strings.Replace(good, "import ", fmt.Sprintf("import _ %q\nimport ", test.imports), 1) + strings.Repeat("\n", i)
		if _, err := b.Build(t.Context(), fromText(t, text)); err != nil || warmed != test.want {
			t.Errorf("build %d: got %v, warmed %d times; want %d", i, err, warmed, test.want)
		}
	}
}

// BenchmarkBuild is the build of a text that is new each time, in each cell.
func BenchmarkBuild(b *testing.B) {
	for _, kind := range append(jail.Kinds(), "") {
		b.Run(cmp.Or(string(kind), "nothing"), func(b *testing.B) {
			self, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			builder := &Builder{Cache: filepath.Join(b.TempDir(), "cache"), Sources: os.DirFS(".."), Jail: self}
			if err := builder.warm(b.Context()); err != nil {
				b.Fatal(err)
			}
			builder.toolchain.cell.Kind = kind
			for i := 0; b.Loop(); i++ {
				s, err := submission.FromFiles("", submission.Files{"student.go": []byte(good + strings.Repeat("\n", i))})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := builder.Build(b.Context(), s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
