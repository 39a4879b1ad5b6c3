package vm

import (
	"context"
	"errors"
	"fmt"
	"os"

	"moulinette/grader/sandbox/vm/qemu"
)

// snapshot is a machine that stands still: its memory, sealed, and the state of
// the rest. Without a memory file the memory is in the state.
type snapshot struct {
	memory, state *os.File
}

func (s *snapshot) close() {
	for _, f := range []*os.File{s.memory, s.state} {
		if f != nil {
			f.Close()
		}
	}
}

// maxState is how much QEMU may write of a machine's state: little, but where
// the memory is in it.
const maxState = 64<<20 + memoryMiB<<20

// config is what all machines of this opener have in common; the next user id,
// too, if they need one.
func (h *host) config(memory *os.File) qemu.Config {
	return qemu.Config{Binary: h.qemu, KVM: h.accel == KVM, MemoryMiB: memoryMiB, Memory: memory, User: h.nextUser()}
}

// restore makes a machine of a snapshot; its guest does not run yet.
func (h *host) restore(ctx context.Context, s *snapshot, memory *os.File, share bool) (*machine, error) {
	state, err := again(s.state)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	c := h.config(memory)
	c.Share = share
	if share || memory == nil {
		c.Writes = maxState
	}
	m, err := launch(c)
	if err != nil {
		return nil, err
	}
	if err := m.Load(ctx, state, memory != nil); err != nil {
		m.kill()
		return nil, err
	}
	return m, nil
}

// clone is a machine with a copy of the snapshot of its own, made as it writes.
func (h *host) clone(ctx context.Context, s *snapshot) (*machine, error) {
	m, err := h.restore(ctx, s, s.memory, false)
	return m, wrap("clone", slowHost(ctx, err))
}

// freeze ends the machine and keeps what it was, with the memory that it shares.
func (m *machine) freeze(ctx context.Context, memory *os.File) (*snapshot, error) {
	defer m.kill()
	state, err := blank("state", 0)
	if err != nil {
		return nil, err
	}
	if err := m.Save(ctx, state, memory != nil); err != nil {
		state.Close()
		return nil, err
	}
	m.kill() // a memory that is still mapped cannot be sealed
	err = seal(state)
	if memory != nil {
		err = errors.Join(err, seal(memory))
	}
	if err != nil {
		state.Close()
		return nil, err
	}
	return &snapshot{memory: memory, state: state}, nil
}

// modify makes another snapshot of one: a machine is restored, do is done to it,
// and it is frozen again.
func (h *host) modify(ctx context.Context, s *snapshot, do func(*machine) error) (*snapshot, error) {
	var memory *os.File
	if s.memory != nil {
		var err error
		if memory, err = duplicate("memory", s.memory); err != nil {
			return nil, err
		}
	}
	m, err := h.restore(ctx, s, memory, memory != nil)
	if err != nil {
		return nil, errors.Join(err, closeIf(memory))
	}
	if err := do(m); err != nil {
		m.kill()
		return nil, errors.Join(fmt.Errorf("%w%s", err, m.lastWords()), closeIf(memory))
	}
	made, err := m.freeze(ctx, memory)
	if err != nil {
		return nil, errors.Join(err, closeIf(memory))
	}
	return made, nil
}

func closeIf(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// lastWords is the end of the console, for an error message.
func (m *machine) lastWords() string {
	if said := m.Console(); said != "" {
		return "; console: " + said
	}
	return ""
}
