package battery

import (
	"context"
	"fmt"
	"path/filepath"

	"moulinette/grader/build"
	"moulinette/grader/submission"
)

// Honest is the variant that is the reference, in the drivers of [Built].
const Honest = "honest"

// Built are the drivers of programs.
type Built struct {
	drivers     map[string]string // by program
	Submissions map[string]*submission.Submission
}

// Build compiles programs: those in Go that can share a driver together with the
// reference, the others each in their own.
func Build(ctx context.Context, b *build.Builder, root string, programs []*Program) (*Built, error) {
	reference, err := submission.Open(filepath.Join(root, "reference"))
	if err != nil {
		return nil, err
	}
	referenceC, err := submission.Open(filepath.Join(root, "reference", "c17"))
	if err != nil {
		return nil, err
	}
	honest, err := submission.FromFiles(importPath(Honest), reference.Files)
	if err != nil {
		return nil, err
	}
	built := &Built{drivers: map[string]string{}, Submissions: map[string]*submission.Submission{}}
	together := []*submission.Submission{honest}
	for _, p := range programs {
		files, err := p.staged(reference.Files, referenceC.Files)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		s, err := submission.FromFiles(importPath(p.Name), files)
		built.Submissions[p.Name] = s
		switch {
		case err != nil:
		case p.C():
			err = built.alone(ctx, b, s)
		case p.Early:
			err = built.link(ctx, b, []*submission.Submission{s})
		default:
			together = append(together, s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return built, built.link(ctx, b, together)
}

func importPath(name string) string { return submission.Module + "/battery/" + name }

func (d *Built) alone(ctx context.Context, b *build.Builder, s *submission.Submission) error {
	driver, err := b.Build(ctx, s)
	if err == nil {
		d.drivers[s.Name] = driver.Path
	}
	return err
}

func (d *Built) link(ctx context.Context, b *build.Builder, group []*submission.Submission) error {
	v, err := b.BuildVariants(ctx, group)
	if err != nil {
		return err
	}
	for _, s := range group {
		if broken := v.Broken[s.Name]; broken != nil {
			return fmt.Errorf("%s: %w", s.Name, broken)
		}
		d.drivers[s.Name] = v.Driver.Path
	}
	return nil
}
