package vm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"moulinette/grader/agent"
	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/sandbox/vm/guest"
)

// layer is a base with a driver in it and an agent set up for it, up to the
// first box. Nothing of the submission has run: what runs once, runs in a clone.
type layer struct {
	snapshot
	host evidence.Host
}

// makeLayer makes a layer for the driver at path; without one, our own binary
// stands in.
func (h *host) makeLayer(ctx context.Context, b *base, driver string) (*layer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, errSlowHost)
	defer cancel()
	l := &layer{}
	s, err := h.modify(ctx, &b.snapshot, func(m *machine) error { return l.prepare(ctx, h, m, driver) })
	if err != nil {
		return nil, fmt.Errorf("layer: %w", slowHost(ctx, err))
	}
	l.snapshot = *s
	return l, nil
}

func (l *layer) prepare(ctx context.Context, h *host, m *machine, driver string) error {
	if err := m.wake(ctx); err != nil {
		return err
	}
	slow, err := h.slowness(ctx, m)
	if err != nil {
		return err
	}
	inside := guest.AgentPath
	if driver != "" {
		inside = guest.DriverPath
		if err := h.putDriver(ctx, m, driver); err != nil {
			return err
		}
	}
	err = m.say(ctx, agent.Setup{Tier: Tier, Slow: slow, Alone: true, Box: box.Config{
		Mode: box.Root, Driver: inside, Self: guest.AgentPath, Shared: true, Real: true,
	}})
	if err != nil {
		return fmt.Errorf("set-up: %w", err)
	}
	answer, err := m.hear(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("set-up: %w", err)
	case answer.Error != "":
		return fmt.Errorf("set-up: %s", answer.Error)
	case answer.Host == nil:
		return errors.New("set-up: the agent answered without a host")
	}
	l.host = *answer.Host
	return nil
}

// putDriver puts the driver into the guest, and the libraries that it is linked
// with but the programs are not.
func (h *host) putDriver(ctx context.Context, m *machine, driver string) error {
	if err := m.put(ctx, guest.File{Path: guest.DriverPath}, driver); err != nil {
		return err
	}
	for _, lib := range librariesOf(driver) {
		if h.has(lib.Path) {
			continue
		}
		if err := m.put(ctx, lib.File, lib.from); err != nil {
			return err
		}
	}
	return nil
}

// mostSlow bounds how much longer anything may take in a guest: a hanging
// submission shall not hold a grading for ever, and a machine's last limit has to
// come before that of package run.
const mostSlow = 5

// slowness is how many times longer the guest takes for what the host does, at
// this moment and with its present load.
func (h *host) slowness(ctx context.Context, m *machine) (float64, error) {
	reply, err := m.obey(ctx, guest.Order{Measure: true}, nil)
	if err != nil {
		return 0, wrap("measure", err)
	}
	own, err := h.pace()
	if err != nil {
		return 0, err
	}
	return min(max(1, float64(reply.Took)/float64(own)), mostSlow), nil
}

// layers are those in use, by driver: sandboxes of the same driver share one.
type layers struct {
	mu  sync.Mutex
	all map[string]*shared
}

// shared is a layer and how many use it.
type shared struct {
	ready chan struct{} // closed when made
	layer *layer
	err   error
	users int
}

// take gives the layer of a driver, which make makes if nobody has; release is
// to be called once.
func (ls *layers) take(ctx context.Context, driver string, make func() (*layer, error)) (l *layer, release func(), err error) {
	ls.mu.Lock()
	s := ls.all[driver]
	if s == nil {
		s = ls.add(driver)
		go func() {
			s.layer, s.err = make()
			close(s.ready)
		}()
	}
	s.users++
	ls.mu.Unlock()
	release = sync.OnceFunc(func() { ls.release(driver, s) })
	select {
	case <-s.ready:
	case <-ctx.Done():
		release()
		return nil, nil, ctx.Err()
	}
	if s.err != nil {
		release()
		return nil, nil, s.err
	}
	return s.layer, release, nil
}

func (ls *layers) add(driver string) *shared {
	s := &shared{ready: make(chan struct{})}
	if ls.all == nil {
		ls.all = map[string]*shared{}
	}
	ls.all[driver] = s
	return s
}

// release forgets a layer that nobody uses any more.
func (ls *layers) release(driver string, s *shared) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	if ls.all[driver] == s {
		delete(ls.all, driver)
	}
	go func() {
		<-s.ready
		if s.layer != nil {
			s.layer.close()
		}
	}()
}
