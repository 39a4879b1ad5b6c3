package grader

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"moulinette/grader/build"
	"moulinette/grader/evidence"
	"moulinette/grader/judge"
	"moulinette/grader/lack"
	"moulinette/grader/run"
	"moulinette/grader/spec"
	"moulinette/grader/submission"
	"moulinette/grader/submission/norm"
)

// KeptVersion is the version of the format of a kept grading.
const KeptVersion = 1

// Kept is a grading before it is judged: facts only. Kept as JSON, it can be
// judged again on any machine, without root and without the submission.
type Kept struct {
	Version  int           `json:"version"`
	Exercise string        `json:"exercise"` // name of the spec
	Grading  judge.Grading `json:"grading"`
	Notices  []spec.Text   `json:"notices,omitempty"`
}

// Judge judges the grading by an exercise, which should be the one it was run
// for.
func (k *Kept) Judge(ex *spec.Exercise) *judge.Sheet {
	sheet := judge.Exercise(ex, k.Grading)
	sheet.Notices = append(sheet.Notices, k.Notices...)
	sheet.Speak()
	return &sheet
}

func newKept(o Options) *Kept {
	host := o.Opener.Host()
	return &Kept{
		Version: KeptVersion, Exercise: o.Exercise.Name,
		Grading: judge.Grading{
			Submission: o.Submission, Language: string(submission.Go), Seed: o.Seed, Isolation: host.Tier, Only: o.Only,
			Records: map[string]*evidence.Record{}, Harness: map[string]string{}, HarnessFR: map[string]string{},
			Environment: map[string]string{
				"kernel": host.Kernel, "isolation": host.Tier, "features": strings.Join(host.Features, ", "),
			},
		},
	}
}

// describe notes what the submission is.
func (k *Kept) describe(s *submission.Submission) {
	k.Grading.Language, k.Grading.Content = string(s.Language), s.Hash()
	for _, f := range s.Notices {
		k.Notices = append(k.Notices, placed(f))
	}
}

// boxed notes what the compiler was kept in, and says so if it should have been and was
// not.
func (k *Kept) boxed(b *build.Builder, l submission.Language) {
	k.Grading.Environment["build"] = b.Boxed(l)
	if b.Jail != "" && b.Boxed(l) == "nothing" {
		k.Notices = append(k.Notices, spec.Text{
			FR: "le compilateur n'a pu être enfermé : il a vu les fichiers de cette machine (voyez moulinette doctor)",
			EN: "the compiler could not be confined: it has seen this host's files (see moulinette doctor)",
		})
	}
}

// Findings are what a submission's text breaks of the norm.
func Findings(s *submission.Submission, n spec.Norm) []judge.Finding {
	return judged(norm.Of(s, n.ForbiddenFunctions, norm.Packages{Allowed: n.AllowedImports, Forbidden: n.ForbiddenImports}), n)
}

func judged(findings []submission.Finding, n spec.Norm) (found []judge.Finding) {
	for _, f := range findings {
		found = append(found, judge.Finding{
			Rule: f.Rule, Where: strings.TrimSuffix(f.String(), ": "+f.EN), Message: spec.Text{FR: f.FR, EN: f.EN},
			// A way round earns nothing by itself; what was executed is in the records.
			Blocking: n.Blocking && (f.Rule == "forbidden_program" || f.Rule == "forbidden_import"),
		})
	}
	return found
}

// imports are what the functions that a submission calls break of the norm. Those
// that are on no list are told; they cost nothing, for no list is complete.
func imports(s *submission.Submission, object string, n spec.Norm) (found []judge.Finding, err error) {
	if object == "" {
		return nil, nil
	}
	f := norm.Functions{Allowed: slices.Clone(n.AllowedFunctions), Forbidden: n.ForbiddenFunctions}
	for _, t := range n.ToleratedFunctions {
		f.Allowed = append(f.Allowed, t.Name)
	}
	if len(n.AllowedFunctions) == 0 {
		f.Allowed = nil
	}
	findings, err := norm.Imports(s, object, f)
	return judged(findings, n), err
}

// refused tells whether err is the submission's fault, and notes why: there is
// nothing to run then, but much to judge.
func (k *Kept) refused(err error) bool {
	var bad *submission.BuildError
	if !errors.As(err, &bad) {
		return false
	}
	b := &judge.Build{}
	var own, compiler []string
	for _, f := range bad.Findings {
		if f.FR == f.EN { // the compiler's own words, which are in no other language
			compiler = append(compiler, f.String())
			continue
		}
		text := placed(f)
		own = append(own, text.EN)
		b.Reason.FR = strings.TrimPrefix(b.Reason.FR+" ; "+text.FR, " ; ")
	}
	b.Reason.EN, b.Output = strings.Join(own, "; "), strings.Join(compiler, "\n")
	b.Reason.FR = cmp.Or(b.Reason.FR, "Le compilateur a refusé le rendu ; commencez par sa première erreur.")
	b.Reason.EN = cmp.Or(b.Reason.EN, "The compiler refused the submission; begin with its first error.")
	k.Grading.Build = b
	return true
}

// placed is a finding's sentence with its place in the submission.
func placed(f submission.Finding) spec.Text {
	en := f.String()
	where := strings.TrimSuffix(en, f.EN)
	return spec.Text{FR: where + f.FR, EN: en}
}

// add notes what came of the jobs.
func (k *Kept) add(jobs []run.Job, given []map[string]any, results []run.Result) {
	for i, r := range results {
		id := jobs[i].Scenario.ID
		if r.Err != nil {
			k.Grading.Harness[id] = strings.TrimPrefix(r.Err.Error(), "run "+id+": ")
			if fr := lack.In("fr", r.Err); fr != r.Err.Error() {
				k.Grading.HarnessFR[id] = fr
			}
			continue
		}
		r.Record.Given = given[i]
		k.Grading.Records[id] = r.Record
	}
}

// lacking notes the scenarios that this host cannot show, and returns the
// others.
func (k *Kept) lacking(ids []string, ex *spec.Exercise, host evidence.Host) []string {
	return slices.DeleteFunc(ids, func(id string) bool {
		sc := ex.Scenarios[id]
		if sc == nil {
			k.Grading.Harness[id] = "the spec has no such scenario"
			return true
		}
		rec := Unavailable(sc, host, k.Grading.Seed)
		if rec != nil {
			k.Grading.Records[id] = rec
		}
		return rec != nil
	})
}

// Unavailable is the record of a scenario that needs what this host lacks; nil
// if it lacks nothing.
func Unavailable(sc *spec.Scenario, host evidence.Host, seed uint64) *evidence.Record {
	i := slices.IndexFunc(sc.Needs, func(need string) bool { return !slices.Contains(host.Features, need) })
	if i < 0 {
		return nil
	}
	return &evidence.Record{
		Version: evidence.Version, Scenario: sc.ID, Seed: seed, Host: host,
		End: evidence.End{
			Outcome: evidence.Unavailable, Missing: sc.Needs[i],
			Reason: fmt.Sprintf("this host has no %s", sc.Needs[i]),
		},
	}
}

// Check tells whether k can be judged.
func (k *Kept) Check() error {
	switch {
	case k.Version != KeptVersion:
		return fmt.Errorf("kept grading of version %d; this program reads %d", k.Version, KeptVersion)
	case k.Exercise == "":
		return errors.New("kept grading without an exercise")
	}
	return nil
}
