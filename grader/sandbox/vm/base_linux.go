package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"moulinette/grader/lack"
	"moulinette/grader/sandbox/vm/image"
	"moulinette/grader/sandbox/vm/qemu"
)

// bootTimeout bounds a boot, and the making of a layer.
const bootTimeout = 60 * time.Second

// errSlowHost says why a machine was not made: whoever reads that a deadline was
// exceeded looks for his own.
var errSlowHost error = &lack.Error{
	EN: "the virtual machine was not ready in time: this host is too slow for one, or too busy",
	FR: "la machine virtuelle n'a pas été prête à temps : cette machine est trop lente pour elle, ou trop occupée",
}

// slowHost tells so of what took longer than ctx lets it, or than QEMU's monitor may take
// for an answer, whatever ctx says.
func slowHost(ctx context.Context, err error) error {
	late := errors.Is(context.Cause(ctx), errSlowHost) || ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded)
	if err == nil || errors.Is(err, errSlowHost) || !late {
		return err
	}
	return fmt.Errorf("%w (%w)", errSlowHost, err)
}

// base is a booted guest, and what is known of it.
type base struct {
	snapshot
	facts  facts
	unkept error // why it is not there for later gradings
}

// Names in the folder of a base.
const (
	memoryFile = "memory"
	stateFile  = "state"
	factsFile  = "facts.json"
)

// openBase opens the base that is kept in the cache, or makes it. Two graders that
// come at once make one. One that cannot be kept (a disk that is full) serves all the
// same.
func (h *host) openBase(ctx context.Context, cache string, img *image.Image) (*base, error) {
	dir := filepath.Join(cache, basesDir, h.key(img))
	if b, err := loadBase(dir); err == nil {
		return b, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", image.ErrCache, err)
	}
	unlock, err := image.Lock(ctx, filepath.Join(filepath.Dir(dir), "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, err := loadBase(dir); err == nil {
		return b, nil
	}
	b, err := h.makeBase(ctx, img)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	if err := b.keep(dir); err != nil {
		b.unkept = fmt.Errorf("%w: %w", image.ErrCache, err)
	}
	limits := image.DefaultLimits
	limits.Useless = ofAnotherBoot
	_, _ = image.Prune(cache, limits) // what cannot be removed now is tried again
	return b, nil
}

// ofAnotherBoot tells of a base that this host cannot use any more. Another can whose home
// is the same: that is why what was just used is spared.
func ofAnotherBoot(e image.Entry) bool {
	if e.Kind != basesDir {
		return false
	}
	f, err := readFacts(e.Path)
	return err == nil && f.Boot != bootID()
}

func readFacts(dir string) (f facts, err error) {
	text, err := os.ReadFile(filepath.Join(dir, factsFile))
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

// loadBase opens a kept base. Its time of use is noted, for [image.Prune].
func loadBase(dir string) (b *base, err error) {
	b = &base{}
	if b.facts, err = readFacts(dir); err != nil {
		return nil, err
	}
	if b.state, err = os.Open(filepath.Join(dir, stateFile)); err != nil {
		return nil, err
	}
	if b.facts.Apart {
		if b.memory, err = os.Open(filepath.Join(dir, memoryFile)); err != nil {
			b.state.Close()
			return nil, err
		}
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now)
	return b, nil
}

// keep writes the base to dir, whole or not at all.
func (b *base) keep(dir string) error {
	temp, err := os.MkdirTemp(filepath.Dir(dir), "new-") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	text, err := json.Marshal(b.facts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, factsFile), text, 0o600); err != nil {
		return err
	}
	for name, from := range map[string]*os.File{memoryFile: b.memory, stateFile: b.state} {
		if from == nil {
			continue
		}
		if err := keepFile(filepath.Join(temp, name), from); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil { // one that could not be loaded
		return err
	}
	return os.Rename(temp, dir)
}

func keepFile(path string, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = to.Truncate(info.Size())
	if err == nil {
		err = copySparse(to, from, info.Size())
	}
	return errors.Join(err, to.Close())
}

// makeBase boots a guest and gives it the programs that a box shows. What its
// boxes offer is asked of a layer that is thrown away.
func (h *host) makeBase(ctx context.Context, img *image.Image) (_ *base, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*bootTimeout, errSlowHost)
	defer cancel()
	defer func() { err = slowHost(ctx, err) }()
	s, err := h.bootBase(ctx, img, !h.streamed)
	if errors.Is(err, qemu.ErrNoApart) {
		s, err = h.bootBase(ctx, img, false)
	}
	if err != nil {
		return nil, err
	}
	b := &base{snapshot: *s, facts: facts{Apart: s.memory != nil, Boot: bootID()}}
	l, err := h.makeLayer(ctx, b, "")
	if err != nil {
		b.close()
		return nil, err
	}
	l.close()
	b.facts.Host = l.host
	return b, nil
}

func (h *host) bootBase(ctx context.Context, img *image.Image, apart bool) (*snapshot, error) {
	var memory *os.File
	if apart {
		var err error
		if memory, err = blank("memory", memoryMiB<<20); err != nil {
			return nil, err
		}
	}
	m, err := h.boot(ctx, img, memory)
	if err == nil {
		if err = h.furnish(ctx, m); err != nil {
			m.kill()
			err = fmt.Errorf("%w%s", err, m.lastWords())
		}
	}
	var s *snapshot
	if err == nil {
		s, err = m.freeze(ctx, memory)
	}
	if err != nil {
		return nil, errors.Join(err, closeIf(memory))
	}
	return s, nil
}

// boot starts a guest from nothing and waits until it stands.
func (h *host) boot(ctx context.Context, img *image.Image, memory *os.File) (*machine, error) {
	c := h.config(memory)
	c.Share, c.Writes, c.Cmdline = memory != nil, maxState, cmdline
	for path, file := range map[string]**os.File{img.Kernel: &c.Kernel, img.Initrd: &c.Initrd} {
		f, err := inMemory(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		*file = f
	}
	m, err := launch(c)
	if err != nil {
		return nil, err
	}
	if err = m.Resume(ctx); err == nil {
		_, err = m.reply(ctx)
	}
	if err != nil {
		m.kill()
		return nil, fmt.Errorf("boot: %w%s", err, m.lastWords())
	}
	return m, nil
}

// inMemory makes a file readable for QEMU, whoever it runs as.
func inMemory(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return duplicate(filepath.Base(path), f)
}

// furnish puts the programs into a booted guest.
func (h *host) furnish(ctx context.Context, m *machine) error {
	if err := m.wake(ctx); err != nil {
		return err
	}
	for _, f := range h.programs {
		if err := m.put(ctx, f.File, f.from); err != nil {
			return err
		}
	}
	return nil
}
