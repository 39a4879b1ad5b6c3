// Package sandbox is the contract of a fresh place to run one scenario in: a
// scenario goes in, a record comes out, and the place is gone. Its
// implementations live below it, named by what they are made of; the
// conformance kit in this package's test support serves them all.
package sandbox

import (
	"context"

	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// Sandbox runs scenarios of one driver, one at a time.
type Sandbox interface {
	// Run runs sc in a fresh place. It returns an error only for a fault of
	// the harness or the host; whatever the submission does is in the
	// record. The place and everything in it is gone when Run returns.
	Run(ctx context.Context, sc scenario.Scenario) (*evidence.Record, error)
	// Close ends the sandbox's helpers. A Run under way is abandoned.
	Close() error
}

// Opener opens sandboxes of one kind.
type Opener interface {
	// Open prepares a sandbox for the driver executable at path. slot is a
	// small number, different for sandboxes open at the same time.
	Open(ctx context.Context, driver string, slot int) (Sandbox, error)
	// Host tells what this kind of sandbox can do here.
	Host() evidence.Host
	// Width is how many sandboxes of this kind keep this machine busy, and how
	// many more it can take whose scenarios seem to wait for a limit.
	Width() (work, wait int)
}
