// Package mutate holds known wrong solutions: what one is, how its YAML is read
// and checked, and how its edits make it of the reference. It builds and runs
// nothing; package verify does.
//
// # A mutant
//
// One file below mutants/, in any folder, named after its id:
//
//	id: pid_wrong_flag                # unique, the file's name without .yaml
//	origin: mutant A                  # or a list; see [Origins]
//	class: logic                      # see [Classes]
//	title:   {fr: "…", en: "…"}       # the fault in one line
//	thought: {fr: "…", en: "…"}       # what its author thought
//	wrong:   {fr: "…", en: "…"}       # why that is not so
//	edits:
//	  - file: pid.go                  # of the reference
//	    from: unix.CLONE_NEWPID       # exact text that occurs once in the file …
//	    to: unix.CLONE_NEWNS          # … and what stands there instead
//	fails:                            # by exercise: these rows fail, and no other
//	  truman_container: [pid_isolation, pid_visibility]
//	  ex02: [pid]
//	kills: [pid.child_is_init]        # scenarios that must be among those that fail; best one of each row
//	norm: [memory]                    # rules of the norm that it breaks, exactly; none if left out
//
// Edits are made in their order, each on what the one before has left. A text
// that occurs more than once takes nth: 2 (counted from 1), or all: true. Blanks
// count, tabs too; a block (from: |) ends with a line break. An edit without
// from makes a new file of to; one with func: NAME in from's place replaces that
// whole function or method, its comment included (to: "" removes it). Imports
// take care of themselves: one that is no longer used goes, and one of the
// standard library, or of those that submissions may import, comes.
//
// A mutant in C edits c17/linux_namespaces.c, or the header beside it. One that
// makes the mistake of another in Go says so, and takes from it what it leaves
// out; the rows always:
//
//	id: c_pid_wrong_flag
//	same_as: pid_wrong_flag
//	edits:
//	  - file: c17/linux_namespaces.c
//	    from: spawn(child_fn, CLONE_NEWPID, arg)
//	    to: spawn(child_fn, CLONE_NEWNS, arg)
//
// Rows of the bonus are named like others. A row that is not judged because one
// that it requires fails is not named: it costs no second penalty. An exercise
// that is not named loses nothing. A mutant whose rows all stand is one that
// breaks the norm alone.
//
// # An accepted alternative
//
// A right solution of another design: one file in reference/alternatives/, with
// id, title, thought, edits, and, if it leaves the bonus out, bonus: none; or a
// folder there that holds a whole package. It must earn everything.
package mutate

import (
	"moulinette/grader/spec"
	"moulinette/grader/spec/tree"
)

// Mutant is a known wrong solution. It is not changed after it was loaded.
type Mutant struct {
	ID      string              `yaml:"id" doc:"unique; the file's name without .yaml"`
	Origin  Words               `yaml:"origin" doc:"where it comes from; one or a list"`
	Class   string              `yaml:"class" doc:"class of fault"`
	Title   spec.Text           `yaml:"title" doc:"the fault in one line"`
	Thought spec.Text           `yaml:"thought" doc:"what its author thought"`
	Wrong   spec.Text           `yaml:"wrong" doc:"why that is not so"`
	Edits   []Edit              `yaml:"edits" doc:"what it is made of, in order"`
	Fails   map[string][]string `yaml:"fails" doc:"by exercise: the rows that fail, and no other"`
	Kills   []string            `yaml:"kills" doc:"scenarios that must be among those that fail"`
	Norm    []string            `yaml:"norm" doc:"rules of the norm that it breaks, exactly"`
	SameAs  string              `yaml:"same_as" doc:"the mutant that makes the same mistake in another language"`

	File string `yaml:"-"` // where it was loaded from
	at   tree.Pos
}

// Edit replaces a piece of text in one file of the reference.
type Edit struct {
	File string `yaml:"file" doc:"file of the reference"`
	From string `yaml:"from" doc:"exact text; left out: to is a new file"`
	Func string `yaml:"func" doc:"in from's place: a function or method, whole, with its comment"`
	To   string `yaml:"to" doc:"what stands there instead"`
	Nth  int    `yaml:"nth" doc:"which occurrence, from 1 on, if there are several"`
	All  bool   `yaml:"all" doc:"every occurrence"`

	at tree.Pos // of from
}

// Alternative is a right solution of another design.
type Alternative struct {
	ID      string    `yaml:"id" doc:"unique; the file's or the folder's name"`
	Title   spec.Text `yaml:"title" doc:"the design in one line"`
	Thought spec.Text `yaml:"thought" doc:"why it is right too"`
	Edits   []Edit    `yaml:"edits" doc:"what it is made of, in order"`
	Bonus   string    `yaml:"bonus" doc:"none: it leaves the bonus out"`

	File string `yaml:"-"` // its file, or its folder
	Dir  bool   `yaml:"-"` // it is a whole package
}

// Classes tells what each class of fault is.
func Classes() map[string]string {
	return map[string]string{
		"boundary":    "a limit is met wrongly: one too many, zero, empty, the longest",
		"isolation":   "something outside stays visible or reachable, or something inside leaks out",
		"leak":        "something stays behind: a descriptor, a zombie, a mount, a file",
		"logic":       "another thing is done than the one that was asked for",
		"order":       "the right steps in the wrong order",
		"privilege":   "more rights are kept than needed, or rights are given up too early",
		"race":        "it works only if the others happen to be fast, or slow",
		"resource":    "memory, processes or time are used without bound",
		"return":      "the caller is told something untrue, or nothing",
		"safety":      "it touches what is not its own: somebody else's child, a freed stack, a closed descriptor",
		"undo":        "what was half done when a step failed is left as it is",
		"validation":  "an argument that makes no sense is taken",
		"portability": "it works on one machine, kernel or architecture only",
	}
}

// Origins lists where mutants come from. All but "ours" are the seed list of the
// exercises, and have to be covered.
func Origins() []string {
	return []string{
		"mutant A", "mutant B", "mutant C", "mutant D", "mutant E",
		"refused 1", "refused 2", "refused 3", "refused bonus",
		"pitfall 1", "pitfall 2", "pitfall 3", "pitfall 4", "pitfall 5", "pitfall 6", "pitfall 7",
		"ours",
	}
}
