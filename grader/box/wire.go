package box

import "moulinette/grader/scenario"

// What agent and init say to each other: one JSON value a line on a socket pair.

// order goes from the agent to init. One field is set.
type order struct {
	Base   *base          `json:"base,omitempty"`  // first
	Setup  *setup         `json:"setup,omitempty"` // second
	Launch bool           `json:"launch,omitempty"`
	Host   *scenario.Host `json:"host,omitempty"`
	Clone  []string       `json:"clone,omitzero"` // not nil: start a process in these new namespaces
}

// base is what every box has in common: it is set up before it is known which
// scenario the box is for.
type base struct {
	UserNS  bool `json:"userns"`
	Ranged  bool `json:"ranged"` // more than one id is mapped
	DiskMiB int  `json:"disk_mib"`
}

type setup struct {
	Ranged  bool            `json:"ranged"`
	World   scenario.World  `json:"world"`
	Limits  scenario.Limits `json:"limits"`
	Faults  bool            `json:"faults"`
	Forks   bool            `json:"forks,omitempty"` // the filter notifies plain forks, too
	Variant string          `json:"variant,omitempty"`
	Bounded bool            `json:"bounded,omitempty"` // no more capabilities than [realRootKeeps]
}

// answer comes back for each order, in turn. news come whenever they happen.
type answer struct {
	Error string `json:"error,omitempty"`
	News  *Exit  `json:"news,omitempty"`
}

// Exit tells how the driver ended: an exit status, or -1 and the signal.
type Exit struct {
	Status int `json:"status"`
	Signal int `json:"signal"`
}

// Descriptors that init inherits.
const (
	fdControl = 3 // orders and answers
	fdStdout  = 4 // the driver's
	fdStderr  = 5
	fdChannel = 6 // the driver protocol; scenario.DriverFD in the driver
	fdLaunch  = 7 // socket of the driver-to-be, see fork_linux.go
)
