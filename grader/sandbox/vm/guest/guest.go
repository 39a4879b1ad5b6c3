// Package guest is what runs as the first process of a virtual machine: it makes
// a machine of a bare kernel, starts the agent that serves scenarios there, and
// obeys the grader's few orders about the machine itself. The grader's side
// imports it for the words they share.
//
// Two virtio ports lead out. On [ControlPort] each [Order], a line of JSON, is
// answered by one [Reply]; [AgentPort] belongs to the agent, which speaks on it
// as it does with a grader on the same machine. The package knows nothing of
// scenarios.
package guest

import "time"

// Face is the name by which the kernel calls its first program.
const Face = "init"

// Places and names that grader and guest share.
const (
	ControlPort = "moulinette.control"
	AgentPort   = "moulinette.agent"
	AgentPath   = "/init"    // our own binary, in the guest
	modulesDir  = "/modules" // with the file "order" in it
	DriverPath  = "/driver"  // where the submission is put
	agentName   = "moulinette-agent"
	agentPATH   = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
)

// MaxLine bounds a line of either side.
const MaxLine = 64 << 10

// Order is what the grader wants of the machine. One field is set.
type Order struct {
	Put     *File `json:"put,omitempty"`     // followed by Put.Size bytes
	Wake    *Wake `json:"wake,omitempty"`    // first thing in every machine, new or restored
	Measure bool  `json:"measure,omitempty"` // how slow is it here?
}

// File is a file, or with Link a symbolic link, to be made in the guest.
type File struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode,omitempty"`
	Size int64  `json:"size,omitempty"`
	Link string `json:"link,omitempty"`
}

// Wake tells a machine what time it is and gives it randomness of its own:
// restored from the same snapshot, all would draw the same bytes.
type Wake struct {
	Now    time.Time `json:"now"`
	Random []byte    `json:"random"`
}

// Reply answers an order. The first one comes unasked, when the machine stands;
// one with Gone may come at any time.
type Reply struct {
	Error string        `json:"error,omitempty"`
	Took  time.Duration `json:"took,omitempty"` // of Measure: see [Pace]
	Gone  string        `json:"gone,omitempty"` // the agent has ended, and how
}
