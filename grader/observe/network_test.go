package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

func TestVeth(t *testing.T) {
	b := newBox(t)
	d := b.driver
	d.do("veth", "a0", "a1")
	d.do("veth", "b0", "b1")
	c := d.spawn("c", unix.CLONE_NEWNET, "")
	d.do("linkmove", "b1", flag(c.own))
	d.do("addr", "b0", "10.9.0.1/24")
	d.do("addr", "b0", "10.9.1.1/16")
	d.do("linkup", "b0")
	driver := d.seen()
	a0, a1 := linkNamed(t, driver.Links, "a0"), linkNamed(t, driver.Links, "a1")
	equal(t, "a0 peer", a0.Peer, a1.Index)
	equal(t, "a1 peer", a1.Peer, a0.Index)
	equal(t, "a0 peer's namespace", a0.PeerNetns, driver.NS.Net)
	equal(t, "a0 kind", a0.Kind, "veth")
	b0 := linkNamed(t, driver.Links, "b0")
	equal(t, "b0 without carrier: up", b0.Up, true)
	equal(t, "b0 without carrier: running", b0.Running, false)

	c.do("linkup", "lo")
	c.do("addr", "b1", "10.9.0.2/24")
	c.do("linkup", "b1")
	c.do("default", "b1", "10.9.0.1")
	driver, child := d.seen(), c.seen()
	b0 = linkNamed(t, driver.Links, "b0")
	b1 := linkNamed(t, child.Links, "b1")
	equal(t, "b0 peer", b0.Peer, b1.Index)
	equal(t, "b0 peer's namespace", b0.PeerNetns, child.NS.Net)
	equal(t, "b1 peer", b1.Peer, b0.Index)
	equal(t, "b1 peer's namespace", b1.PeerNetns, driver.NS.Net)
	equal(t, "b0 running", b0.Running, true)
	if diff := cmp.Diff(b0.Addrs, []string{"10.9.0.1/24", "10.9.1.1/16"}); diff != "" {
		t.Errorf("addresses: got - want +\n%s", diff)
	}
	lo := linkNamed(t, child.Links, "lo")
	equal(t, "lo kind", lo.Kind, "loopback")
	equal(t, "lo running", lo.Up && lo.Running, true)
	equal(t, "lo peer", lo.Peer, 0)
	if diff := cmp.Diff(lo.Addrs, []string{"127.0.0.1/8"}); diff != "" {
		t.Errorf("lo: got - want +\n%s", diff)
	}
	if lo := linkNamed(t, driver.Links, "lo"); lo.Up || lo.Running {
		t.Errorf("driver's lo: got %+v", lo)
	}
	want := []evidence.Route{{Dst: "default", Via: "10.9.0.1", Link: "b1"}, {Dst: "10.9.0.0/24", Link: "b1"}}
	if diff := cmp.Diff(child.Routes, want); diff != "" {
		t.Errorf("routes: got - want +\n%s", diff)
	}
}

func TestPins(t *testing.T) {
	b := newBox(t)
	d := b.driver
	net := number(between(d.do("pin", "good"), ":[", "]"))
	d.do("write", "/run/netns/plain", "")
	d.do("pin", "twice")
	d.do("mount", "/run/netns/good", "/run/netns/twice", "", flag(unix.MS_BIND))
	d.do("write", "/run/netns/uts", "")
	d.do("mount", "/proc/self/ns/uts", "/run/netns/uts", "", flag(unix.MS_BIND))
	d.do("symlink", "/proc/self/ns/net", "/run/netns/link")
	d.do("mkfifo", "/run/netns/fifo")
	d.do("veth", "v0", "v1")
	d.do("linkpin", "v1", "good")
	pins := map[string]evidence.Pin{}
	s := b.snapshot()
	for _, p := range s.Pins {
		pins[p.Name] = p
	}
	equal(t, "pins", len(pins), 6)
	equal(t, "good", pins["good"].Netns, net)
	equal(t, "good: stacked", pins["good"].Stacked, 1)
	equal(t, "twice", pins["twice"].Netns, net)
	equal(t, "twice: stacked", pins["twice"].Stacked, 2)
	equal(t, "uts: stacked", pins["uts"].Stacked, 1)
	for _, name := range []string{"plain", "uts", "link", "fifo"} {
		equal(t, name, pins[name].Netns, 0)
	}
	equal(t, "plain: stacked", pins["plain"].Stacked, 0)
	v0, v1 := linkNamed(t, s.Driver.Links, "v0"), linkNamed(t, pins["good"].Links, "v1")
	equal(t, "v0 peer's namespace", v0.PeerNetns, net)
	equal(t, "v1 peer's namespace", v1.PeerNetns, s.Driver.NS.Net)
	equal(t, "v1 peer", v1.Peer, v0.Index)
	equal(t, "v0 alone", linkNamed(t, d.seen().Links, "v0").PeerNetns, net)
}

// TestPinsBehindSelfBind is what `ip netns add` leaves: a shared bind mount of
// the folder on itself, through which each pin appears twice in mountinfo.
func TestPinsBehindSelfBind(t *testing.T) {
	b := newBox(t)
	b.driver.do("mount", "/run/netns", "/run/netns", "", flag(unix.MS_BIND|unix.MS_REC))
	b.driver.do("pin", "n")
	lines := 0
	s := b.snapshot()
	for _, m := range s.Driver.Mounts {
		if m.Target == "/run/netns/n" {
			lines++
		}
	}
	equal(t, "lines of mountinfo", lines, 2)
	equal(t, "stacked", s.Pins[0].Stacked, 1)
}
