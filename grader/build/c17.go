package build

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"moulinette/grader/build/cell"
	"moulinette/grader/build/jail"
	"moulinette/grader/build/words"
	"moulinette/grader/submission"
)

// The flags of the exercise, as it says them: another level of optimization would
// find other warnings. What follows them changes what is said, and not whether.
var (
	cFlags     = []string{"-Wall", "-Wextra", "-Werror", "-std=c17"}
	cTellFlags = []string{"-g1"}
	// Those of a submission that watches itself.
	cSanitizeFlags = []string{"-fsanitize=address,undefined", "-fno-omit-frame-pointer"}
	// Our own text is compiled as it is; what must hold is what the border says.
	cShimFlags = []string{
		"-std=gnu17", "-Werror=implicit-function-declaration", "-Werror=int-conversion", "-Werror=incompatible-pointer-types",
	}
)

// cTimeout bounds one run of the compiler by the clock. Where many share a processor
// a right text takes its time; what it takes of the processor, [cLimits] bounds.
const cTimeout = 2 * time.Minute

// buildC compiles a submission in C with our shim.
func (b *Builder) buildC(ctx context.Context, s *submission.Submission) (*Driver, error) {
	st, err := b.readyC(ctx, s)
	if err != nil {
		return nil, err
	}
	d := &Driver{Key: b.keyOfC(st)}
	var linked, compiled bool
	d.Path, linked = b.cache.Find(d.Key)
	d.Object, compiled = b.cache.Find(b.keyOfC(st.theirs()))
	if d.Cached = linked && compiled; d.Cached {
		return d, nil
	}
	output, err := b.compileC(ctx, st, d, cLibraries(s))
	if err != nil && ctx.Err() == nil && len(words.ExplainC(output)) == 0 {
		// Whoever ended it, it has not said what it thinks: once more.
		output, err = b.compileC(ctx, st, d, cLibraries(s))
	}
	if err != nil {
		return nil, b.blameC(ctx, output, err)
	}
	return d, nil
}

// readyC finds the compiler, once, and puts the folder together.
func (b *Builder) readyC(ctx context.Context, s *submission.Submission) (staged, error) {
	if err := b.LookC(ctx); err != nil {
		return nil, err
	}
	return b.stageC(s)
}

func (b *Builder) keyOfC(st staged) string {
	return st.key(fmt.Sprintf("%s %q %q %q %q %q", b.cTool.version, cFlags, cTellFlags, cSanitizeFlags, cShimFlags, optionalHeaders()), runtime.GOARCH)
}

// optional are the libraries that a submission may use besides the C library.
var optional = []struct{ header, flag string }{{"sys/capability.h", "-lcap"}, {"seccomp.h", "-lseccomp"}}

// optionalHeaders are those that this host has: a text may ask (__has_include).
func optionalHeaders() (there []string) {
	for _, lib := range optional {
		if _, err := os.Stat("/usr/include/" + lib.header); err == nil {
			there = append(there, lib.header)
		}
	}
	return there
}

// cLibraries are those of the [optional] ones whose headers a submission asks for.
func cLibraries(s *submission.Submission) (flags []string) {
	for _, lib := range optional {
		for _, text := range s.Files {
			if bytes.Contains(text, []byte("<"+lib.header+">")) && !slices.Contains(flags, lib.flag) {
				flags = append(flags, lib.flag)
			}
		}
	}
	return flags
}

// stageC puts the folder together: the submission's files and ours apart, so that
// no header of theirs is taken for one of ours.
func (b *Builder) stageC(s *submission.Submission) (staged, error) {
	entries, err := fs.ReadDir(b.Sources, "driver/c17")
	if err != nil {
		return nil, fmt.Errorf("stage: grader sources: %w", err)
	}
	st := staged{}
	for _, e := range entries {
		text, err := fs.ReadFile(b.Sources, path.Join("driver/c17", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("stage: grader sources: %w", err)
		}
		if e.Name() == submission.CHeader {
			st["submission/"+submission.CHeader] = text
			st[undeclaredH] = undeclared(text, s.Files)
			continue
		}
		st["driver/"+e.Name()] = text
	}
	for name, text := range s.Files {
		st["submission/"+name] = text
	}
	if s.Sanitize {
		st[sanitizeMark] = nil
	}
	return st, nil
}

// sanitizeMark is an empty file that says how a folder is compiled.
const sanitizeMark = "submission/.sanitize"

// tellFlags are those that change what is told, and not what is accepted.
func (st staged) tellFlags() []string {
	if _, ok := st[sanitizeMark]; ok {
		return slices.Concat(cTellFlags, cSanitizeFlags)
	}
	return cTellFlags
}

// theirs is the part of a folder that is the submission's.
func (st staged) theirs() staged {
	part := staged{}
	for name, text := range st {
		if strings.HasPrefix(name, "submission/") {
			part[name] = text
		}
	}
	return part
}

// compileC compiles what is the submission's, links it with ours, and installs
// both. It answers what the compiler said.
func (b *Builder) compileC(ctx context.Context, st staged, d *Driver, libraries []string) (output []byte, err error) {
	shim, err := b.shim(ctx, st)
	if err != nil {
		return nil, err
	}
	theirs := st.theirs()
	compile := slices.Concat(cFlags, st.tellFlags(), []string{"-c", "submission/" + submission.CFile, "-o", "made"})
	if d.Object, output, err = b.makeC(ctx, theirs, b.keyOfC(theirs), compile); err != nil {
		return output, err
	}
	st = maps.Clone(st)
	for name, file := range map[string]string{"shim.o": shim, "submission.o": d.Object} {
		if st[name], err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	link := func() {
		d.Path, output, err = b.makeC(ctx, st, d.Key, slices.Concat(cShimFlags, st.tellFlags(), []string{
			"-Wl,-z,now", "-Wl,--as-needed", "-iquote", "submission", bridgeC, "shim.o", "submission.o",
		}, libraries, []string{"-o", "made"}))
	}
	link()
	if more := b.declared(st, output); err != nil && more != nil {
		st[undeclaredH] = more
		link()
	}
	if there := slices.DeleteFunc(slices.Clone(libraries), func(lib string) bool { return lacks(output, lib) }); err != nil && len(there) < len(libraries) {
		// Its header was only asked about (__has_include), or named in a comment.
		libraries = there
		link()
	}
	return output, err
}

// lacks tells whether a linker complains that there is no such library.
func lacks(output []byte, library string) bool {
	return bytes.Contains(output, []byte("cannot find "+library)) || bytes.Contains(output, []byte("unable to find library "+library))
}

// bridgeC is the one file of ours that is compiled with each submission's header.
const bridgeC = "driver/bridge.c"

// shim finds the rest of our shim as one object, or compiles it: it is the same
// for all.
func (b *Builder) shim(ctx context.Context, st staged) (string, error) {
	ours := staged{}
	args := slices.Concat(cShimFlags, []string{"-r", "-nostdlib", "-o", "made"})
	for _, name := range slices.Sorted(maps.Keys(st)) {
		if !strings.HasPrefix(name, "driver/") || name == bridgeC || name == undeclaredH {
			continue
		}
		ours[name] = st[name]
		if path.Ext(name) == ".c" {
			args = append(args, name)
		}
	}
	key := b.keyOfC(ours)
	if found, ok := b.cache.Find(key); ok {
		return found, nil
	}
	built, output, err := b.makeC(ctx, ours, key, args)
	if err != nil && ctx.Err() == nil {
		return "", words.NoC(fmt.Errorf("%w: %s", err, bytes.TrimSpace(output)))
	}
	return built, err
}

// makeC runs the compiler in a private folder, which is gone afterwards, and
// installs what it has made.
func (b *Builder) makeC(ctx context.Context, st staged, key string, args []string) (built string, output []byte, err error) {
	dir, remove, err := b.cache.Temp()
	if err != nil {
		return "", nil, err
	}
	defer remove()
	work := filepath.Join(dir, "work")
	err = errors.Join(st.write(work), os.Mkdir(filepath.Join(dir, "root"), 0o700), os.Mkdir(filepath.Join(dir, "tmp"), 0o700))
	if err != nil {
		return "", nil, fmt.Errorf("stage: %w", err)
	}
	if output, err = b.runC(ctx, dir, args); err != nil {
		return "", output, fmt.Errorf("%s: %w", filepath.Base(b.cTool.path), err)
	}
	made := filepath.Join(work, "made")
	if info, err := os.Lstat(made); err != nil || !info.Mode().IsRegular() {
		return "", output, errors.Join(errors.New("the compiler has made nothing"), err)
	}
	built, err = b.cache.Install(made, key)
	return built, output, err
}

// runC runs the compiler in dir/work: in the jail, if there is one.
func (b *Builder) runC(ctx context.Context, dir string, args []string) ([]byte, error) {
	timeout := cmp.Or(b.Timeout, cTimeout)
	timed, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w %v", words.ErrTimeout, timeout))
	defer cancel()
	out := &bytes.Buffer{}
	err := b.executeC(timed, dir, append([]string{b.cTool.path}, args...), out)
	if err != nil && timed.Err() != nil {
		err = context.Cause(timed)
	}
	return out.Bytes(), err
}

// cLimits are those of a compiler of C.
var cLimits = jail.Limits{Data: 2 << 30, File: 64 << 20, Seconds: 30}

func (b *Builder) executeC(ctx context.Context, dir string, args []string, out *bytes.Buffer) error {
	env := slices.Clip(cEnv)
	work, tmp := filepath.Join(dir, "work"), filepath.Join(dir, "tmp")
	p := jail.Plan{Dir: work, Args: args, Env: append(env, "TMPDIR="+tmp), Limits: cLimits}
	switch b.cTool.cell.Kind {
	case "":
		return cell.Here(ctx, cell.Command{Args: args, Dir: work, Env: p.Env, Output: out})
	case jail.Namespaces: // what is compiled does not depend on where that was
		p.Dir, p.Env = "/work", append(env, "TMPDIR=/tmp")
		p.Folders = []jail.Folder{{Host: work, Inside: p.Dir, Write: true}}
	default:
		p.Folders = []jail.Folder{{Host: work, Write: true}, {Host: tmp, Write: true}}
	}
	p.Folders = append(p.Folders, folders(b.cTool.shown)...)
	return b.cTool.cell.Run(ctx, dir, p, out)
}
