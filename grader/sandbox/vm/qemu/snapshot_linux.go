package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Resume lets the guest run.
func (m *Machine) Resume(ctx context.Context) error {
	return m.failed(m.monitor.run(ctx, "cont", nil))
}

// Save stops the guest and writes its state to a file. With memoryApart the
// memory stays where it is, in the shared file of the configuration, and is as
// much a part of the state.
func (m *Machine) Save(ctx context.Context, state *os.File, memoryApart bool) error {
	err := m.monitor.run(ctx, "stop", nil)
	if err == nil {
		err = m.capabilities(ctx, memoryApart)
	}
	if err == nil {
		err = m.monitor.runWith(ctx, state, "getfd", map[string]string{"fdname": "state"})
	}
	if err == nil {
		err = m.monitor.run(ctx, "migrate", map[string]string{"uri": "fd:state"})
	}
	if err == nil {
		err = m.monitor.migrated(ctx)
	}
	return m.failed(err)
}

// Load takes on the state that Save has written, by a machine of the same
// configuration. The guest does not run yet.
func (m *Machine) Load(ctx context.Context, state *os.File, memoryApart bool) error {
	err := m.capabilities(ctx, memoryApart)
	if err == nil {
		err = m.monitor.runWith(ctx, state, "getfd", map[string]string{"fdname": "state"})
	}
	if err == nil {
		err = m.monitor.run(ctx, "migrate-incoming", map[string]string{"uri": "fd:state"})
	}
	if err == nil {
		err = m.monitor.migrated(ctx)
	}
	return m.failed(err)
}

// ErrNoApart says that this QEMU cannot leave a machine's memory where it is.
var ErrNoApart = errors.New("this QEMU cannot keep the memory apart (x-ignore-shared)")

// capabilities asks for events, and to leave shared memory out of the stream,
// which QEMU calls experimental.
func (m *Machine) capabilities(ctx context.Context, memoryApart bool) error {
	set := func(name string) error {
		return m.monitor.run(ctx, "migrate-set-capabilities", map[string]any{
			"capabilities": []map[string]any{{"capability": name, "state": true}},
		})
	}
	if err := set("events"); err != nil || !memoryApart {
		return err
	}
	var no *refused
	if err := set("x-ignore-shared"); errors.As(err, &no) {
		return fmt.Errorf("%w: %s", ErrNoApart, no.why)
	} else {
		return err
	}
}

func (m *Machine) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("qemu: %w%s", err, m.said.after())
}
