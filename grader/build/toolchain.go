package build

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/build/cell"
	"moulinette/grader/build/jail"
	"moulinette/grader/build/words"
	"moulinette/grader/lack"
	"moulinette/grader/submission"
)

// buildFlags and buildEnv pin what an executable depends on: nothing of the
// user's settings, no network, no C compiler, no other toolchain.
var (
	buildFlags = []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	buildEnv   = []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + runtime.GOARCH, "GOENV=off", "GOFLAGS=", "GOPROXY=off",
		"GOSUMDB=off", "GOTOOLCHAIN=local", "GOWORK=off", "GO111MODULE=on", "GOEXPERIMENT=", "LC_ALL=C",
	}
)

// toolchain is what the go command says about itself.
type toolchain struct {
	path, root                    string
	version, buildCache, modCache string
	proxy                         string    // the user's GOPROXY
	network                       []string  // of the user's environment, what leads to the network
	cell                          cell.Cell // where strangers' text is compiled
}

// findTool asks the go command where its caches are.
func (b *Builder) findTool(ctx context.Context) (t toolchain, err error) {
	name := b.Go
	if name == "" {
		name = "go"
	}
	if t.path, err = exec.LookPath(name); err != nil {
		return t, &lack.Error{
			EN:  fmt.Sprintf("no go command; install Go %s or later (https://go.dev/dl), and put it in PATH", oldestGo()),
			FR:  fmt.Sprintf("pas de commande go ; installez Go %s ou plus récent (https://go.dev/dl), et mettez-le dans PATH", oldestGo()),
			Err: err,
		}
	}
	said, err := askGo(ctx, t.path, "local")
	if err == nil && version.Compare(said.GOVERSION, "go"+oldestGo()) < 0 {
		// An older one can bring a newer one, and has if it built this program.
		own := said.GOVERSION
		if said, err = askGo(ctx, t.path, "go"+oldestGo()); err != nil {
			err = &lack.Error{
				EN:  fmt.Sprintf("%s is too old; install Go %s or later (https://go.dev/dl)", own, oldestGo()),
				FR:  fmt.Sprintf("%s est trop ancien ; installez Go %s ou plus récent (https://go.dev/dl)", own, oldestGo()),
				Err: err,
			}
		}
	}
	if err != nil {
		return t, fmt.Errorf("go command: %s: %w", t.path, err)
	}
	t.root, t.version, t.buildCache, t.modCache, t.proxy = said.GOROOT, said.GOVERSION, said.GOCACHE, said.GOMODCACHE, said.GOPROXY
	t.network = slices.DeleteFunc((&exec.Cmd{}).Environ(), func(v string) bool { return !leadsOut.MatchString(v) })
	if !ours(t.buildCache) {
		t.buildCache = filepath.Join(b.cache.Dir, "go-build")
	}
	if own := filepath.Join(t.root, "bin", "go"); unix.Access(own, unix.X_OK) == nil {
		t.path = own // what was found may be a link, or a script that chooses
	}
	t.cell, err = b.findCell(ctx, []string{t.path, "version"}, t.shown())
	return t, err
}

// oldestGo is the oldest Go that compiles the module of a submission.
func oldestGo() string {
	for line := range strings.Lines(stageMod) {
		if v, ok := strings.CutPrefix(line, "go "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// goEnv are the answers of `go env -json`.
type goEnv struct{ GOVERSION, GOROOT, GOCACHE, GOMODCACHE, GOPROXY string }

// askGo has the go command, or the toolchain that it brings in its place, speak about
// itself.
func askGo(ctx context.Context, path, toolchain string) (said goEnv, err error) {
	cmd := exec.CommandContext(ctx, path, "env", "-json", "GOVERSION", "GOROOT", "GOCACHE", "GOMODCACHE", "GOPROXY")
	cmd.Dir = "/"
	cmd.Env = append(cmd.Environ(), "GOTOOLCHAIN="+toolchain, "GOWORK=off")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return said, fmt.Errorf("go env: %w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	if err != nil {
		return said, fmt.Errorf("go env: %w", err)
	}
	return said, nil
}

// ours tells whether the user's build cache can be shared: it can be written to,
// and root does not leave files in somebody else's.
func ours(dir string) bool {
	if !filepath.IsAbs(dir) || !owned(dir) { // also "off"
		return false
	}
	return os.MkdirAll(dir, 0o777) == nil && unix.Access(dir, unix.W_OK) == nil
}

// owned tells whether a folder is this user's, or the nearest that there is above it.
func owned(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		st, ok := (*syscall.Stat_t)(nil), false
		if err == nil {
			st, ok = info.Sys().(*syscall.Stat_t)
		}
		return ok && int(st.Uid) == os.Geteuid()
	}
}

// shown is what the go command reads: its toolchain, the modules that a
// submission may import, and what was compiled before.
func (t toolchain) shown() []string {
	dirs := []string{t.root, t.buildCache}
	for line := range strings.Lines(stageMod) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.Contains(submission.Libraries(), fields[0]) {
			continue
		}
		dirs = append(dirs, filepath.Join(t.modCache, fields[0]+"@"+fields[1]), filepath.Join(t.modCache, "cache", "download", fields[0]))
	}
	return dirs
}

// patience is how long one compilation may take. On a slow machine whose caches are
// cold, our own text takes some minutes, with the standard library; a stranger's
// comes after it, and finds that compiled.
func (b *Builder) patience(ownText bool) time.Duration {
	if ownText {
		return cmp.Or(b.Timeout, 5*time.Minute)
	}
	return cmp.Or(b.Timeout, 2*time.Minute)
}

// goBuild runs "go build" with these arguments in dir/module and answers what it
// printed. Only what is compiled of our own text may go into the build cache: a
// compiler that a stranger's text has taken over must not reach the next build.
func (b *Builder) goBuild(ctx context.Context, dir string, ownText bool, args ...string) ([]byte, error) {
	timeout := b.patience(ownText)
	timed, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w %v", words.ErrTimeout, timeout))
	defer cancel()
	env, err := b.environment(dir)
	if err != nil {
		return nil, err
	}
	command := cell.Command{
		Args: slices.Concat([]string{b.toolchain.path, "build"}, buildFlags, args),
		Dir:  filepath.Join(dir, "module"), Env: env, Output: &bytes.Buffer{},
		Own: dir, Shown: b.toolchain.shown(), Caches: ownText,
	}
	run := b.Run
	if run == nil {
		run = b.runGo
	}
	err = run(timed, command)
	if err != nil && !bytes.Contains(command.Output.Bytes(), []byte(compilerSpoke)) {
		command.Env, command.Output = append(env, withoutIndex), &bytes.Buffer{}
		err = run(timed, command)
	}
	if err != nil && timed.Err() != nil {
		err = context.Cause(timed)
	}
	return command.Output.Bytes(), err
}

// With an index of its packages the go command is faster, but it takes a package
// whose index it can neither find nor write into the build cache for missing.
// Whatever stops it before a compiler has spoken is therefore tried without.
const (
	withoutIndex  = "GODEBUG=goindex=0"
	compilerSpoke = "# "
)

// goLimits are those of the tools: they reserve address space without end.
var goLimits = jail.Limits{Data: cell.MaxMemory, File: cell.MaxFile, Seconds: 120}

// runGo is the [cell.Runner] of the host: the go command in its cell.
func (b *Builder) runGo(ctx context.Context, c cell.Command) error {
	if b.toolchain.cell.Kind == "" {
		return cell.Here(ctx, c)
	}
	seen := append([]jail.Folder{{Host: c.Own, Write: true}}, folders(c.Shown)...)
	for i := range seen {
		seen[i].Write = seen[i].Write || c.Caches && seen[i].Host == b.toolchain.buildCache
	}
	return b.toolchain.cell.Run(ctx, c.Own, jail.Plan{Dir: c.Dir, Args: c.Args, Env: c.Env, Folders: seen, Limits: goLimits}, c.Output)
}

var errModules = errors.New("go mod download")

// noModCache is how the go command tells of a place where it can keep no module.
var noModCache = regexp.MustCompile(`could not create module cache|: (?:permission denied|read-only file system|no space left on device)\b`)

// lacksModules tells from the go command's words whether it lacks a module: it may
// not ask for it, or not lock the place of one that it knows by name alone, for it
// sees the module cache read-only. What may be imported is known before (see
// [submission.Libraries]), so that is never the submission's fault. What a compiler has
// spoken of holds the submission's own words.
func lacksModules(output []byte) bool {
	return missingModule.Match(output) && !bytes.Contains(output, []byte(compilerSpoke))
}

var missingModule = regexp.MustCompile(`disabled by GOPROXY=off|could not create module cache|/@v/[^/\s]+\.lock: `)

// leadsOut is what a download needs to know where the network lies behind a proxy, which
// may have a certificate of its own.
var leadsOut = regexp.MustCompile(`^(?:(?i:https?_proxy|no_proxy)|SSL_CERT_(?:FILE|DIR))=`)

// fetch downloads what submissions may import, by the user's own proxy. What is
// fetched, and its sums, stand in our go.mod and go.sum: a submission has no say.
func (b *Builder) fetch(ctx context.Context, dir string) error {
	env, err := b.environment(dir)
	if err != nil {
		return err
	}
	command := cell.Command{
		Args: []string{b.toolchain.path, "mod", "download"}, Dir: filepath.Join(dir, "module"),
		Env: slices.Concat(env, b.toolchain.network, []string{"GOPROXY=" + b.toolchain.proxy}), Output: &bytes.Buffer{},
	}
	if err := cell.Here(ctx, command); err != nil {
		return unfetched(command.Output.String(), b.toolchain.modCache, err)
	}
	return nil
}

// unfetched says why modules have not come, and the cure. The go command says the same
// of each module.
func unfetched(output, modCache string, cause error) error {
	var lines []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	no := &lack.Error{
		EN:  "run `go mod download` in the moulinette's repository with a network",
		FR:  "lancez `go mod download` dans le dépôt de la moulinette, avec un réseau",
		Err: fmt.Errorf("%w: %w: %s", errModules, cause, strings.Join(lines, "\n")),
	}
	if noModCache.MatchString(output) {
		no.EN = fmt.Sprintf("the module cache %s cannot be written to: set HOME to your own folder, or GOMODCACHE to one that you may write in", modCache)
		no.FR = fmt.Sprintf("on ne peut pas écrire dans le cache des modules %s : donnez à HOME votre dossier, ou à GOMODCACHE un dossier où vous pouvez écrire", modCache)
	}
	no.EN = "modules that submissions may import are missing, and cannot be downloaded; " + no.EN
	no.FR = "des modules que les rendus peuvent importer manquent, et ne peuvent être téléchargés ; " + no.FR
	return no
}

// noTelemetry makes a home in which the go command counts nothing.
func noTelemetry(home string) error {
	dir := filepath.Join(home, ".config", "go", "telemetry")
	return errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "mode"), []byte("off"), 0o600))
}

// environment is the go command's, with a home of its own that says no to
// telemetry.
func (b *Builder) environment(dir string) ([]string, error) {
	home, tmp := filepath.Join(dir, "home"), filepath.Join(dir, "tmp")
	err := errors.Join(noTelemetry(home), os.MkdirAll(tmp, 0o700), os.MkdirAll(b.toolchain.buildCache, 0o755))
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	return append([]string{
		"HOME=" + home, "TMPDIR=" + tmp, "PATH=" + filepath.Dir(b.toolchain.path),
		"GOCACHE=" + b.toolchain.buildCache, "GOMODCACHE=" + b.toolchain.modCache,
	}, buildEnv...), nil
}
