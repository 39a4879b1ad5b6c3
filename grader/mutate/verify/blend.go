package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"moulinette/grader/build"
	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

// blend is, as one solution, a reference and all that can stand in it with it.
type blend struct {
	noted
	base     *Solution // the reference
	schemata schemata
	members  []*Solution
}

// schemata make the text of a blend: [mutate.Schemata] and [mutate.SchemataC17].
type schemata interface {
	Add(id string, files submission.Files) bool
	Drop(id string)
	Apart(ids ...string) bool
	Owner(file string) string
	Place(id string, p mutate.Piece) (mutate.Piece, bool)
	Files() submission.Files
}

// newBlend begins with the reference alone.
func newBlend(reference *Solution) *blend {
	b := &blend{base: reference}
	if reference.language == submission.C17 {
		b.schemata = mutate.NewSchemataC17(reference.files)
	} else {
		b.schemata = mutate.NewSchemata(reference.files)
	}
	b.copy = &Solution{ID: reference.ID + "_blended", Kind: Reference, File: reference.File, of: reference.of}
	b.place = b.schemata.Place
	return b
}

// add takes a solution in, if it is the reference but for what is inside
// functions.
func (b *blend) add(s *Solution) bool {
	if b == nil || !s.edits() || !b.schemata.Add(s.ID, s.files) {
		return false
	}
	b.members = append(b.members, s)
	return true
}

// linkBlend compiles a blend, together with what stands alone in its language. A
// member that does not compile stands alone then, where the compiler's words are
// about its own text; if there is no telling which it is, all do.
func (v *verification) linkBlend(ctx context.Context, b *blend, all, alone []*Solution) error {
	for b != nil && len(b.members) > 0 && b.open() == nil { // else of a reference that does not parse
		broken, err := v.compileBlend(ctx, b, all, alone)
		dropped := b.wanting(err)
		switch {
		case err != nil && len(dropped) == 0:
			return err
		case err == nil && broken == nil:
			return nil
		case err == nil:
			dropped = b.drop(broken)
		}
		if len(dropped) == 0 {
			break
		}
		alone = append(alone, dropped...)
	}
	if b != nil {
		alone = append(alone, b.members...)
		delete(v.blends, b.base.language)
	}
	return v.compile(ctx, all, alone)
}

// compileBlend makes one try. It answers what the compiler has against the blend,
// or gives all of it, and who stands alone, their drivers.
func (v *verification) compileBlend(ctx context.Context, b *blend, all, alone []*Solution) (broken *submission.BuildError, err error) {
	if b.base.language == submission.C17 {
		driver, err := v.Builder.Build(ctx, b.copy.submitted)
		if errors.As(err, &broken) {
			return broken, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", b.copy.ID, err)
		}
		if err := v.compile(ctx, all, alone); err != nil {
			return nil, err
		}
		return nil, v.blendLinked(ctx, b, driver.Path)
	}
	group := append(reopened(alone), b.copy.submitted)
	variants, err := v.Builder.BuildVariants(ctx, group)
	if err != nil {
		return nil, err
	}
	if broken := variants.Broken[b.copy.ID]; broken != nil {
		return broken, nil
	}
	v.linked(all, group, variants)
	return nil, v.blendLinked(ctx, b, variants.Driver.Path)
}

// blendLinked gives the members their driver.
func (v *verification) blendLinked(ctx context.Context, b *blend, driver string) (err error) {
	if b.copy.key, err = v.Builder.Key(ctx, b.copy.submitted); err != nil {
		return err
	}
	for _, s := range b.members {
		s.driver, s.variant = driver, b.copy.ID+mutate.Choice(s.ID)
	}
	b.copy.driver, b.copy.variant = driver, b.copy.ID+mutate.Choice()
	if v.Matrix != All {
		v.sights[b.base] = &sight{&b.noted, map[string]*notes{}}
	}
	return nil
}

// open makes the text, which notes what is executed, and its submission.
func (b *blend) open() (err error) {
	note := mutate.Instrument
	if b.base.language == submission.C17 {
		note = mutate.InstrumentC
	}
	if b.copy.files, b.cover, err = note(b.schemata.Files()); err != nil {
		return err
	}
	return b.copy.open()
}

// drop leaves out the members that the compiler complains of.
func (b *blend) drop(broken *submission.BuildError) (dropped []*Solution) {
	for _, f := range broken.Findings {
		id := b.schemata.Owner(path.Base(f.File))
		dropped = append(dropped, b.leave(func(s *Solution) bool { return s.ID == id })...)
	}
	return dropped
}

// wanting leaves out the members that include a header that is not on this host, if
// an error says so: the others can do without.
func (b *blend) wanting(err error) []*Solution {
	var missing *build.Missing
	if !errors.As(err, &missing) {
		return nil
	}
	include := regexp.MustCompile(`(?m)^\s*#\s*include\s*<` + regexp.QuoteMeta(missing.Header) + `>`)
	includes := func(s *Solution) bool {
		return slices.ContainsFunc(slices.Collect(maps.Values(s.files)), include.Match)
	}
	if includes(b.base) {
		return nil
	}
	return b.leave(includes)
}

// leave takes members out again.
func (b *blend) leave(which func(*Solution) bool) (left []*Solution) {
	left = those(b.members, which)
	b.members = slices.DeleteFunc(b.members, which)
	for _, s := range left {
		b.schemata.Drop(s.ID)
	}
	return left
}
