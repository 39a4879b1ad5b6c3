// Package evidence is what was seen: facts, never an opinion. A Record holds the
// submission's claims and, beside them, what the kernel showed. It is plain
// serialisable data, so a kept record can be judged again without root.
//
// The expr tags are the names that a spec's expectations use.
package evidence

// Version is the format of a Record.
const Version = 1

// Record is all that one scenario left behind.
type Record struct {
	Version  int                 `json:"version"`
	Scenario string              `json:"scenario"`
	Seed     uint64              `json:"seed"`
	Given    map[string]any      `json:"given,omitempty"` // resolved values, filled by the grader
	Host     Host                `json:"host"`
	End      End                 `json:"end"`
	Calls    map[string]Call     `json:"calls"`
	Order    []string            `json:"order"` // labels of Calls, in the order in which they were made
	Probes   map[string]Probe    `json:"probes"`
	At       map[string]Snapshot `json:"at"` // "before" (the first step), "after" (the last), and observed labels
	Faults   []FaultSeen         `json:"faults,omitempty"`
	Trace    []Event             `json:"trace,omitempty"`
	Withheld []Refusal           `json:"withheld,omitempty"` // what the box's user namespace alone refused: a real root would have got it
	Output   Output              `json:"output"`
	Notes    []string            `json:"notes,omitempty"` // oddities worth telling a reader: bad answers, unknown probes
	Millis   float64             `json:"millis"`          // from the driver's start to the end of the last step
}

// Host is where the scenario ran.
type Host struct {
	Tier     string   `json:"tier" expr:"tier"`             // ns, vm, privileged
	Kernel   string   `json:"kernel" expr:"kernel"`         // uname release
	Features []string `json:"features" expr:"features"`     // see package box: id_range, devices, proc_remount, faults, memory_limit, ...
	Image    string   `json:"image,omitempty" expr:"image"` // what a virtual machine has booted, and how; empty elsewhere
}

// Outcome says how a scenario ended.
type Outcome string

// Outcomes. The zero value is invalid.
const (
	Completed   Outcome = "completed"   // every step was made and answered
	Exited      Outcome = "exited"      // the driver ended before its time
	Hung        Outcome = "hung"        // a step took longer than its limit
	Flooded     Outcome = "flooded"     // more output than the limit
	Exhausted   Outcome = "exhausted"   // memory or processes over the limit
	Babbled     Outcome = "babbled"     // the driver's answer was no answer
	Spoiled     Outcome = "spoiled"     // the place where the host was to act has been changed
	Unavailable Outcome = "unavailable" // this host lacks what the scenario needs
	Broken      Outcome = "broken"      // a fault of the harness or the host
)

// End says how and where the scenario ended.
type End struct {
	Outcome Outcome `json:"outcome" expr:"outcome"`
	Step    string  `json:"step,omitempty" expr:"step"`       // label of the step that was under way
	Reason  string  `json:"reason,omitempty" expr:"reason"`   // for a reader
	Missing string  `json:"missing,omitempty" expr:"missing"` // with Unavailable: the feature
	Limit   string  `json:"limit,omitempty" expr:"limit"`     // with Exhausted: memory or processes; with Flooded: record, or none of the output
	Exit    int     `json:"exit" expr:"exit"`                 // with Exited: exit status, -1 if killed
	Signal  int     `json:"signal,omitempty" expr:"signal"`   // with Exited: the signal that ended it
	Panic   string  `json:"panic,omitempty" expr:"panic"`     // with Exited at the start: what New panicked with
}

// Call is a claim: what the submission answered. The fields below Took come
// from the agent.
type Call struct {
	Name     string  `json:"name" expr:"name"`
	Returned bool    `json:"returned" expr:"returned"`
	OK       bool    `json:"ok" expr:"ok"`                   // returned and did not fail
	Failed   bool    `json:"failed" expr:"failed"`           // returned an error
	Errno    string  `json:"errno" expr:"errno" one:"errno"` // as EPERM, or empty
	Error    string  `json:"error" expr:"error"`
	Missing  bool    `json:"missing" expr:"missing"` // not implemented
	Panic    string  `json:"panic" expr:"panic"`
	Value    int     `json:"value" expr:"value"` // exit status, or 0/1
	PID      int     `json:"pid" expr:"pid"`     // containers: as the submission says
	Exited   bool    `json:"exited" expr:"exited"`
	Status   int     `json:"status" expr:"status"`
	Signal   int     `json:"signal" expr:"signal"`
	Hostname string  `json:"hostname" expr:"hostname"`
	Flags    int     `json:"flags" expr:"flags"`
	FailedAt int     `json:"failed_at" expr:"failed_at"`
	Took     float64 `json:"took" expr:"took"`   // milliseconds
	Grown    Growth  `json:"grown" expr:"grown"` // of the driver, by a repeated call, after a few to warm up
}

// Growth is what a repeated call left behind in the driver, over Calls calls
// after a few to warm up.
type Growth struct {
	Calls   int `json:"calls" expr:"calls"`
	DataKiB int `json:"data_kib" expr:"data_kib"` // VmData of /proc/PID/status
	FDs     int `json:"fds" expr:"fds"`
	Zombies int `json:"zombies" expr:"zombies"`
	Mounts  int `json:"mounts" expr:"mounts"`
	Threads int `json:"threads" expr:"threads"`
}

// Probe is what is known of one probe (or target): its process as the kernel
// showed it when it checked in, and the outcome of its acts.
type Probe struct {
	Seen     bool                 `json:"seen" expr:"seen"`             // it checked in and is really our program
	Times    int                  `json:"times" expr:"times"`           // how many probes of that name checked in
	Process  Process              `json:"process" expr:"process"`       // at check-in
	Later    *Process             `json:"later,omitempty" expr:"later"` // when it was last asked to act
	Acts     map[string]ActResult `json:"acts" expr:"acts"`
	Files    map[string]File      `json:"files" expr:"files"`                 // Script.Watch, looked at in its root from outside
	Ended    bool                 `json:"ended" expr:"ended"`                 // gone by the end of the scenario
	Held     bool                 `json:"held" expr:"held"`                   // it checked in while a fault held a call
	Impostor string               `json:"impostor,omitempty" expr:"impostor"` // why what checked in was not believed
}

// Why what checked in is not believed to be the probe.
const (
	Nameless  = "what connected did not introduce itself"
	Borrowed  = "its connection is not one that it has made itself"
	Gone      = "it was gone before it could be looked at"
	Traced    = "it is traced by another process"
	Otherwise = "it runs another program than the probe"
	Altered   = "the probe's program was changed"
)

// ActResult is what came of an act of the probe.
type ActResult struct {
	OK     bool   `json:"ok" expr:"ok"`
	Errno  string `json:"errno" expr:"errno" one:"errno"`
	Value  int    `json:"value" expr:"value"`
	Text   string `json:"text" expr:"text"`
	Signal int    `json:"signal" expr:"signal"`
}

// Snapshot is the box at one moment, while the driver stands between two steps.
type Snapshot struct {
	Driver    Process         `json:"driver" expr:"driver"`
	Peer      Process         `json:"peer" expr:"peer"`           // the box's init: the rest of the host
	Processes []Process       `json:"processes" expr:"processes"` // all but the box's init and the driver; without mounts, links and fds
	Astray    int             `json:"astray" expr:"astray"`       // threads of the driver, but for its main one, in other namespaces than it began in
	Zombies   int             `json:"zombies" expr:"zombies"`     // unreaped children of the driver, the bystander left out
	Bystander bool            `json:"bystander" expr:"bystander"` // the prepared child is still there to be reaped
	Pins      []Pin           `json:"pins" expr:"pins"`           // entries of /run/netns in the driver's mount namespace
	Files     map[string]File `json:"files" expr:"files"`         // Scenario.Watch
}

// FaultSeen says how often a fault struck.
type FaultSeen struct {
	Effect   string `json:"effect" expr:"effect"`
	Fired    int    `json:"fired" expr:"fired"`
	Released string `json:"released,omitempty" expr:"released"` // of a hold: probe, time
}

// Event is one traced system call. Strings are what the caller's memory held
// when the call was notified: good for explaining, not for proof.
type Event struct {
	Millis float64  `json:"ms" expr:"ms"`
	PID    int      `json:"pid" expr:"pid"` // on the host
	Call   string   `json:"call" expr:"call"`
	Detail string   `json:"detail,omitempty" expr:"detail"`
	Path   string   `json:"path,omitempty" expr:"path"` // execve: the program
	Argv   []string `json:"argv,omitempty" expr:"argv"`
	Result string   `json:"result,omitempty" expr:"result"` // what the supervisor did with it: an errno, held, granted, withheld
}

// Refusal is a call that failed for no reason but the box's user namespace.
type Refusal struct {
	What   string `json:"what"`   // mknod c 1:3, mount proc, mount devtmpfs
	Target string `json:"target"` // where, absolute in the caller's root
}

func (r Refusal) String() string { return r.What + " at " + r.Target }

// Output is what the submission printed, cut to the limit.
type Output struct {
	Stdout    string `json:"stdout" expr:"stdout"`
	Stderr    string `json:"stderr" expr:"stderr"`
	Truncated bool   `json:"truncated" expr:"truncated"`
}
