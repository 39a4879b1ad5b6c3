package build

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"moulinette/grader/build/cell"
	"moulinette/grader/build/jail"
	"moulinette/grader/lack"
)

// cTool is the C compiler of this host.
type cTool struct {
	path, version string
	cell          cell.Cell
	shown         []string // what of it stands elsewhere than the system
}

// cEnv is what compilers of C see of the environment.
var cEnv = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}

// Compilers are the programs of which the first that is there compiles C: the one that is
// asked for, if one is.
func Compilers(asked string) []string {
	if asked != "" {
		return []string{asked}
	}
	return []string{"gcc", "cc", "clang"}
}

// findC looks for the C compiler.
func (b *Builder) findC(ctx context.Context) (t cTool, err error) {
	names := Compilers(b.CC)
	for _, name := range names {
		if t.path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil && len(strings.Fields(b.CC)) > 1 {
		return t, &lack.Error{
			EN: fmt.Sprintf("CC=%s: it names a program, without flags of its own", b.CC),
			FR: fmt.Sprintf("CC=%s : CC nomme un programme, sans options", b.CC),
		}
	}
	if err != nil && b.CC != "" {
		return t, &lack.Error{
			EN: fmt.Sprintf("CC=%s: no such program; unset CC, or name another", b.CC),
			FR: fmt.Sprintf("CC=%s : ce programme n'existe pas ; effacez CC (unset CC), ou nommez-en un autre", b.CC),
		}
	}
	if err != nil {
		return t, &lack.Error{
			EN: fmt.Sprintf("no compiler: none of %s is there; install gcc (Debian, Ubuntu: apt install gcc libc6-dev)", strings.Join(names, ", ")),
			FR: fmt.Sprintf("pas de compilateur : ni %s ; installez gcc (Debian, Ubuntu : apt install gcc libc6-dev)", strings.Join(names, ", ni ")),
		}
	}
	if t.path, err = filepath.Abs(t.path); err != nil { // it is run in another folder
		return t, fmt.Errorf("compiler: %w", err)
	}
	cmd := exec.CommandContext(ctx, t.path, "--version")
	cmd.Env = cEnv
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("compiler: %s --version: %w", t.path, err)
	}
	t.version = t.path + " " + string(out)
	return b.enclose(ctx, t)
}

// enclose looks for a cell for the compiler, under the name by which it was found, or
// that of what it leads to.
func (b *Builder) enclose(ctx context.Context, t cTool) (cTool, error) {
	real, err := filepath.EvalSymlinks(t.path)
	if err != nil {
		return t, fmt.Errorf("compiler: %w", err)
	}
	for _, path := range slices.Compact([]string{t.path, real}) {
		shown := installation(ctx, path)
		c, err := b.findCell(ctx, []string{path, "-E", "-x", "c", "/dev/null"}, shown)
		if err != nil {
			return t, err
		}
		if c.Kind != "" {
			t.path, t.cell, t.shown = path, c, shown
			break
		}
	}
	return t, nil
}

// installation is what a compiler consists of that stands elsewhere than the system:
// itself, and what lies beside its bin. What else is there is its user's.
func installation(ctx context.Context, compiler string) []string {
	if jail.Sees(compiler) {
		return nil
	}
	shown := []string{compiler}
	bin := filepath.Dir(compiler)
	if filepath.Base(bin) != "bin" {
		return shown
	}
	parts := []string{"bin", "include", "lib", "lib32", "lib64", "libexec"}
	cmd := exec.CommandContext(ctx, compiler, "-dumpmachine")
	cmd.Env = cEnv
	if machine, err := cmd.Output(); err == nil { // its assembler and linker, if they are its own
		if name := strings.TrimSpace(string(machine)); filepath.IsLocal(name) {
			parts = append(parts, name)
		}
	}
	for _, part := range parts {
		shown = append(shown, filepath.Join(filepath.Dir(bin), part))
	}
	return shown
}

// LookC finds out what a compiler of C would be kept in here, for [Builder.Boxed].
func (b *Builder) LookC(ctx context.Context) error {
	b.onceC.Do(func() {
		if b.cErr = b.place(); b.cErr == nil {
			b.cTool, b.cErr = b.findC(ctx)
		}
	})
	return b.cErr
}
