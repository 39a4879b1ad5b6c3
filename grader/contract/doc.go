// Package contract is the border between an exercise and a submission: what a
// student implements, one Go method for each function of linux_namespaces.h.
//
// # The same API in two languages
//
//	C                              Go
//	print_namespace_info           Info.PrintNamespaceInfo
//	create_pid_namespace           PID.CreatePIDNamespace
//	is_container_init              PID.IsContainerInit
//	demonstrate_pid_isolation      PID.DemonstratePIDIsolation
//	create_network_namespace       Network.CreateNetworkNamespace
//	create_veth_pair               Network.CreateVethPair
//	move_interface_to_netns        Network.MoveInterfaceToNetns
//	configure_interface            Network.ConfigureInterface
//	interface_up                   Network.InterfaceUp
//	setup_container_network        Network.SetupContainerNetwork
//	exec_in_netns                  Network.ExecInNetns
//	demonstrate_network_isolation  Network.DemonstrateNetworkIsolation
//	setup_mount_namespace          Mount.SetupMountNamespace
//	make_mount_private             Mount.MakeMountPrivate
//	make_mount_shared              Mount.MakeMountShared
//	make_mount_slave               Mount.MakeMountSlave
//	make_mount_unbindable          Mount.MakeMountUnbindable
//	pivot_root_setup               Mount.PivotRootSetup
//	mount_proc                     Mount.MountProc
//	mount_sysfs                    Mount.MountSysfs
//	mount_devfs                    Mount.MountDevfs
//	create_devices                 Mount.CreateDevices
//	demonstrate_mount_propagation  Mount.DemonstrateMountPropagation
//	write_uid_map                  User.WriteUIDMap
//	write_gid_map                  User.WriteGIDMap
//	setup_uid_map                  User.SetupUIDMap
//	setup_gid_map                  User.SetupGIDMap
//	deny_setgroups                 User.DenySetgroups
//	drop_capabilities              User.DropCapabilities
//	demonstrate_user_namespace     User.DemonstrateUserNamespace
//	container_init                 Container.ContainerInit
//	container_create               Container.ContainerCreate
//	container_start                Container.ContainerStart
//	container_wait                 Container.ContainerWait
//	container_stop                 Container.ContainerStop
//	container_entry                Container.ContainerEntry
//	container_print_status         Container.ContainerPrintStatus
//	container_cleanup              Container.ContainerCleanup
//	setup_seccomp_filter           Seccomp.SetupSeccompFilter (bonus)
//	container_create_secure        Seccomp.ContainerCreateSecure (bonus)
//
// Where C returns 0 or -1 and sets errno, Go returns nil or an error that
// unwraps to the errno (errors.Is(err, unix.EPERM) must hold for a refused
// system call). A bad argument is an error that unwraps to unix.EINVAL.
//
// # Threads
//
// A namespace belongs to a thread, not to a process, and Go moves goroutines
// between threads. Every method is therefore called on a goroutine that is
// locked to the main thread of the process: what it unshares, that thread
// keeps, and children started from it inherit it. A method that has to visit
// another namespace and come back does so on a locked goroutine of its own, or
// restores what it found before it returns.
//
// # The child side
//
// C hands clone(2) a function. Go cannot: the runtime does not survive a bare
// clone, so the child is a fresh execution of a program.
//
//   - [PID.CreatePIDNamespace] receives a prepared [exec.Cmd].
//   - A container's child side is this very program executed again:
//     [EntryCommand] prepares that command, and in the child the contract calls
//     [Container.ContainerEntry] with the same configuration. Clone flags, the
//     synchronisation pipe, the maps and the wait stay the student's work.
//
// # Half-done work
//
// Embed [Unimplemented]: what is not written yet answers [ErrNotImplemented],
// the rest earns its rows.
package contract
