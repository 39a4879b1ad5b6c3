// Package spec is what an exercise says: its card, its point table, its
// scenarios with their expectations. It loads and checks YAML, imports a
// spec.json, explains a spec to a reader, and makes of each scenario what the
// sandbox runs. It knows nothing of submissions, and touches no file but
// through an fs.FS.
package spec

import "moulinette/grader/spec/tree"

// Problem is one thing wrong in a spec, Problems everything, as an error.
type (
	Problem  = tree.Problem
	Problems = tree.Problems
)

// Exercise is a loaded spec. It is not changed afterwards.
type Exercise struct {
	Name           string         `yaml:"name" doc:"identifier of the exercise"`
	Title          Text           `yaml:"title" doc:"title shown to students"`
	Draft          bool           `yaml:"draft" doc:"an unfinished spec: needs no rows, concepts, titles or quiz, and grades nobody"`
	Language       string         `yaml:"language" doc:"language of the original exercise"`
	Type           string         `yaml:"type" doc:"kind of answer, as code"`
	Tier           int            `yaml:"tier"`
	TierInfo       string         `yaml:"tier_info"`
	Tags           []string       `yaml:"tags"`
	PassingScore   int            `yaml:"passing_score" doc:"points needed to pass, 1 to 100"`
	Function       Function       `yaml:"function" doc:"the function that gives the exercise its name"`
	Driver         Driver         `yaml:"driver" doc:"reference, edge cases and fuzzing, as in spec.json"`
	Norm           Norm           `yaml:"norm" doc:"what a submission may use, and what it must not do"`
	RequiresRoot   bool           `yaml:"requires_root"`
	KernelFeatures []string       `yaml:"kernel_features"`
	KernelMin      string         `yaml:"kernel_min" doc:"oldest kernel, as \"4.6\""`
	Pack           Pack           `yaml:"pack" doc:"the deployment pack"`
	Concepts       []Concept      `yaml:"concepts" doc:"what the exercise teaches; each is exercised by a scenario"`
	Rows           []Row          `yaml:"rows" doc:"the point table; the points sum to 100"`
	Bonus          []Row          `yaml:"bonus" doc:"rows earned apart"`
	Quiz           []Question     `yaml:"quiz"`
	Use            []string       `yaml:"use" doc:"files with shared scenarios, relative to this one"`
	Inline         []*Scenario    `yaml:"scenarios" doc:"scenarios of this exercise alone"`
	Extra          map[string]any `yaml:"extra" doc:"what an imported spec.json held that has no field here"`

	// Scenarios are those that the rows, the bonus and the norm use, by id.
	Scenarios map[string]*Scenario `yaml:"-"`
	// File is where the spec was loaded from.
	File string `yaml:"-"`
}

// Function describes the C function that gives an exercise its name.
type Function struct {
	Name                string      `yaml:"name"`
	Prototype           string      `yaml:"prototype"`
	ReturnType          string      `yaml:"return_type"`
	Parameters          []Parameter `yaml:"parameters"`
	AdditionalFunctions []string    `yaml:"additional_functions"`
}

// Parameter is one parameter of a function.
type Parameter struct {
	Name string `yaml:"name"`
	Type string `yaml:"type"`
}

// Driver is the part of spec.json that tests one function.
type Driver struct {
	Reference string     `yaml:"reference" doc:"C source of a reference"`
	EdgeCases []EdgeCase `yaml:"edge_cases"`
	Fuzzing   struct {
		Enabled bool   `yaml:"enabled"`
		Reason  string `yaml:"reason"`
	} `yaml:"fuzzing"`
}

// EdgeCase is a call with an expected result.
type EdgeCase struct {
	Name            string `yaml:"name"`
	Args            []any  `yaml:"args"`
	Expected        any    `yaml:"expected"`
	IsTrap          bool   `yaml:"is_trap"`
	TrapExplanation string `yaml:"trap_explanation"`
}

// Norm is what a submission may use, and what it must not do.
type Norm struct {
	AllowedFunctions   []string    `yaml:"allowed_functions" doc:"C functions that the exercise is about"`
	ToleratedFunctions []Tolerated `yaml:"tolerated_functions" doc:"C functions that a solution cannot do without"`
	ForbiddenFunctions []string    `yaml:"forbidden_functions" doc:"names that must not be called, nor stand in strings"`
	ForbiddenPrograms  []string    `yaml:"forbidden_programs" doc:"programs that must not be executed: a name, and the first words that follow it"`
	AllowedImports     []string    `yaml:"allowed_imports" doc:"Go packages beside the standard library, the contract and one's own; any other is told, and costs nothing; /... at the end stands for all below, too"`
	ForbiddenImports   []string    `yaml:"forbidden_imports" doc:"Go packages that must not be imported; /... as there"`
	CheckSecurity      bool        `yaml:"check_security" doc:"run the checks of rules mounts and security"`
	CheckMemory        bool        `yaml:"check_memory" doc:"run the checks of rules memory, fds and zombies"`
	Blocking           bool        `yaml:"blocking" doc:"a finding sets the score to 0"`
	Checks             []NormCheck `yaml:"checks" doc:"scenarios whose failed expectations are findings"`
}

// Tolerated is a function that the exercise allows beside its own list, or a
// pattern for a family of them: str*.
type Tolerated struct {
	Name string `yaml:"name"`
	Why  Text   `yaml:"why"`
}

// NormCheck is a scenario whose failed expectations are findings of a rule.
type NormCheck struct {
	Rule     string `yaml:"rule" doc:"memory, fds, zombies, mounts or security"`
	Scenario string `yaml:"scenario"`
}

// Active tells whether the norm asks for checks of this rule.
func (n Norm) Active(rule string) bool {
	switch rule {
	case "memory", "fds", "zombies":
		return n.CheckMemory
	case "mounts", "security":
		return n.CheckSecurity
	}
	return false
}

// Row is a line of the point table.
type Row struct {
	ID        string   `yaml:"id"`
	Title     Text     `yaml:"title"`
	Points    int      `yaml:"points"`
	Asks      Text     `yaml:"asks" doc:"what the row asks for"`
	Input     string   `yaml:"input" doc:"the call, as the point table writes it"`
	Expected  Text     `yaml:"expected" doc:"the result, as the point table writes it"`
	Requires  []string `yaml:"requires" doc:"rows without which this one is not judged"`
	Scenarios []string `yaml:"scenarios" doc:"ids; the points are earned if all of them pass"`
}

// Concept is something that the exercise teaches.
type Concept struct {
	ID    string `yaml:"id"`
	Title Text   `yaml:"title"`
}

// Question is one of the quiz.
type Question struct {
	Question    Text   `yaml:"question"`
	Options     []Text `yaml:"options" doc:"ten, A to J"`
	Answer      string `yaml:"answer" doc:"a letter"`
	Explanation Text   `yaml:"explanation"`
}
