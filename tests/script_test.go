// Package tests holds what is tested from outside: the built commands, run as
// users run them.
package tests

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected parts of the scripts")

// bin is the folder of the commands under test.
var bin string

func TestMain(m *testing.M) {
	if os.Args[0] == asWithout {
		fmt.Fprintln(os.Stderr, without(os.Args[1:]))
		os.Exit(1)
	}
	if os.Getenv(confinedFace) != "" {
		fmt.Fprintln(os.Stderr, confine(os.Args[1:]))
		os.Exit(125)
	}
	flag.Parse()
	os.Exit(build(m))
}

// build builds both commands once, as `make build` does.
func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "moulinette-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for name, pkg := range map[string]string{"moulinette": "moulinette", "moulinette-agent": "agent"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), "../grader/cmd/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	bin = dir
	return m.Run()
}

// TestScripts runs each script/*.txtar against the built commands. A script's
// name begins with its category.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir:           "script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("ROOT", root)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("LANG", "C.UTF-8")
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
				env.Setenv(name, goEnv(t, name))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Condition: func(name string) (bool, error) {
			switch name {
			case "ids":
				return severalIDs(), nil
			case "rootless":
				return rootless()
			}
			return false, fmt.Errorf("no condition %q", name)
		},
	})
}

// severalIDs tells whether a sandbox has several user ids here, without which some
// rows are not judged.
var severalIDs = sync.OnceValue(func() bool {
	out, _ := exec.Command(filepath.Join(bin, "moulinette"), "doctor").Output() // its exit code is another question
	return bytes.Contains(out, []byte("id_range"))
})

// rootless tells whether we are root of a user namespace only, to whom a limit of
// processes applies as to the user outside, who has others.
func rootless() (bool, error) {
	ids, err := os.ReadFile("/proc/self/uid_map")
	return os.Geteuid() == 0 && strings.Join(strings.Fields(string(ids)), " ") != "0 0 4294967295", err
}

// goEnv asks the go command; scripts have a home of their own, but not caches.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// cachedIn is the environment of a grader with a cache of its own. The go command
// would move its cache there as well, and compile its library anew.
func cachedIn(t *testing.T, dir string) []string {
	t.Helper()
	return append(os.Environ(), "XDG_CACHE_HOME="+dir, "GOCACHE="+goEnv(t, "GOCACHE"))
}

// exits runs `exits CODE COMMAND...`: the command must end with that code. Its
// output is there for stdout and stderr, as after exec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != args[0] {
		ts.Fatalf("%s ended with %s; want %s", args[1], got, args[0])
	}
}
