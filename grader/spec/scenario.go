package spec

import (
	"errors"
	"slices"

	"gopkg.in/yaml.v3"

	"moulinette/grader/scenario"
	"moulinette/grader/spec/expect"
	"moulinette/grader/spec/tree"
)

// Scenario is one run in one sandbox, and what is expected of it.
type Scenario struct {
	ID       string
	Title    Text
	Concepts []string
	Needs    []string // features of the host without which it is not judged, see [Features]
	Root     string   // real: see [Scenario.Extra]
	Expect   []Expectation
	Keep     string // why it stays although other scenarios find the same faults
	File     string // where it was loaded from

	at    tree.Pos
	body  body
	given []given
	vague bool // given values are wrong, so what refers to them cannot be checked
	scope *expect.Scope
}

// Expectation is an expression that must be true of the record, and what a
// student is told if it is not.
type Expectation struct {
	That   string   `yaml:"that" doc:"an expression over claims and evidence"`
	Hint   Text     `yaml:"hint" doc:"what to look at, without giving the answer away"`
	Lesson Text     `yaml:"lesson" doc:"why the kernel behaves so"`
	Read   []string `yaml:"read" doc:"manual pages"`
	Rule   string   `yaml:"rule" doc:"the rule of the norm that it speaks for, where a scenario is checked for several"`
	Go     Words    `yaml:"go" doc:"what a submission in Go is told instead, where the other words are about C"`

	expr *expect.Expr
}

// Words are what one language is told in the place of an expectation's own; what is
// left out stays.
type Words struct {
	Hint   Text     `yaml:"hint"`
	Lesson Text     `yaml:"lesson"`
	Read   []string `yaml:"read" doc:"manual pages"`
}

// body is a scenario as its file has it. What may refer to given values stays a
// node until they are known.
type body struct {
	ID       string                      `yaml:"id"`
	Title    Text                        `yaml:"title"`
	Concepts []string                    `yaml:"concepts" doc:"ids of concepts that it exercises"`
	Needs    []string                    `yaml:"needs" doc:"features of the host without which it is not judged; without other_abi it is left out of its row"`
	Root     rootKind                    `yaml:"root" doc:"real: wants a real root, which only the tiers vm and privileged offer; elsewhere it is left out of its row"`
	Given    givenNode                   `yaml:"given" doc:"values that other fields refer to as ${name}, expressions as given.name"`
	World    template[scenario.World]    `yaml:"world" doc:"what the box holds before the first step"`
	Faults   template[[]scenario.Fault]  `yaml:"faults" doc:"what fails or is held"`
	Watch    template[[]string]          `yaml:"watch" doc:"paths looked at in every snapshot"`
	Limits   template[scenario.Limits]   `yaml:"limits"`
	Steps    template[[]stepDescription] `yaml:"steps"`
	Expect   []Expectation               `yaml:"expect"`
	Keep     string                      `yaml:"keep" doc:"why it stays although other scenarios find the same faults"`
}

// rootKind is [scenario.RealRoot], or nothing.
type rootKind string

// Schema knows the one word.
func (*rootKind) Schema(*tree.Schemer) tree.Object { return tree.Enum([]string{scenario.RealRoot}) }

// template is a node whose texts may refer to given values.
type template[T any] struct{ node *yaml.Node }

// UnmarshalTree keeps the node.
func (t *template[T]) UnmarshalTree(_ *tree.Decoder, n *yaml.Node) { t.node = n }

// Features lists what a scenario may need of a host, and what each is.
func Features() map[string]Text {
	return map[string]Text{
		"id_range":     {"plusieurs identifiants d'utilisateur dans le bac à sable", "several user ids inside the sandbox"},
		"devices":      {"la création de périphériques (mknod)", "making device nodes (mknod)"},
		"proc_remount": {"le montage d'un /proc après le détachement de l'ancienne racine", "mounting a proc after the old root is detached"},
		"faults":       {"l'injection de fautes (notification seccomp)", "injecting faults (seccomp notification)"},
		"ip_command":   {"la commande ip (paquet iproute2)", "the command ip (package iproute2)"},
		"memory_limit": {"une limite de mémoire (cgroup)", "a limit on memory (cgroup)"},
		otherABI:       {"un appel système d'une autre architecture (int 0x80)", "a system call of another architecture (int 0x80)"},
		realRoot:       {"un vrai root, hors de tout espace de noms utilisateur", "a real root, outside any user namespace"},
	}
}

// UnmarshalTree reads a scenario from its node.
func (s *Scenario) UnmarshalTree(d *tree.Decoder, n *yaml.Node) {
	d.DecodePart(n, &s.body, "a scenario")
	s.at, s.File = tree.Pos{Line: n.Line, Column: n.Column}, d.File
	before := len(d.Problems)
	s.given = s.body.Given.read(d)
	s.vague = len(d.Problems) > before
	s.ID, s.Title, s.Concepts = s.body.ID, s.body.Title, s.body.Concepts
	s.Needs, s.Expect, s.Keep, s.Root = s.body.Needs, s.body.Expect, s.body.Keep, string(s.body.Root)
	if s.Root == scenario.RealRoot {
		s.Needs = slices.Concat([]string{realRoot}, s.Needs)
	}
}

// Extra tells whether it says more about its row where the host offers what few
// do, and is left out where it does not: the row is then judged by its other
// scenarios. So it can take points, and alone it gives none.
func (s *Scenario) Extra() bool {
	return slices.Contains(s.Needs, realRoot) || slices.Contains(s.Needs, otherABI)
}

// Features that make a scenario one more.
const (
	realRoot = "real_root"
	otherABI = "other_abi"
)

// Line is where it begins in its file.
func (s *Scenario) Line() int { return s.at.Line }

// Judge evaluates expectation i on an environment made by [Scenario.Env]. got
// shows the values that made it false; the error is about the expression itself.
func (s *Scenario) Judge(i int, env any) (ok bool, got string, err error) {
	e := s.Expect[i].expr
	if e == nil {
		return false, "", errors.New("an expression was never checked")
	}
	ok, err = e.Eval(env)
	if err != nil { // whatever is not there to be looked at is missing from the record, or else:
		err = e.Broken(env)
	}
	if !ok {
		got = e.Got(env)
	}
	return ok, got, err
}
