package judge

import "moulinette/grader/spec"

// Verdict is the outcome of an expectation's scenario or of a row. The zero
// value is no verdict and never reads as a pass.
type Verdict string

// The four verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"          // the submission's fault
	NotJudged    Verdict = "not_judged"    // a required row failed, or this host cannot show it
	HarnessFault Verdict = "harness_fault" // ours, or the host's: costs no points, turns the run red
)

// Sheet is a whole grading: what every report is written from.
type Sheet struct {
	Exercise     string // spec.Exercise.Name
	Title        spec.Text
	Submission   string // the folder, as given
	Content      string // a hash of what was built of it
	Language     string // go, c17
	Seed         uint64
	Isolation    string // ns, vm, privileged
	Build        *Build // set when the submission could not be built: every row fails
	Rows         []Row
	Bonus        []Row
	Norm         Norm
	Concepts     []Concept
	Score        int // points earned; 0 if a blocking finding stands
	MaxScore     int
	PassingScore int
	Unjudged     int   // points of rows that this host, or a harness fault, kept from being judged
	Passed       *bool // nil: undecided, since the unjudged points or a harness fault could change it
	Partial      bool  // only some rows were asked for: MaxScore and PassingScore are theirs
	XP           int
	BonusEarned  int
	BonusMax     int
	Environment  map[string]string // host facts for a reader: kernel, tier, limits, ...
	Faults       []spec.Text       // harness faults: the scenario, and one sentence
	Notices      []spec.Text       // things to tell the student that cost nothing
}

// Build tells why a submission could not be built.
type Build struct {
	Reason spec.Text
	Output string // the compiler's own words, cut
}

// Row is a line of the point table with its verdict.
type Row struct {
	ID        string
	Title     spec.Text
	Points    int
	Earned    int
	Verdict   Verdict
	Open      bool      // not judged for this host's or the harness's sake: elsewhere the points could be earned
	Reason    spec.Text // why not judged, or the harness fault
	Scenarios []Scenario
}

// Scenario is the verdict on one record.
type Scenario struct {
	ID           string
	Title        spec.Text
	Verdict      Verdict
	Reason       spec.Text // one sentence: what went wrong before or instead of the expectations
	Millis       float64
	Expectations []Expectation
	Trace        []string // readable lines, when asked for
	Stderr       string   // tail of what the submission printed
}

// Expectation is one checked expression.
type Expectation struct {
	That   string // the expression
	OK     bool
	Judged bool   // false if the scenario ended before it could be looked at
	Got    string // what the kernel showed: the values of the expression's parts
	Hint   spec.Text
	Lesson spec.Text
	Read   []string   // man pages
	Go     spec.Words // see [Sheet.Speak]
}

// Norm is what the exercise's rules of style and safety found.
type Norm struct {
	OK       bool
	Blocking bool // a finding stands that sets the score to 0
	Findings []Finding
}

// Finding is one breach of the norm.
type Finding struct {
	Rule     string // forbidden_program, forbidden_import, way_round, other_function, memory, fds, zombies, mounts, security, ...
	Where    string // file:line, or a scenario's id
	Message  spec.Text
	Blocking bool
}

// Concept tells whether a concept of the exercise was shown.
type Concept struct {
	ID       string
	Title    spec.Text
	Mastered bool
	Judged   bool // false if none of its scenarios could be judged
}
