package driver

import (
	"os"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

// container is a configuration that steps share under a label.
type container struct {
	cfg       *contract.ContainerConfig
	runsProbe bool // Cmd was left to us
}

// onContainer is a call that takes a configuration.
func onContainer(f func(rt contract.Runtime, cfg *contract.ContainerConfig) error) call {
	return withContainer(func(s *shim, cfg *contract.ContainerConfig, _ *scenario.Reply) error { return f(s.rt, cfg) })
}

// containerWait also answers the exit status.
var containerWait = withContainer(func(s *shim, cfg *contract.ContainerConfig, reply *scenario.Reply) (err error) {
	reply.Value, err = s.rt.ContainerWait(cfg)
	return err
})

// withContainer looks the configuration up, makes the call, and tells what the
// configuration says after it.
func withContainer(f func(*shim, *contract.ContainerConfig, *scenario.Reply) error) call {
	return func(s *shim, req *scenario.Request, reply *scenario.Reply) error {
		cfg, err := s.container(req)
		if err != nil {
			return err
		}
		if cfg != nil {
			defer state(cfg, reply)
		}
		return f(s, cfg, reply)
	}
}

func state(cfg *contract.ContainerConfig, reply *scenario.Reply) {
	reply.PID, reply.Hostname, reply.Flags = cfg.PID, bounded(cfg.Hostname), uint64(cfg.CloneFlags)
	reply.Exited = cfg.Status.Exited()
	if reply.Exited {
		reply.Status = cfg.Status.ExitStatus()
	}
	if cfg.Status.Signaled() {
		reply.Signal = int(cfg.Status.Signal())
	}
}

// container finds the configuration of a step's label, or makes it: anew when
// the step brings one along.
func (s *shim) container(req *scenario.Request) (*contract.ContainerConfig, error) {
	if req.Args.Null {
		return nil, nil
	}
	label := req.Args.Container
	if label == "" {
		label = "main"
	}
	c := s.containers[label]
	if c == nil || req.Args.Config != nil {
		cfg, err := config(req.Args.Config)
		if err != nil {
			return nil, err
		}
		c = &container{cfg: cfg, runsProbe: len(cfg.Cmd) == 0 && !declines(req.Args.Config)}
		s.containers[label] = c
	}
	if c.runsProbe && (req.Probe != "" || len(c.cfg.Cmd) == 0) {
		c.cfg.Cmd = probeArgv(req.Probe)
	}
	return c.cfg, nil
}

// declines tells whether a config has no command, and shall not get ours.
func declines(c *scenario.Config) bool { return c != nil && c.NoCmd }

func printStatus(rt contract.Runtime, cfg *contract.ContainerConfig) error {
	return rt.ContainerPrintStatus(os.Stdout, cfg)
}

func createSecure(rt contract.Runtime, cfg *contract.ContainerConfig) error {
	// One method at a time: a bonus of which half is written is told which half.
	secure, ok := rt.(interface {
		ContainerCreateSecure(cfg *contract.ContainerConfig) error
	})
	if !ok {
		return contract.ErrNotImplemented
	}
	return secure.ContainerCreateSecure(cfg)
}

// config turns what a spec says into what the contract takes.
func config(c *scenario.Config) (*contract.ContainerConfig, error) {
	if c == nil {
		return &contract.ContainerConfig{}, nil
	}
	flags, err := cloneFlags(c.Flags)
	if err != nil {
		return nil, err
	}
	mnt, err := mountContext(c.Mnt)
	if err != nil {
		return nil, err
	}
	return &contract.ContainerConfig{
		Hostname:   c.Hostname,
		Rootfs:     c.Rootfs,
		Cmd:        c.Cmd,
		CloneFlags: flags | uintptr(c.CloneFlags),
		Net:        network(c.Net),
		Mnt:        mnt,
		User:       user(c.User),
	}, nil
}

func cloneFlags(names []string) (flags uintptr, err error) {
	known := scenario.FlagNames()
	for _, name := range names {
		flag, ok := known[name]
		if !ok {
			return 0, fault("unknown namespace %q", name)
		}
		flags |= uintptr(flag)
	}
	return flags, nil
}

func network(n *scenario.Net) *contract.NetNamespaceContext {
	if n == nil {
		return nil
	}
	return &contract.NetNamespaceContext{
		Name: n.Name, VethHost: n.VethHost, VethContainer: n.VethContainer,
		IPHost: n.IPHost, IPContainer: n.IPContainer,
	}
}

func mountContext(m *scenario.Mnt) (*contract.MountNamespaceContext, error) {
	if m == nil {
		return nil, nil
	}
	kinds := map[string]contract.MountPropagation{
		"": contract.Private, "private": contract.Private, "shared": contract.Shared,
		"slave": contract.Slave, "unbindable": contract.Unbindable,
	}
	kind, ok := kinds[m.Propagation]
	if !ok {
		return nil, fault("unknown propagation %q", m.Propagation)
	}
	return &contract.MountNamespaceContext{Rootfs: m.Rootfs, BindMounts: m.BindMounts, Propagation: kind}, nil
}

func user(u *scenario.User) *contract.UserNamespaceContext {
	if u == nil {
		return nil
	}
	return &contract.UserNamespaceContext{
		HostUID: u.HostUID, ContainerUID: u.ContainerUID,
		HostGID: u.HostGID, ContainerGID: u.ContainerGID, MapRoot: u.MapRoot,
	}
}
