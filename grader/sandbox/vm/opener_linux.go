package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/lack"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/vm/guest"
	"moulinette/grader/sandbox/vm/image"
	"moulinette/grader/sandbox/vm/qemu"
)

// ErrNoQEMU says that there is no QEMU on this host.
var ErrNoQEMU error = &lack.Error{
	EN: "no qemu-system-x86_64 in PATH; as root, apt install qemu-system-x86",
	FR: "pas de qemu-system-x86_64 dans PATH ; en root, apt install qemu-system-x86",
}

// host is what all machines of an opener have in common.
type host struct {
	qemu     string
	accel    Accel
	agent    string
	streamed bool
	programs []program
	pace     func() (time.Duration, error) // of this host; see guest.Pace
	users    users
	used     atomic.Int64
}

// Opener opens sandboxes of virtual machines.
type Opener struct {
	*host
	image  *image.Image
	base   *base
	reuse  bool
	layers layers
}

var _ sandbox.Opener = (*Opener)(nil)

// New finds what machines are made of, and boots one if no earlier run has left
// its snapshot. The error says what to install where something lacks.
func New(ctx context.Context, o Options) (*Opener, error) {
	h, err := newHost(o)
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	img, err := image.Build(ctx, o.Image())
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	op := &Opener{host: h, image: img, reuse: o.Reuse}
	if err := h.choose(ctx, o, img); err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	op.base, err = h.openBase(ctx, o.Cache, img)
	if err != nil && h.accel == KVM && o.Accel == "" && ctx.Err() == nil { // it boots guests, and does no more
		h.accel = TCG
		h.keepProof(o.Cache)
		op.base, err = h.openBase(ctx, o.Cache, img)
	}
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return op, nil
}

// basesDir is where bases are kept below the cache.
const basesDir = "bases"

func newHost(o Options) (*host, error) {
	if runtime.GOARCH != "amd64" {
		return nil, &lack.Error{
			EN: fmt.Sprintf("virtual machines are x86-64, and this host is %s", runtime.GOARCH),
			FR: fmt.Sprintf("les machines virtuelles sont x86-64, et cette machine est %s", runtime.GOARCH),
		}
	}
	h := &host{qemu: o.QEMU, agent: o.Agent, streamed: o.Streamed, users: findUsers()}
	if h.qemu == "" {
		var err error
		if h.qemu, err = exec.LookPath("qemu-system-x86_64"); err != nil {
			return nil, ErrNoQEMU
		}
	}
	h.programs = findPrograms()
	h.pace = sync.OnceValues(func() (time.Duration, error) { return guest.Pace(h.agent) })
	return h, nil
}

func (h *host) has(path string) bool {
	return slices.ContainsFunc(h.programs, func(p program) bool { return p.Path == path })
}

// users are ids that QEMU runs as where we are root: ids that nobody has, a range for
// each grader, so that no two machines share one.
type users struct{ first, ranges int }

const usersEach = 1 << 10

// findUsers finds them: the host's user namespace has the first, a container's may have
// no more than the second, or none. Then QEMU runs as we do; as it does where root may not
// become another user (docker run --cap-drop ALL).
func findUsers() users {
	if os.Geteuid() != 0 || !mayChangeIDs() {
		return users{}
	}
	for _, u := range []users{{1 << 29, 1 << 14}, {1 << 15, 1<<5 - 1}} {
		if box.Mapped(u.first, u.ranges*usersEach) {
			return u
		}
	}
	return users{}
}

// mayChangeIDs tells whether this thread has the capabilities for it, and that to end what
// it has started as somebody else.
func mayChangeIDs() bool {
	header, sets := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	const all = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
	return unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&all == all
}

// nextUser is 0 where there are none.
func (h *host) nextUser() int {
	if h.users.ranges == 0 {
		return 0
	}
	return h.users.first + os.Getpid()%h.users.ranges*usersEach + int(h.used.Add(1))%usersEach
}

// formatVersion is part of every key: a change of what a snapshot holds makes
// old ones unknown.
const formatVersion = 1

// key names a base by everything that it depends on: what boots, what runs it,
// how, and where. A snapshot does not move to another processor: its clock
// counts that one's ticks.
func (h *host) key(img *image.Image) string {
	c := h.config(nil)
	for _, name := range portNames {
		c.Ports = append(c.Ports, qemu.Port{Name: name})
	}
	sum := sha256.New()
	for _, part := range []string{
		fmt.Sprint(formatVersion), img.Key, cmdline, c.Line(), fmt.Sprint(h.accel, h.streamed),
		fingerprint(h.qemu), bootID(), processor(),
	} {
		fmt.Fprintf(sum, "%d:%s\n", len(part), part)
	}
	for _, p := range h.programs {
		fmt.Fprintf(sum, "%s %s %s\n", p.Path, p.Link, fingerprint(p.from))
	}
	return hex.EncodeToString(sum.Sum(nil))[:32]
}

// fingerprint tells one version of an installed file from another.
func fingerprint(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano())
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// processor is the model of the first one.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "model name") {
			return line
		}
	}
	return ""
}

// Width is one for each processor that is for us, if there is memory for all of them: a
// machine translates all the time, and one that only seems to wait slows the others down.
func (o *Opener) Width() (work, wait int) {
	return box.Fit(runtime.GOMAXPROCS(0), memoryMiB<<20), 2
}

// Host tells what the machines' boxes offer, and what the machines are.
func (o *Opener) Host() evidence.Host {
	host := o.base.facts.Host
	sum := sha256.Sum256([]byte(o.image.Key + cmdline))
	host.Image = hex.EncodeToString(sum[:8])
	return host
}

// Image is what the machines have booted.
func (o *Opener) Image() *image.Image { return o.image }

// Unkept tells why the next opener will have to boot a machine again, nil if it will not.
func (o *Opener) Unkept() error { return o.base.unkept }

// Accel tells who executes the guests.
func (o *Opener) Accel() Accel { return o.accel }

// Open makes a layer for the driver, or shares that of another sandbox.
func (o *Opener) Open(ctx context.Context, driver string, _ int) (sandbox.Sandbox, error) {
	l, release, err := o.layers.take(ctx, fingerprint(driver), func() (*layer, error) {
		return o.makeLayer(context.WithoutCancel(ctx), o.base, driver)
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return newSandbox(o.host, l, o.reuse, release), nil
}
