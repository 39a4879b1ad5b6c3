package reference

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"moulinette/grader/contract"
)

// containerPrefix is the length of the prefix at both ends of a container's pair.
const containerPrefix = 24

// CreateVethPair makes two interfaces that are each other's cable.
func (namespaces) CreateVethPair(a, b string) error {
	if err := errors.Join(checkInterface(a), checkInterface(b)); err != nil {
		return fmt.Errorf("create veth pair: %w", err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: b}); err != nil {
		return fmt.Errorf("create veth pair %s, %s: %w", a, b, err)
	}
	return nil
}

// MoveInterfaceToNetns moves iface to the namespace pinned as netns.
func (namespaces) MoveInterfaceToNetns(iface, netns string) error {
	ns, err := openNetns(netns)
	if err != nil {
		return fmt.Errorf("move interface %q: %w", iface, err)
	}
	defer ns.Close()
	return moveInterface(iface, ns)
}

func moveInterface(iface string, ns *os.File) error {
	link, err := findInterface(iface)
	if err == nil {
		err = netlink.LinkSetNsFd(link, int(ns.Fd()))
	}
	if err != nil {
		return fmt.Errorf("move interface %q to %s: %w", iface, ns.Name(), err)
	}
	return nil
}

// ConfigureInterface gives iface an IPv4 address.
func (namespaces) ConfigureInterface(iface, ip string, prefixLen int) error {
	address, err := parseAddress(ip, prefixLen)
	if err != nil {
		return fmt.Errorf("configure interface %q: %w", iface, err)
	}
	link, err := findInterface(iface)
	if err == nil {
		err = netlink.AddrAdd(link, &netlink.Addr{IPNet: address})
	}
	if err != nil {
		return fmt.Errorf("configure interface %q with %s: %w", iface, address, err)
	}
	return nil
}

// InterfaceUp raises iface.
func (namespaces) InterfaceUp(iface string) error {
	link, err := findInterface(iface)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("interface up %q: %w", iface, err)
	}
	return nil
}

// SetupContainerNetwork connects the namespace pinned as ctx.Name with the
// caller's.
func (n namespaces) SetupContainerNetwork(ctx *contract.NetNamespaceContext) error {
	if err := checkNetwork(ctx); err != nil {
		return fmt.Errorf("setup container network: %w", err)
	}
	ns, err := openNetns(ctx.Name)
	if err != nil {
		return fmt.Errorf("setup container network: %w", err)
	}
	defer ns.Close()
	if err := n.connect(ctx, ns); err != nil {
		return fmt.Errorf("setup container network: %w", err)
	}
	return nil
}

// connect lays the cable between the caller's namespace and inside. If a step
// fails the pair goes: removing one end removes both, wherever the other is.
func (n namespaces) connect(ctx *contract.NetNamespaceContext, inside *os.File) (err error) {
	if err := n.CreateVethPair(ctx.VethHost, ctx.VethContainer); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeInterface(ctx.VethHost))
		}
	}()
	if err := moveInterface(ctx.VethContainer, inside); err != nil {
		return err
	}
	if err := n.plug(ctx.VethHost, ctx.IPHost); err != nil {
		return err
	}
	return inNetns(inside, func() error {
		if err := n.plug(ctx.VethContainer, ctx.IPContainer); err != nil {
			return err
		}
		return n.InterfaceUp("lo")
	})
}

// plug gives iface its address and raises it.
func (n namespaces) plug(iface, ip string) error {
	if err := n.ConfigureInterface(iface, ip, containerPrefix); err != nil {
		return err
	}
	return n.InterfaceUp(iface)
}

// ExecInNetns runs argv inside the namespace pinned as netns.
func (namespaces) ExecInNetns(netns string, argv []string) (int, error) {
	if len(argv) == 0 || argv[0] == "" {
		return -1, fmt.Errorf("exec in netns %q: empty command: %w", netns, unix.EINVAL)
	}
	ns, err := openNetns(netns)
	if err != nil {
		return -1, fmt.Errorf("exec in netns %q: %w", netns, err)
	}
	defer ns.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// A child begins in the namespaces of the thread that started it. Whoever
	// waits for it may be elsewhere.
	if err := inNetns(ns, cmd.Start); err != nil {
		return -1, fmt.Errorf("exec in netns %q: %w", netns, err)
	}
	status, err := exitStatus(cmd.Wait())
	if err != nil {
		return -1, fmt.Errorf("exec in netns %q: %w", netns, err)
	}
	return status, nil
}

// checkNetwork refuses a bad context before anything has been made.
func checkNetwork(ctx *contract.NetNamespaceContext) error {
	if ctx == nil {
		return fmt.Errorf("nil context: %w", unix.EINVAL)
	}
	_, errHost := parseAddress(ctx.IPHost, containerPrefix)
	_, errContainer := parseAddress(ctx.IPContainer, containerPrefix)
	return errors.Join(checkInterface(ctx.VethHost), checkInterface(ctx.VethContainer), errHost, errContainer)
}

// checkInterface refuses what the kernel does not take for an interface's name,
// and '%', of which the kernel would make a number: veth%d becomes veth0.
func checkInterface(name string) error {
	if name == "" || name == "." || name == ".." || len(name) >= unix.IFNAMSIZ ||
		strings.ContainsAny(name, "/:% \t\n\v\f\r\x00") {
		return fmt.Errorf("bad interface name %q: %w", name, unix.EINVAL)
	}
	return nil
}

// parseAddress refuses anything but a plain IPv4 address.
func parseAddress(ip string, prefixLen int) (*net.IPNet, error) {
	address, err := netip.ParseAddr(ip)
	if err != nil || !address.Is4() || prefixLen < 0 || prefixLen > address.BitLen() {
		return nil, fmt.Errorf("bad address %s/%d: %w", ip, prefixLen, unix.EINVAL)
	}
	return &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(prefixLen, address.BitLen())}, nil
}

// findInterface looks name up in the namespace of the calling thread.
func findInterface(name string) (netlink.Link, error) {
	if err := checkInterface(name); err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, unix.ENODEV // which the package has hidden in a text
	}
	return link, err
}

// removeInterface removes name; one that is not there is no error.
func removeInterface(name string) error {
	link, err := findInterface(name)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove interface %q: %w", name, err)
	}
	return removeLink(link)
}

func removeLink(link netlink.Link) error {
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove interface %q: %w", link.Attrs().Name, err)
	}
	return nil
}
