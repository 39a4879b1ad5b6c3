package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"moulinette/grader/mutate"
	"moulinette/grader/mutate/verify"
)

// narrow leaves in o what was touched since a revision.
func narrow(ctx context.Context, o *verify.Options, revision string) error {
	changed, err := changedSince(ctx, revision)
	if err != nil {
		return usage("--since %s: %w", revision, err)
	}
	ids, all := verify.Touched(o, changed)
	if !all {
		o.Only = append(o.Only, ids...)
		o.Only = append(o.Only, mutate.Reference) // even if nothing was touched
	}
	return nil
}

// changedSince asks git for the files that differ from a revision, untracked
// ones too, named from the current folder.
func changedSince(ctx context.Context, revision string) (files []string, err error) {
	top, err := git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	root := strings.TrimRight(top, "\n")
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, question := range [][]string{
		{"diff", "--name-only", "-z", "--no-renames", "--end-of-options", revision, "--"},
		{"ls-files", "--others", "--exclude-standard", "-z", "--full-name", ":/"},
	} {
		answer, err := git(ctx, question...)
		if err != nil {
			return nil, err
		}
		for name := range strings.SplitSeq(strings.TrimRight(answer, "\x00"), "\x00") {
			if rel, err := filepath.Rel(here, filepath.Join(root, name)); err == nil && name != "" {
				files = append(files, filepath.ToSlash(rel))
			}
		}
	}
	return files, nil
}

func git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}
