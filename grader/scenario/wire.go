package scenario

// The driver protocol: one JSON value a line, on the descriptor DriverFD of the
// driver, a request from the agent and an answer from the shim. An answer is a
// claim: whoever runs in the driver's process can forge it.

// DriverFD is the driver's end of the channel to the agent.
const DriverFD = 3

// Request asks the driver for one call, or for the start of its targets.
type Request struct {
	ID        int      `json:"id"`
	Call      string   `json:"call"` // a key of [Calls], or "world" before the first step
	Args      Args     `json:"args"`
	Probe     string   `json:"probe,omitempty"`     // name of the probe that the call starts: its argv[1]
	Targets   []Target `json:"targets,omitempty"`   // with "world"
	Bystander bool     `json:"bystander,omitempty"` // with "world"
	Times     int      `json:"times,omitempty"`
	Anyhow    bool     `json:"anyhow,omitempty"`
	Then      []string `json:"then,omitempty"`
}

// Reply answers the request with the same ID. The shim's first line is a Reply
// with ID 0 once New has returned.
type Reply struct {
	ID       int            `json:"id"`
	Failed   bool           `json:"failed"`
	Errno    string         `json:"errno,omitempty"` // name, as EPERM; empty if the error unwraps to none
	Error    string         `json:"error,omitempty"`
	Missing  bool           `json:"missing,omitempty"` // the submission does not implement it
	Panic    string         `json:"panic,omitempty"`
	Fault    string         `json:"fault,omitempty"`  // the shim could not make the call at all: ours, if it is true
	Value    int            `json:"value"`            // exit status, or 0/1 for a bool
	PID      int            `json:"pid,omitempty"`    // container calls: the config's PID
	Exited   bool           `json:"exited,omitempty"` // container calls: what Status says
	Status   int            `json:"status,omitempty"`
	Signal   int            `json:"signal,omitempty"`
	Hostname string         `json:"hostname,omitempty"` // container_init: fields after it
	Flags    uint64         `json:"flags,omitempty"`
	Pids     map[string]int `json:"pids,omitempty"`      // with "world": pid of each target and of "bystander", as the driver sees them
	FailedAt int            `json:"failed_at,omitempty"` // with times: 1-based index of the first failed call
}

// The probe protocol: one JSON value a line on a unix stream socket at
// [ProbeSocket]. The probe sends a Hello, then answers Orders until one says
// exit.

// Hello is the probe's first line.
type Hello struct {
	Name     string   `json:"name"` // argv[1], or "probe"
	Argv     []string `json:"argv"`
	PID      int      `json:"pid"` // getpid(2) as it sees it
	PPID     int      `json:"ppid"`
	Hostname string   `json:"hostname"`
	FD       int      `json:"fd"` // by which it is connected
}

// Order tells a probe what to do next.
type Order struct {
	Do   []Act `json:"do,omitempty"`
	Exit *int  `json:"exit,omitempty"` // then exit with this status
}

// Done answers an Order that does not exit.
type Done struct {
	Acts []ActResult `json:"acts"`
}

// ActResult is what came of one act.
type ActResult struct {
	As     string `json:"as"`
	OK     bool   `json:"ok"`
	Errno  string `json:"errno,omitempty"`
	Value  int    `json:"value"`
	Text   string `json:"text,omitempty"`
	Signal int    `json:"signal,omitempty"` // a child that tried it was killed by this
}
