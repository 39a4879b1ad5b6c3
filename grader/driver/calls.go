package driver

import (
	"os"
	"os/exec"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

// call makes one call of the contract. It fills in the reply what the error does
// not say.
type call func(s *shim, req *scenario.Request, reply *scenario.Reply) error

// plain is a call that answers an error and nothing else.
func plain(f func(rt contract.Runtime, a *scenario.Args) error) call {
	return func(s *shim, req *scenario.Request, _ *scenario.Reply) error { return f(s.rt, &req.Args) }
}

// onProcess is a plain call that takes the pid of a process.
func onProcess(f func(rt contract.Runtime, pid int, a *scenario.Args) error) call {
	return func(s *shim, req *scenario.Request, _ *scenario.Reply) error {
		pid := req.Args.PID
		if name := req.Args.Process; name != "" {
			known, ok := s.pids[name]
			if !ok {
				return fault("no process %q in this world", name)
			}
			pid = known
		}
		return f(s.rt, pid, &req.Args)
	}
}

// calls has every key of scenario.Calls.
var calls = map[string]call{
	"print_namespace_info": plain(func(rt contract.Runtime, _ *scenario.Args) error {
		return rt.PrintNamespaceInfo(os.Stdout)
	}),
	"is_container_init":    isContainerInit,
	"create_pid_namespace": createPIDNamespace,

	"create_network_namespace": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.CreateNetworkNamespace(a.Name)
	}),
	"create_veth_pair": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.CreateVethPair(a.A, a.B)
	}),
	"move_interface_to_netns": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MoveInterfaceToNetns(a.Iface, a.Netns)
	}),
	"configure_interface": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.ConfigureInterface(a.Iface, a.IP, a.Prefix)
	}),
	"interface_up": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.InterfaceUp(a.Iface)
	}),
	"setup_container_network": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.SetupContainerNetwork(netContext(a))
	}),
	"exec_in_netns": execInNetns,

	"setup_mount_namespace": setupMountNamespace,
	"make_mount_private": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MakeMountPrivate(a.Path)
	}),
	"make_mount_shared": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MakeMountShared(a.Path)
	}),
	"make_mount_slave": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MakeMountSlave(a.Path)
	}),
	"make_mount_unbindable": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MakeMountUnbindable(a.Path)
	}),
	"pivot_root_setup": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.PivotRootSetup(a.NewRoot, a.PutOld)
	}),
	"mount_proc": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MountProc(a.Target)
	}),
	"mount_sysfs": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MountSysfs(a.Target)
	}),
	"mount_devfs": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.MountDevfs(a.Target)
	}),
	"create_devices": plain(func(rt contract.Runtime, a *scenario.Args) error {
		return rt.CreateDevices(a.Rootfs)
	}),

	"write_uid_map": onProcess(func(rt contract.Runtime, pid int, a *scenario.Args) error {
		return rt.WriteUIDMap(pid, a.Text)
	}),
	"write_gid_map": onProcess(func(rt contract.Runtime, pid int, a *scenario.Args) error {
		return rt.WriteGIDMap(pid, a.Text)
	}),
	"setup_uid_map": onProcess(func(rt contract.Runtime, pid int, a *scenario.Args) error {
		return rt.SetupUIDMap(pid, a.Inside, a.Outside, a.Count)
	}),
	"setup_gid_map": onProcess(func(rt contract.Runtime, pid int, a *scenario.Args) error {
		return rt.SetupGIDMap(pid, a.Inside, a.Outside, a.Count)
	}),
	"deny_setgroups": onProcess(func(rt contract.Runtime, pid int, _ *scenario.Args) error {
		return rt.DenySetgroups(pid)
	}),
	"drop_capabilities": inFace("caps"),

	"container_init":          onContainer(contract.Runtime.ContainerInit),
	"container_create":        onContainer(contract.Runtime.ContainerCreate),
	"container_start":         onContainer(contract.Runtime.ContainerStart),
	"container_wait":          containerWait,
	"container_stop":          onContainer(contract.Runtime.ContainerStop),
	"container_print_status":  onContainer(printStatus),
	"container_cleanup":       onContainer(contract.Runtime.ContainerCleanup),
	"container_create_secure": onContainer(createSecure),
	"setup_seccomp_filter":    inFace("seccomp"),

	"demo":      func(s *shim, _ *scenario.Request, _ *scenario.Reply) error { return demo(s.rt, os.Stdout) },
	"run_probe": runProbe,
}

// isContainerInit asks the driver itself, or a face of it elsewhere.
func isContainerInit(s *shim, req *scenario.Request, reply *scenario.Reply) error {
	if len(req.Args.Flags) > 0 || req.Args.Process != "" {
		return inFace("init")(s, req, reply)
	}
	return askInit(s.rt, reply)
}

func askInit(rt contract.Runtime, reply *scenario.Reply) error {
	if rt.IsContainerInit() {
		reply.Value = 1
	}
	return nil
}

func createPIDNamespace(s *shim, req *scenario.Request, reply *scenario.Reply) (err error) {
	var child *exec.Cmd
	if !req.Args.Null {
		// Files, so that os/exec needs no goroutine and no pipe.
		child = &exec.Cmd{Path: probePath, Args: probeArgv(req.Probe), Stdout: os.Stdout, Stderr: os.Stderr}
	}
	reply.Value, err = s.rt.CreatePIDNamespace(child)
	return err
}

func execInNetns(s *shim, req *scenario.Request, reply *scenario.Reply) (err error) {
	argv := req.Args.Argv
	if len(argv) == 0 {
		argv = probeArgv(req.Probe)
	}
	reply.Value, err = s.rt.ExecInNetns(req.Args.Netns, argv)
	return err
}

func setupMountNamespace(s *shim, req *scenario.Request, _ *scenario.Reply) error {
	if req.Args.Null {
		return s.rt.SetupMountNamespace(nil)
	}
	ctx, err := mountContext(req.Args.Mnt)
	if err != nil {
		return err
	}
	if ctx == nil {
		ctx = &contract.MountNamespaceContext{}
	}
	return s.rt.SetupMountNamespace(ctx)
}

func netContext(a *scenario.Args) *contract.NetNamespaceContext {
	switch {
	case a.Null:
		return nil
	case a.Net == nil:
		return &contract.NetNamespaceContext{}
	default:
		return network(a.Net)
	}
}

// Variables for the tests alone.
var (
	probePath  = scenario.ProbePath
	targetPath = scenario.TargetPath
)

// probeArgv is the probe's command line: its name is how the agent tells one
// probe from another.
func probeArgv(name string) []string {
	if name == "" {
		return []string{probePath}
	}
	return []string{probePath, name}
}
