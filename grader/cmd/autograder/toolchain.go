package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// toolchain adds what building a submission takes of this machine's Go: the
// packages of distributions are often too old.
func (a *archive) toolchain(ctx context.Context) error {
	said, err := goCommand(ctx, nil, "env", "GOROOT", "GOTOOLDIR")
	if err != nil {
		return err
	}
	root, tools, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
	inside, err := filepath.Rel(root, tools)
	if err != nil {
		return err
	}
	for _, name := range []string{"bin/go", "VERSION", "go.env"} {
		if err := a.file("go/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		dir  string
		want func(string, fs.DirEntry) bool
	}{
		{filepath.ToSlash(inside), isTool},
		{"pkg/include", everything},
		{"src", isLibrary},
	} {
		if err := a.tree(path.Join("go", part.dir), filepath.Join(root, part.dir), part.want); err != nil {
			return err
		}
	}
	return nil
}

// isTool takes what a build runs.
func isTool(rel string, _ fs.DirEntry) bool {
	return slices.Contains([]string{"asm", "compile", "link"}, rel)
}

// isLibrary leaves away tests, and the sources of the tools.
func isLibrary(rel string, e fs.DirEntry) bool {
	return e.Name() != "testdata" && rel != "cmd" && !strings.HasSuffix(rel, "_test.go")
}

// libraries adds modules, unpacked as the go command keeps them and with their
// sums, so that nothing has to be fetched where submissions are built.
func (a *archive) libraries(ctx context.Context, modules []string) error {
	if len(modules) == 0 {
		return nil
	}
	cache, err := os.MkdirTemp("", "autograder-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	env := []string{"GOMODCACHE=" + cache, "GOFLAGS=-modcacherw"}
	said, err := goCommand(ctx, env, append([]string{"mod", "download", "-json"}, modules...)...)
	if err != nil {
		return err
	}
	for decoder := json.NewDecoder(bytes.NewReader(said)); decoder.More(); {
		var m struct{ Path, Error string }
		if err := decoder.Decode(&m); err != nil {
			return err
		}
		if m.Error != "" {
			return fmt.Errorf("%s: %s", m.Path, m.Error)
		}
	}
	return a.tree("modules", cache, isModule)
}

// isModule leaves away what a build does not read: archives and what the go
// command remembers of a version control system.
func isModule(rel string, _ fs.DirEntry) bool {
	return !strings.HasSuffix(rel, ".zip") && rel != "cache/vcs" && rel != "cache/lock"
}

// goCommand runs the go command of the module that we are built from.
func goCommand(ctx context.Context, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args[:2], " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out, nil
}
