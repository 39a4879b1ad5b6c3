package vm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/sandbox"
	"moulinette/grader/scenario"
)

// Wear makes the machine that a sandbox keeps one that may serve once more.
func Wear(s sandbox.Sandbox) { s.(*Sandbox).kept.served = mostServed - 1 }

// Kept is the pid of the machine that a sandbox keeps for its next scenario, or 0.
func Kept(s sandbox.Sandbox) int {
	if m := s.(*Sandbox).kept; m != nil {
		return m.PID()
	}
	return 0
}

func blocks(f *os.File, failed *error) int64 {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		*failed = err
	}
	return st.Blocks / 2
}

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

// OwnMemory runs a scenario in a clone, and tells how many KiB nobody shares with
// QEMU at its end.
func OwnMemory(ctx context.Context, s sandbox.Sandbox, sc scenario.Scenario) (kib int, err error) {
	own := s.(*Sandbox)
	m, err := own.host.clone(ctx, &own.layer.snapshot)
	if err != nil {
		return 0, err
	}
	defer m.kill()
	if _, err := m.begin(ctx, sc); err != nil {
		return 0, err
	}
	if _, err := m.finish(ctx, sc.Limits.WithDefaults()); err != nil {
		return 0, err
	}
	maps, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", m.PID()))
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "Private_Dirty: %d kB", &kib); n == 1 {
			return kib, nil
		}
	}
	return 0, fmt.Errorf("no Private_Dirty in %s", maps.Name())
}

// Stored is how many KiB a sandbox's layer holds, and its base.
func (o *Opener) Stored(s sandbox.Sandbox) (layer, base int64, err error) {
	for _, f := range []*os.File{s.(*Sandbox).layer.memory, s.(*Sandbox).layer.state} {
		layer += blocks(f, &err)
	}
	for _, f := range []*os.File{o.base.memory, o.base.state} {
		base += blocks(f, &err)
	}
	return layer, base, err
}
