package main

import (
	"bytes"
	"context"
	"fmt"
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
// ones too, named from the current folder, and from the root of the file system, as
// flags may name them. The current folder is the top one: the exercises, and what
// grades, are told by their names from there.
func changedSince(ctx context.Context, revision string) (files []string, err error) {
	answer, err := git(ctx, "rev-parse", "--show-toplevel", "--show-prefix")
	if err != nil {
		return nil, err
	}
	top, below, _ := strings.Cut(answer, "\n")
	if below = strings.TrimSuffix(below, "\n"); below != "" {
		return nil, fmt.Errorf("this is the folder %s of a repository; start it in %s, with flags that name folders from there", below, top)
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
			if name != "" {
				files = append(files, name, filepath.ToSlash(filepath.Join(top, name)))
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
