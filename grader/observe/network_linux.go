package observe

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

const (
	maxLinks  = 1024
	maxRoutes = 1024
	maxAddrs  = 64 // of one link
)

// netView is one network namespace as netlink shows it.
type netView struct {
	fd     int // of the namespace
	inode  int
	handle *netlink.Handle // while it is listed; nil if it could not be visited
	listed bool
	links  []evidence.Link
	routes []evidence.Route
	peers  map[int]int // network namespace id, as this one counts them, to inode
}

// network lists what is in a process's network namespace, whose inode is ns.
func (l *look) network(p *proc, ns int) ([]evidence.Link, []evidence.Route) {
	v := l.netOf(p, ns)
	if v == nil {
		return nil, nil
	}
	l.list(v)
	return v.links, v.routes
}

// netOf takes hold of a process's network namespace.
func (l *look) netOf(p *proc, ns int) *netView {
	if v, ok := l.nets[ns]; ok {
		return v
	}
	fd, err := p.open("ns/net", unix.O_RDONLY)
	if err != nil {
		return nil
	}
	return l.holdNet(fd)
}

// holdNet takes over a descriptor of a network namespace.
func (l *look) holdNet(fd int) *netView {
	ino := inode(fd)
	if v, ok := l.nets[ino]; ok {
		unix.Close(fd)
		return v
	}
	v := &netView{fd: fd, inode: ino}
	l.nets[ino] = v
	l.order = append(l.order, v)
	return v
}

// list fills a view, once.
func (l *look) list(v *netView) {
	if v.listed {
		return
	}
	v.listed = true
	l.o.visitor.do(func() {
		if enter(v.fd, unix.CLONE_NEWNET) == nil {
			var err error
			v.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)
			_ = missed(err)
		}
	})
	if v.handle == nil {
		return
	}
	defer v.handle.Close()
	if v.handle.SetSocketTimeout(2*time.Second) != nil {
		return
	}
	names := map[int]string{}
	v.links = l.listLinks(v, names)
	v.routes = listRoutes(v.handle, names)
}

func (l *look) listLinks(v *netView, names map[int]string) []evidence.Link {
	found := steady(v.handle.LinkList)
	addrs := listAddrs(v.handle)
	links := []evidence.Link{}
	for _, link := range found[:min(len(found), maxLinks)] {
		a := link.Attrs()
		names[a.Index] = a.Name
		links = append(links, evidence.Link{
			Name: a.Name, Kind: kind(link), Index: a.Index, Peer: a.ParentIndex,
			PeerNetns: l.peerNetns(v, a),
			Up:        a.Flags&net.FlagUp != 0,
			Running:   a.RawFlags&unix.IFF_LOWER_UP != 0, // the operational state follows by up to a second
			Addrs:     append([]string{}, addrs[a.Index]...),
		})
	}
	slices.SortFunc(links, func(a, b evidence.Link) int { return a.Index - b.Index })
	return links
}

func kind(link netlink.Link) string {
	if link.Attrs().Flags&net.FlagLoopback != 0 {
		return "loopback"
	}
	return link.Type()
}

// steady lists again what changed under way.
func steady[T any](list func() ([]T, error)) []T {
	for range 3 {
		all, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			_ = missed(err)
			return all
		}
	}
	all, err := list()
	_ = missed(err)
	return all
}

// listAddrs returns the IPv4 addresses by the index of their link.
func listAddrs(h *netlink.Handle) map[int][]string {
	found := steady(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_V4) })
	addrs := map[int][]string{}
	for _, a := range found {
		if a.IPNet != nil && len(addrs[a.LinkIndex]) < maxAddrs {
			addrs[a.LinkIndex] = append(addrs[a.LinkIndex], a.IPNet.String())
		}
	}
	return addrs
}

func listRoutes(h *netlink.Handle, names map[int]string) []evidence.Route {
	return steady(func() ([]evidence.Route, error) {
		routes := []evidence.Route{}
		err := h.RouteListFilteredIter(netlink.FAMILY_V4, &netlink.Route{}, 0, func(r netlink.Route) bool {
			routes = append(routes, routeOf(r, names))
			return len(routes) < maxRoutes
		})
		return routes, err
	})
}

func routeOf(r netlink.Route, names map[int]string) evidence.Route {
	e := evidence.Route{Dst: "default", Link: names[r.LinkIndex]}
	if r.Dst != nil {
		if ones, _ := r.Dst.Mask.Size(); ones > 0 || !r.Dst.IP.IsUnspecified() {
			e.Dst = r.Dst.String()
		}
	}
	if r.Gw != nil {
		e.Via = r.Gw.String()
	}
	if e.Link == "" && r.LinkIndex != 0 {
		e.Link = strconv.Itoa(r.LinkIndex)
	}
	return e
}

// peerNetns finds the namespace of a link's other end. The kernel names it by
// an id that each namespace counts for itself, and not at all if it is the
// same one.
func (l *look) peerNetns(v *netView, a *netlink.LinkAttrs) int {
	switch {
	case a.NetNsID >= 0:
		if v.peers == nil {
			v.peers = l.peersOf(v)
		}
		return v.peers[a.NetNsID]
	case a.ParentIndex != 0:
		return v.inode
	}
	return 0
}

// peersOf asks for the id of every network namespace of the box.
func (l *look) peersOf(v *netView) map[int]int {
	l.holdAllNets()
	peers := map[int]int{}
	for _, other := range l.order {
		if id, err := v.handle.GetNetNsIdByFd(other.fd); err == nil && id >= 0 {
			peers[id] = other.inode
		}
	}
	return peers
}

// holdAllNets takes hold of the network namespaces of all processes of the
// box, and of those pinned.
func (l *look) holdAllNets() {
	if l.members == nil {
		l.members, _ = l.o.Members()
	}
	for _, pid := range l.members {
		if p, err := openProc(l.o.root, pid); err == nil {
			l.netOf(p, p.ns("net"))
			p.close()
		}
	}
	l.o.pinned(func(pin pinned) {
		if pin.ns >= 0 {
			l.holdNet(pin.ns)
		}
	})
}
