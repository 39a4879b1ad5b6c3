package box

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"moulinette/grader/box/puppet"
	"moulinette/grader/scenario"
)

// world has init make what the scenario asks for.
func (b *Box) world(w scenario.World) error {
	for _, m := range w.Mounts {
		if err := b.play("mount "+m.Target, makeMount(m)); err != nil {
			return err
		}
	}
	for _, name := range w.Netns {
		if err := b.addNetns(name); err != nil {
			return err
		}
	}
	for _, l := range w.Links {
		if err := b.addLink(l); err != nil {
			return err
		}
	}
	for _, f := range w.Files {
		if err := b.makeFile(f); err != nil {
			return err
		}
	}
	return nil
}

// play has init make the calls of a program.
func (b *Box) play(what string, p *puppet.Program) error {
	if _, err := b.init.Play(p); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// mkdirs makes a folder and those above it, as far as they are missing.
func mkdirs(p *puppet.Program, path string) {
	for end := range path {
		if end > 0 && path[end] == '/' {
			mkdir(p, path[:end])
		}
	}
	mkdir(p, path)
}

func mkdir(p *puppet.Program, path string) {
	p.Call("mkdir "+path, unix.SYS_MKDIRAT, unix.AT_FDCWD, path, 0o755).Allow(unix.EEXIST)
}

func mountTmpfs(p *puppet.Program, target string) {
	mkdirs(p, target)
	p.Call("mount", unix.SYS_MOUNT, "tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=4m")
}

func makeMount(m scenario.Mount) *puppet.Program {
	p := puppet.NewProgram()
	if m.Source == "" {
		mountTmpfs(p, m.Target)
	} else {
		mkdirs(p, m.Target)
		p.Call("bind", unix.SYS_MOUNT, m.Source, m.Target, "", unix.MS_BIND, 0)
	}
	propagation := unix.MS_SHARED
	if m.Private {
		propagation = unix.MS_PRIVATE
	}
	p.Call("propagation", unix.SYS_MOUNT, "", m.Target, "", propagation, 0)
	return p
}

// addNetns does what `ip netns add` does: /run/netns becomes a shared mount of
// itself, and a new namespace is bound on a file in it.
func (b *Box) addNetns(name string) error {
	shared := puppet.NewProgram()
	mkdirs(shared, scenario.NetnsDir)
	shareNetnsDir(shared)
	err := b.play("netns "+name, shared)
	if errors.Is(err, unix.EINVAL) { // it is no mount yet
		bound := puppet.NewProgram()
		bound.Call("bind", unix.SYS_MOUNT, scenario.NetnsDir, scenario.NetnsDir, "", unix.MS_BIND, 0)
		shareNetnsDir(bound)
		err = b.play("netns "+name, bound)
	}
	if err != nil {
		return err
	}
	return b.play("netns "+name, pinNetns(filepath.Join(scenario.NetnsDir, name)))
}

func shareNetnsDir(p *puppet.Program) {
	p.Call("share", unix.SYS_MOUNT, "", scenario.NetnsDir, "", unix.MS_SHARED, 0)
}

// pinNetns has init go into a new network namespace, bind it, and come back.
func pinNetns(path string) *puppet.Program {
	const own = "/proc/self/ns/net"
	p := puppet.NewProgram()
	file := p.Call("create", unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	file.Feed(p.Call("close", unix.SYS_CLOSE, 0), 0)
	home := p.Call("hold the old one", unix.SYS_OPENAT, unix.AT_FDCWD, own, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	p.Call("unshare", unix.SYS_UNSHARE, unix.CLONE_NEWNET)
	p.Call("bind", unix.SYS_MOUNT, own, path, "", unix.MS_BIND, 0)
	back := p.Call("come back", unix.SYS_SETNS, 0, unix.CLONE_NEWNET)
	home.Feed(back, 0).Feed(p.Call("close", unix.SYS_CLOSE, 0), 0)
	return p
}

// addLink makes a pair of links, by a message to netlink that init sends for us:
// only who is in the namespace may, whoever the agent is.
func (b *Box) addLink(l scenario.VethPair) error {
	p := puppet.NewProgram()
	message, answer := p.Bytes(vethMessage(l)), p.Bytes(make([]byte, 1024))
	socket := p.Call("socket", unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	send := p.Call("send", unix.SYS_SENDTO, 0, message, len(vethMessage(l)), 0, 0, 0)
	receive := p.Call("receive", unix.SYS_RECVFROM, 0, answer, 1024, 0, 0, 0).Least(unix.SizeofNlMsghdr + unix.SizeofNlMsgerr)
	socket.Feed(send, 0).Feed(receive, 0).Feed(p.Call("close", unix.SYS_CLOSE, 0), 0)
	p.Returns(answer + unix.SizeofNlMsghdr)
	failed, err := b.init.Play(p)
	if err == nil && failed != 0 {
		err = unix.Errno(-failed)
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", l.A, err)
	}
	return nil
}

// vethMessage asks for a pair of links, see rtnetlink(7).
func vethMessage(l scenario.VethPair) []byte {
	r := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(l.A)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	nl.NewIfInfomsgChild(peer, unix.AF_UNSPEC)
	peer.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(l.B))
	r.AddData(info)
	return r.Serialize()
}

// piece is how much of a file is written at once.
const piece = 32 << 10

func (b *Box) makeFile(f scenario.File) error {
	what := "file " + f.Path
	p := puppet.NewProgram()
	if f.Dir {
		mkdirs(p, f.Path)
		p.Call("chmod", unix.SYS_FCHMODAT, unix.AT_FDCWD, f.Path, mode(f, 0o755))
		return b.play(what, p)
	}
	mkdirs(p, filepath.Dir(f.Path))
	if f.Link != "" {
		p.Call("link", unix.SYS_SYMLINKAT, f.Link, unix.AT_FDCWD, f.Path)
		return b.play(what, p)
	}
	writeFile(p, f.Path, f.Content[:min(len(f.Content), piece)], unix.O_TRUNC)
	err := b.play(what, p)
	for at := piece; err == nil && at < len(f.Content); at += piece {
		more := puppet.NewProgram()
		writeFile(more, f.Path, f.Content[at:min(len(f.Content), at+piece)], unix.O_APPEND)
		err = b.play(what, more)
	}
	if err != nil {
		return err
	}
	last := puppet.NewProgram()
	last.Call("chmod", unix.SYS_FCHMODAT, unix.AT_FDCWD, f.Path, mode(f, 0o644))
	return b.play(what, last)
}

func mode(f scenario.File, otherwise int) int {
	if f.Mode == 0 {
		return otherwise
	}
	return int(f.Mode)
}

// writeFile waits for nobody: not for a fifo's reader, nor for the end of a lease.
func writeFile(p *puppet.Program, path, text string, how int) {
	open := p.Call("open", unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_CREAT|unix.O_NONBLOCK|unix.O_CLOEXEC|how, 0o644)
	write := p.Call("write", unix.SYS_WRITE, 0, text, len(text)).Least(len(text))
	open.Feed(write, 0).Feed(p.Call("close", unix.SYS_CLOSE, 0), 0)
}

// Host has init do one thing in the peer's namespaces.
func (b *Box) Host(h scenario.Host) error {
	p := puppet.NewProgram()
	switch {
	case h.Mount != "":
		mountTmpfs(p, h.Mount)
	case h.Umount != "":
		p.Call("umount", unix.SYS_UMOUNT2, h.Umount, 0)
	case h.NetnsAdd != "":
		return b.addNetns(h.NetnsAdd)
	case h.Write != "":
		return b.makeFile(scenario.File{Path: h.Write, Content: "written by the host\n"})
	default:
		return errors.New("empty host step")
	}
	return b.play("host", p)
}
