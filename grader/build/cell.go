package build

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"moulinette/grader/build/cell"
	"moulinette/grader/build/jail"
	"moulinette/grader/submission"
)

// Boxed tells, after a Build, what a compiler of this language is kept in:
// "namespaces", "landlock", or "nothing".
func (b *Builder) Boxed(l submission.Language) string {
	kind := b.toolchain.cell.Kind
	if l == submission.C17 {
		kind = b.cTool.cell.Kind
	}
	if kind == "" {
		return "nothing"
	}
	return string(kind)
}

// Look finds out what a compiler of Go would be kept in here, for [Builder.Boxed].
func (b *Builder) Look(ctx context.Context) error {
	b.once.Do(func() { b.toolErr = b.prepare(ctx) })
	return b.toolErr
}

// findCell looks for the best cell in which a harmless command comes to its end.
func (b *Builder) findCell(ctx context.Context, args, shown []string) (cell.Cell, error) {
	if b.Jail == "" {
		return cell.Cell{}, nil
	}
	if err := b.place(); err != nil {
		return cell.Cell{}, err
	}
	dir, remove, err := b.cache.Temp()
	if err != nil {
		return cell.Cell{}, err
	}
	defer remove()
	if err := noTelemetry(dir); err != nil {
		return cell.Cell{}, fmt.Errorf("cache: %w", err)
	}
	seen := append([]jail.Folder{{Host: dir, Write: true}}, folders(shown)...)
	env := []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "GOTOOLCHAIN=local", "LC_ALL=C"}
	for _, kind := range jail.Kinds() {
		c := cell.Cell{Self: b.Jail, Kind: kind, Hide: b.Hide}
		if err := c.Run(ctx, dir, jail.Plan{Dir: dir, Args: args, Env: env, Folders: seen}, &bytes.Buffer{}); err == nil {
			return c, nil
		}
	}
	return cell.Cell{}, ctx.Err()
}

// folders are those that are there, to be read.
func folders(shown []string) (all []jail.Folder) {
	for _, s := range shown {
		if _, err := os.Stat(s); err == nil {
			all = append(all, jail.Folder{Host: s})
		}
	}
	return all
}
