// Package battery runs programs that no grader should have to meet: cheats, which
// earn what they really do, and hostile ones, which harm nothing. They are data,
// one txtar file each, and are compiled and run like any submission: nothing of
// them is ever built or executed outside a box.
package battery

import (
	_ "embed" // for the stages
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
	"gopkg.in/yaml.v3"

	"moulinette/grader/evidence"
	"moulinette/grader/submission"
)

// Program is one submission of a battery, and what must come of it.
type Program struct {
	Name  string           `yaml:"-"` // the file's
	Tries string           `yaml:"tries"`
	Only  []string         `yaml:"only"` // rows and scenarios that it is graded by
	Files submission.Files `yaml:"-"`

	// Of what it is made. Honest: of the reference, whose New is called honest
	// (in C: whose functions are called honest_*).
	Honest bool `yaml:"honest"`
	Early  bool `yaml:"early"` // it acts before main, so it shares its driver with nobody

	// Of a cheat.
	Spec      string         `yaml:"spec"`      // the exercise; empty: truman_container
	Earns     map[string]int `yaml:"earns"`     // points by row; rows that are not named earn nothing
	Undecided []string       `yaml:"undecided"` // rows that an ordinary user's host may not be able to judge
	Blocks    string         `yaml:"blocks"`    // the rule of the norm that takes even what it earns
	Reason    string         `yaml:"reason"`    // a pattern: why, in the words of the report

	// Of a hostile program.
	Ends []evidence.Outcome `yaml:"ends"` // how its scenarios may end
	Says string             `yaml:"says"` // a pattern: what came of its attempt, in its own words
	As   map[User]string    `yaml:"as"`   // the same as one of these users, where it gets further; SECURITY.md says so
	Slow bool               `yaml:"slow"` // it takes its whole time limit
}

// SaysAs is the pattern of what it says when it is graded by a user.
func (p *Program) SaysAs(as User) string {
	if pattern, ok := p.As[as]; ok {
		return pattern
	}
	return p.Says
}

// Load reads all programs of a folder.
func Load(dir string) ([]*Program, error) {
	files, err := fs.Glob(os.DirFS(dir), "*.txtar")
	if err != nil {
		return nil, err
	}
	var all []*Program
	var errs []error
	for _, name := range files {
		p, err := read(filepath.Join(dir, name))
		all, errs = append(all, p), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func read(file string) (*Program, error) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	p := &Program{Name: strings.TrimSuffix(filepath.Base(file), ".txtar"), Files: submission.Files{}}
	head := yaml.NewDecoder(strings.NewReader(string(archive.Comment)))
	head.KnownFields(true)
	if err := head.Decode(p); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, f := range archive.Files {
		p.Files[f.Name] = f.Data
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// check refuses a program that does not say what it is, or that would act
// without having looked for its box first.
func (p *Program) check() error {
	for _, pattern := range append(slices.Collect(maps.Values(p.As)), p.Reason, p.Says) {
		if _, err := regexp.Compile(pattern); err != nil {
			return err
		}
	}
	switch {
	case p.Tries == "":
		return errors.New("tries nothing")
	case len(p.Files) == 0:
		return errors.New("no files")
	case !p.Early && slices.ContainsFunc(p.texts(), early.MatchString):
		return errors.New("acts before main, and is not early")
	case p.Early && !slices.ContainsFunc(p.texts(), guarded.MatchString):
		return errors.New("acts before main without a look for its box")
	}
	return nil
}

// What runs before main, and the same with our guard as its first statement.
var (
	early   = regexp.MustCompile(`func init\(\)|(?m:^var \w+ = \w+\()|__attribute__\(\(constructor`)
	guarded = regexp.MustCompile(`(?:func init\(\)|__attribute__\(\(constructor[^{]*)\s*\{\s*(?:inABox|in_a_box)\(\)`)
)

func (p *Program) texts() (texts []string) {
	for _, text := range p.Files {
		texts = append(texts, string(text))
	}
	return texts
}

// C tells whether the program is in C.
func (p *Program) C() bool {
	for name := range p.Files {
		if path.Ext(name) == ".c" {
			return true
		}
	}
	return false
}

// Stages are what every program stands on: the guard that looks for the box from
// inside, and for a hostile program the submission around its act.
var (
	//go:embed stage/guard.go.txt
	guardGo string
	//go:embed stage/actor.go.txt
	actorGo string
	//go:embed stage/guard.h
	guardC string
	//go:embed stage/actor.h
	actorC string
)

// staged are the program's files with what it stands on.
func (p *Program) staged(reference, referenceC submission.Files) (submission.Files, error) {
	files := submission.Files{}
	if p.C() {
		files["guard.h"], files["actor.h"] = []byte(guardC), []byte(actorC)
		if p.Honest {
			files["honest.h"] = honestC(referenceC)
			files["linux_namespaces.h"] = referenceC["linux_namespaces.h"]
		}
	} else {
		files["guard.go"] = []byte(guardGo)
		if p.acts() {
			files["actor.go"] = []byte(actorGo)
		}
		if p.Honest {
			for name, text := range reference {
				files[name] = []byte(packageClause.ReplaceAllString(string(text), "package student"))
			}
			if err := rename(files, "reference.go", "func New() contract.Runtime", "func honest() contract.Runtime"); err != nil {
				return nil, err
			}
		}
	}
	maps.Copy(files, p.Files)
	return files, nil
}

// acts tells whether the program is an act alone.
func (p *Program) acts() bool {
	return slices.ContainsFunc(p.texts(), func(text string) bool { return strings.Contains(text, "\nfunc act(") })
}

var packageClause = regexp.MustCompile(`(?m)^package reference$`)

func rename(files submission.Files, name, from, to string) error {
	text := string(files[name])
	if strings.Count(text, from) != 1 {
		return fmt.Errorf("%s: not once in it: %s", name, from)
	}
	files[name] = []byte(strings.Replace(text, from, to, 1))
	return nil
}

// definitions finds the functions that a C file exports.
var definitions = regexp.MustCompile(`(?m)^(?:int|void|bool|pid_t) \*?([a-z_0-9]+)\(`)

// honestC is the reference in C as a header, with its functions renamed. It is to
// be included first: it brings linux_namespaces.h along.
func honestC(reference submission.Files) []byte {
	var define, undefine strings.Builder
	known := map[string]bool{}
	for _, m := range definitions.FindAllSubmatch(reference["linux_namespaces.c"], -1) {
		if name := string(m[1]); !known[name] {
			known[name] = true
			fmt.Fprintf(&define, "#define %s honest_%s\n", name, name)
			fmt.Fprintf(&undefine, "#undef %s\n", name)
		}
	}
	return slices.Concat([]byte(define.String()), reference["linux_namespaces.c"], []byte(undefine.String()))
}
