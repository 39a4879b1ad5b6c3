package box

import "moulinette/grader/scenario"

// What agent and init say to each other: one JSON value a line on a socket pair.

// order goes from the agent to init. One field is set.
type order struct {
	Setup  *setup         `json:"setup,omitempty"`
	Launch bool           `json:"launch,omitempty"`
	Host   *scenario.Host `json:"host,omitempty"`
}

type setup struct {
	UserNS bool            `json:"userns"`
	Ranged bool            `json:"ranged"` // more than one id is mapped
	World  scenario.World  `json:"world"`
	Limits scenario.Limits `json:"limits"`
	Faults bool            `json:"faults"`
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
	fdLaunch  = 7 // launcher's socket, see launch_linux.go
)

// launched is the launcher's one message before it becomes the driver; the
// listener of the notification filter travels with it (SCM_RIGHTS).
type launched struct {
	Error string `json:"error,omitempty"`
}
