package vm

import (
	"context"
	"time"

	"moulinette/grader/sandbox"
)

// FirstAnswer makes a clone of a sandbox's layer and has it answer.
func FirstAnswer(ctx context.Context, s sandbox.Sandbox) (time.Duration, error) {
	own := s.(*Sandbox)
	start := time.Now()
	m, err := own.host.clone(ctx, &own.layer.snapshot)
	if err != nil {
		return 0, err
	}
	defer m.kill()
	err = m.wake(ctx)
	return time.Since(start), err
}

// Boot boots a guest from nothing.
func (o *Opener) Boot(ctx context.Context) (time.Duration, error) {
	memory, err := blank("memory", memoryMiB<<20)
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	start := time.Now()
	m, err := o.boot(ctx, o.image, memory)
	if err != nil {
		return 0, err
	}
	m.kill()
	return time.Since(start), nil
}
