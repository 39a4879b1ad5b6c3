package student

import (
	"io"

	"moulinette/grader/contract"
)

// CreateNetworkNamespace makes a network namespace that has a name and outlives
// the process that made it.
//
// A namespace ends with its last process, unless something else refers to it: a
// mount of its file does. `ip netns add` does the same, with strace you can
// watch it. See ip-netns(8), unshare(2), mount(2) under MS_BIND.
//
// Pitfalls:
//   - A name becomes part of a path. "../../etc/passwd" is not a name.
//   - A name that exists is refused, and must not be checked before but by the
//     very call that creates the file: see O_EXCL in open(2).
//   - Your caller must still be in his own namespace when you return. Which
//     thread did you unshare?
//   - A step that fails leaves no file.
func (namespaces) CreateNetworkNamespace(name string) error {
	return contract.ErrNotImplemented
}

// CreateVethPair makes two interfaces, each of which receives what the other
// sends: one of the producer's secret bridges.
//
// See veth(4), and the types of links in the netlink package.
//
// Pitfalls: names have a maximal length (the constant IFNAMSIZ counts the zero
// at the end), and characters that the kernel refuses. Refuse them yourself: the
// kernel has its own ideas about '%'.
func (namespaces) CreateVethPair(a, b string) error {
	return contract.ErrNotImplemented
}

// MoveInterfaceToNetns moves an interface of ours into the named namespace.
//
// The kernel wants to know which namespace by a descriptor or by a PID, and you
// have a name: where did CreateNetworkNamespace put it? See ip-link(8) under
// netns, and go doc github.com/vishvananda/netlink.LinkSetNsFd.
//
// Pitfalls: close what you opened, on every path. And mind the order of things:
// an interface that moves loses its addresses and goes down.
func (namespaces) MoveInterfaceToNetns(iface, netns string) error {
	return contract.ErrNotImplemented
}

// ConfigureInterface gives an interface an IPv4 address.
//
// Pitfalls: check the address and the length of its prefix before you change
// anything. How many bits has an IPv4 address? Is "::1" one? See net/netip.
func (namespaces) ConfigureInterface(iface, ip string, prefixLen int) error {
	return contract.ErrNotImplemented
}

// InterfaceUp raises an interface. See IFF_UP in netdevice(7).
func (namespaces) InterfaceUp(iface string) error {
	return contract.ErrNotImplemented
}

// SetupContainerNetwork connects a named namespace with ours, from one end to
// the other: the pair, the move, two addresses, two ends up, and lo.
//
// You have written every step. But for the second half of them you have to be
// inside: which thread goes there, and who gets it afterwards? See setns(2).
//
// Pitfalls:
//   - Between the second and the last step anything may fail. What must go
//     then, and how little does it take to remove both ends of a pair?
//   - Without lo a program in there cannot even talk to itself.
func (namespaces) SetupContainerNetwork(ctx *contract.NetNamespaceContext) error {
	return contract.ErrNotImplemented
}

// ExecInNetns runs a command inside a named namespace and returns its exit
// status.
//
// A child starts in the namespaces of the thread that starts it. Of that thread,
// not of the process. See setns(2): this is the exit door.
//
// Pitfalls: argv is a vector, so there is no shell to quote for; and all that is
// said about waiting at CreatePIDNamespace.
func (namespaces) ExecInNetns(netns string, argv []string) (int, error) {
	return -1, contract.ErrNotImplemented
}

// DemonstrateNetworkIsolation shows a reader two namespaces, first apart, then
// talking. A socket stays in the namespace that it was made in.
func (namespaces) DemonstrateNetworkIsolation(w io.Writer) error {
	return contract.ErrNotImplemented
}
