package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"moulinette/grader"
	"moulinette/grader/build"
	"moulinette/grader/build/words"
	"moulinette/grader/lack"
	"moulinette/grader/sandbox"
)

// place is where submissions are built and run.
type place struct {
	builder *build.Builder
	opener  sandbox.Opener
	close   func()
}

// place prepares a builder and a sandbox of the given isolation.
func (a *app) place(ctx context.Context, i isolation) (*place, error) {
	if home := a.env("HOME"); home != "" && !filepath.IsAbs(home) { // its caches would lie wherever one happens to be
		return nil, &failure{exitHarness, &lack.Error{
			EN: fmt.Sprintf("HOME is %q, which is no absolute path: set it to your home folder", home),
			FR: fmt.Sprintf("HOME vaut %q, qui n'est pas un chemin absolu : donnez-lui votre dossier personnel", home),
		}}
	}
	if told, cure := tooLow(); !told.IsZero() {
		return nil, fault("limits: %s (%s)", told.In(a.lang), cure.In(a.lang))
	}
	agent, err := a.agentPath()
	if err != nil {
		return nil, err
	}
	cache, remove, err := cacheDir()
	if err != nil {
		return nil, err
	}
	opener, err := i.opener(ctx, agent, cache)
	if err != nil {
		remove()
		return nil, err
	}
	return &place{
		builder: &build.Builder{Cache: cache, Sources: grader.Sources(), CC: a.env("CC"), Jail: agent, Hide: private()},
		opener:  opener, close: remove,
	}, nil
}

// private lists folders that a submission, and what compiles it, must not see, should they lie below a
// system folder that it does see: the repository and the user's home.
func private() []string {
	var dirs []string
	for _, find := range []func() (string, error){os.Getwd, os.UserHomeDir} {
		if dir, err := find(); err == nil && dir != "/" && dir != "/usr" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// agentPath finds the agent: it is built beside this program.
func (a *app) agentPath() (string, error) {
	path := a.agent
	if path == "" {
		own, err := os.Executable()
		if err != nil {
			return "", fault("agent: %w", err)
		}
		path = filepath.Join(filepath.Dir(own), "moulinette-agent")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fault("agent: %w", err)
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", &failure{exitHarness, &lack.Error{
			EN: fmt.Sprintf("agent: %s is no program; `make build` makes both", path),
			FR: fmt.Sprintf("agent : %s n'est pas un programme ; `make build` fait les deux", path),
		}}
	}
	return path, nil
}

// cacheDir is where built drivers are kept: the user's cache, or a folder for
// this run only where the user has none, or none to write in.
func cacheDir() (dir string, remove func(), err error) {
	if base, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(base, "moulinette")
		if os.MkdirAll(dir, 0o700) == nil && unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
			return dir, func() {}, nil
		}
	}
	dir, err = os.MkdirTemp("", "moulinette-")
	if err != nil {
		return "", nil, &failure{exitHarness, words.NoPlace(fmt.Errorf("cache: %w", err))}
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
