package verify

import (
	"context"
	"path"
	"slices"

	"moulinette/grader/mutate"
	"moulinette/grader/submission"
)

// blendID is the name of the package that is the reference in Go and all that
// can stand in it with it.
const blendID = "reference_blended"

// blend is that package as a solution.
type blend struct {
	noted
	schemata *mutate.Schemata
	members  []*Solution
}

func (v *verification) blend() *blend {
	if !slices.ContainsFunc(v.families(), func(f family) bool { return f.language == submission.Go }) {
		return nil
	}
	b := &blend{schemata: mutate.NewSchemata(v.Reference.Submission.Files)}
	b.copy = &Solution{ID: blendID, Kind: Reference, File: v.Reference.Name, of: v.Reference.Submission.ImportPath}
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

// linkBlend compiles the blend together with what stands alone. A member that
// does not compile stands alone then, where the compiler's words are about its
// own text; if there is no telling which it is, all do.
func (v *verification) linkBlend(ctx context.Context, all []*Solution, alone []*submission.Submission) error {
	for b := v.blended; b != nil && len(b.members) > 0; {
		if b.open() != nil { // of a reference that does not parse
			break
		}
		group := append(slices.Clone(alone), b.copy.submitted)
		variants, err := v.Builder.BuildVariants(ctx, group)
		if err != nil {
			return err
		}
		broken := variants.Broken[blendID]
		if broken == nil {
			if b.copy.key, err = v.Builder.Key(ctx, b.copy.submitted); err != nil {
				return err
			}
			v.linked(all, group, variants)
			b.linked(variants.Driver.Path)
			v.sights[all[0]] = &sight{&b.noted, map[string]*notes{}}
			return nil
		}
		dropped := b.drop(broken)
		if len(dropped) == 0 {
			break
		}
		for _, s := range dropped {
			alone = append(alone, s.reopened())
		}
	}
	if v.blended != nil {
		for _, s := range v.blended.members {
			alone = append(alone, s.reopened())
		}
		v.blended = nil
	}
	return v.link(ctx, all, alone)
}

// linked gives the members their driver.
func (b *blend) linked(driver string) {
	for _, s := range b.members {
		s.driver, s.variant = driver, blendID+mutate.Choice(s.ID)
	}
	b.copy.driver, b.copy.variant = driver, blendID+mutate.Choice()
}

// open makes the package and its submission.
func (b *blend) open() (err error) {
	if b.copy.files, b.cover, err = mutate.Instrument(b.schemata.Files()); err != nil {
		return err
	}
	return b.copy.open()
}

// drop leaves out the members that the compiler complains of.
func (b *blend) drop(broken *submission.BuildError) (dropped []*Solution) {
	for _, f := range broken.Findings {
		id := b.schemata.Owner(path.Base(f.File))
		at := slices.IndexFunc(b.members, func(s *Solution) bool { return s.ID == id })
		if at < 0 {
			continue
		}
		dropped = append(dropped, b.members[at])
		b.members = slices.Delete(b.members, at, at+1)
		b.schemata.Drop(id)
	}
	return dropped
}

// has tells whether a solution stands in the blend.
func (b *blend) has(s *Solution) bool { return b != nil && slices.Contains(b.members, s) }
