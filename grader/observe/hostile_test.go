package observe

import (
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// TestChurn looks while processes come and go: nothing may fail but a look at
// one that is gone, and nothing may be half seen.
func TestChurn(t *testing.T) {
	b := newBox(t)
	churner := b.driver.spawn("churner", unix.CLONE_NEWPID, "")
	var busy sync.WaitGroup
	busy.Go(func() {
		for range 60 {
			if _, err := churner.try("spawn", "brief", flag(unix.CLONE_NEWUTS), ""); err != nil {
				t.Error(err)
				return
			}
			brief := b.accept("brief")
			_ = syscall.Kill(brief.pid, syscall.SIGKILL)
			churner.do("reap", "brief")
		}
	})
	over := make(chan struct{})
	go func() { busy.Wait(); close(over) }()
	for looks := 0; ; looks++ {
		select {
		case <-over:
			t.Logf("%d looks", looks)
			return
		default:
		}
		for _, p := range b.snapshot("/mnt").Processes {
			if p.State != "Z" && (p.NS.Mnt == 0 || p.Root == "") {
				t.Fatalf("half seen: %+v", p)
			}
		}
	}
}

// TestHeadless is a process that passes for a zombie, and is none.
func TestHeadless(t *testing.T) {
	b := newBox(t)
	c := b.driver.spawn("c", unix.CLONE_NEWPID|unix.CLONE_NEWUTS, "")
	c.do("sethostname", "hidden")
	want := c.seen()
	must(t, c.out.Encode(request{[]string{"headless"}}))
	p, err := openProc(b.o.root, c.pid)
	must(t, err)
	defer p.close()
	waitFor(t, "main thread ended", func() bool { st, _ := p.status(); return st.headless() })
	got := c.seen()
	if got.State == "Z" {
		t.Error("state: got Z")
	}
	for _, p := range []*evidence.Process{&got, &want} {
		p.State, p.Threads, p.DataKiB, p.FDs = "", 0, 0, nil
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
	equal(t, "zombies", b.snapshot().Zombies, 0)
}

// TestLeavesNothing checks that looking holds on to nothing: no descriptor, no
// thread of ours in a foreign namespace, no network namespace kept alive.
func TestLeavesNothing(t *testing.T) {
	b := newBox(t)
	self, err := openProc(b.o.root, os.Getpid())
	must(t, err)
	defer self.close()
	b.snapshot()
	fds, ns := self.countFDs(), namespaces(self)
	for range 50 {
		c := b.driver.spawn("c", unix.CLONE_NEWNET|unix.CLONE_NEWUTS, "")
		b.snapshot("/mnt")
		c.seen()
		c.exit(0)
		must(t, c.conn.Close())
		b.driver.do("reap", "c")
	}
	equal(t, "descriptors", self.countFDs(), fds)
	equal(t, "namespaces of the main thread", namespaces(self), ns)
	b.driver.do("veth", "x0", "x1")
	c := b.driver.spawn("c", unix.CLONE_NEWNET, "")
	b.driver.do("linkmove", "x1", flag(c.own))
	c.seen()
	c.exit(0)
	must(t, c.conn.Close()) // our end of a connection keeps the other end's namespace
	b.driver.do("reap", "c")
	waitFor(t, "veth gone with its peer's namespace", func() bool { return len(b.driver.seen().Links) == 1 })
}

// waitFor polls what the kernel does in its own time and signals to nobody.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		_, _ = unix.Poll(nil, 1)
	}
}

// TestVisitorComesHome holds the visitor's thread to its namespaces.
func TestVisitorComesHome(t *testing.T) {
	b := newBox(t)
	b.snapshot()
	b.o.visitor.do(func() {
		if unix.Gettid() == os.Getpid() {
			t.Error("the visitor is the main thread")
		}
		for name, home := range map[string]int{"net": b.o.visitor.net, "uts": b.o.visitor.uts} {
			link, err := os.Readlink("/proc/thread-self/ns/" + name)
			if err != nil || number(between(link, ":[", "]")) != inode(home) {
				t.Errorf("%s: got %s, %v; want %d", name, link, err, inode(home))
			}
		}
	})
}

func TestConcurrentLooks(t *testing.T) {
	b := newBox(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				if _, err := b.o.Snapshot([]string{"/mnt"}); err != nil {
					t.Error(err)
				}
				if _, err := b.o.Sample(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func world(b *testing.B) *box {
	x := newBox(b)
	x.driver.do("pin", "n")
	x.driver.do("veth", "v0", "v1")
	x.driver.do("linkpin", "v1", "n")
	c := x.driver.spawn("c", unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWNS, "")
	c.spawn("d", 0, "")
	return x
}

// BenchmarkSnapshot is of a box with four processes, three network namespaces
// and a pin.
func BenchmarkSnapshot(b *testing.B) {
	x := world(b)
	for b.Loop() {
		x.snapshot("/mnt", "/etc/passwd")
	}
}

func BenchmarkProcess(b *testing.B) {
	x := world(b)
	for b.Loop() {
		x.driver.seen()
	}
}

func BenchmarkMembers(b *testing.B) {
	x := world(b)
	for b.Loop() {
		_, err := x.o.Members()
		must(b, err)
	}
}

func BenchmarkMembersOld(b *testing.B) {
	x := world(b)
	if x.o.boxProc >= 0 {
		must(b, unix.Close(x.o.boxProc))
	}
	x.o.boxProc = -1
	for b.Loop() {
		_, err := x.o.Members()
		must(b, err)
	}
}

func BenchmarkSample(b *testing.B) {
	x := world(b)
	for b.Loop() {
		_, err := x.o.Sample()
		must(b, err)
	}
}
