package contract

import (
	"errors"
	"io"
	"os/exec"
)

// ErrNotImplemented is what every method of [Unimplemented] answers.
var ErrNotImplemented = errors.New("not implemented")

// Unimplemented implements [Runtime] by refusing everything. Embed it in a
// submission, and replace its methods one after the other.
type Unimplemented struct{}

var _ Runtime = Unimplemented{}

// PrintNamespaceInfo answers ErrNotImplemented.
func (Unimplemented) PrintNamespaceInfo(io.Writer) error { return ErrNotImplemented }

// CreatePIDNamespace answers ErrNotImplemented.
func (Unimplemented) CreatePIDNamespace(*exec.Cmd) (int, error) { return -1, ErrNotImplemented }

// IsContainerInit answers false.
func (Unimplemented) IsContainerInit() bool { return false }

// DemonstratePIDIsolation answers ErrNotImplemented.
func (Unimplemented) DemonstratePIDIsolation(io.Writer) error { return ErrNotImplemented }

// CreateNetworkNamespace answers ErrNotImplemented.
func (Unimplemented) CreateNetworkNamespace(string) error { return ErrNotImplemented }

// CreateVethPair answers ErrNotImplemented.
func (Unimplemented) CreateVethPair(_, _ string) error { return ErrNotImplemented }

// MoveInterfaceToNetns answers ErrNotImplemented.
func (Unimplemented) MoveInterfaceToNetns(_, _ string) error { return ErrNotImplemented }

// ConfigureInterface answers ErrNotImplemented.
func (Unimplemented) ConfigureInterface(_, _ string, _ int) error { return ErrNotImplemented }

// InterfaceUp answers ErrNotImplemented.
func (Unimplemented) InterfaceUp(string) error { return ErrNotImplemented }

// SetupContainerNetwork answers ErrNotImplemented.
func (Unimplemented) SetupContainerNetwork(*NetNamespaceContext) error { return ErrNotImplemented }

// ExecInNetns answers ErrNotImplemented.
func (Unimplemented) ExecInNetns(string, []string) (int, error) { return -1, ErrNotImplemented }

// DemonstrateNetworkIsolation answers ErrNotImplemented.
func (Unimplemented) DemonstrateNetworkIsolation(io.Writer) error { return ErrNotImplemented }

// SetupMountNamespace answers ErrNotImplemented.
func (Unimplemented) SetupMountNamespace(*MountNamespaceContext) error { return ErrNotImplemented }

// MakeMountPrivate answers ErrNotImplemented.
func (Unimplemented) MakeMountPrivate(string) error { return ErrNotImplemented }

// MakeMountShared answers ErrNotImplemented.
func (Unimplemented) MakeMountShared(string) error { return ErrNotImplemented }

// MakeMountSlave answers ErrNotImplemented.
func (Unimplemented) MakeMountSlave(string) error { return ErrNotImplemented }

// MakeMountUnbindable answers ErrNotImplemented.
func (Unimplemented) MakeMountUnbindable(string) error { return ErrNotImplemented }

// PivotRootSetup answers ErrNotImplemented.
func (Unimplemented) PivotRootSetup(_, _ string) error { return ErrNotImplemented }

// MountProc answers ErrNotImplemented.
func (Unimplemented) MountProc(string) error { return ErrNotImplemented }

// MountSysfs answers ErrNotImplemented.
func (Unimplemented) MountSysfs(string) error { return ErrNotImplemented }

// MountDevfs answers ErrNotImplemented.
func (Unimplemented) MountDevfs(string) error { return ErrNotImplemented }

// CreateDevices answers ErrNotImplemented.
func (Unimplemented) CreateDevices(string) error { return ErrNotImplemented }

// DemonstrateMountPropagation answers ErrNotImplemented.
func (Unimplemented) DemonstrateMountPropagation(io.Writer) error { return ErrNotImplemented }

// WriteUIDMap answers ErrNotImplemented.
func (Unimplemented) WriteUIDMap(int, string) error { return ErrNotImplemented }

// WriteGIDMap answers ErrNotImplemented.
func (Unimplemented) WriteGIDMap(int, string) error { return ErrNotImplemented }

// SetupUIDMap answers ErrNotImplemented.
func (Unimplemented) SetupUIDMap(_, _, _, _ int) error { return ErrNotImplemented }

// SetupGIDMap answers ErrNotImplemented.
func (Unimplemented) SetupGIDMap(_, _, _, _ int) error { return ErrNotImplemented }

// DenySetgroups answers ErrNotImplemented.
func (Unimplemented) DenySetgroups(int) error { return ErrNotImplemented }

// DropCapabilities answers ErrNotImplemented.
func (Unimplemented) DropCapabilities(uint64) error { return ErrNotImplemented }

// DemonstrateUserNamespace answers ErrNotImplemented.
func (Unimplemented) DemonstrateUserNamespace(io.Writer) error { return ErrNotImplemented }

// ContainerInit answers ErrNotImplemented.
func (Unimplemented) ContainerInit(*ContainerConfig) error { return ErrNotImplemented }

// ContainerCreate answers ErrNotImplemented.
func (Unimplemented) ContainerCreate(*ContainerConfig) error { return ErrNotImplemented }

// ContainerStart answers ErrNotImplemented.
func (Unimplemented) ContainerStart(*ContainerConfig) error { return ErrNotImplemented }

// ContainerWait answers ErrNotImplemented.
func (Unimplemented) ContainerWait(*ContainerConfig) (int, error) { return -1, ErrNotImplemented }

// ContainerStop answers ErrNotImplemented.
func (Unimplemented) ContainerStop(*ContainerConfig) error { return ErrNotImplemented }

// ContainerEntry answers ErrNotImplemented.
func (Unimplemented) ContainerEntry(*ContainerConfig) error { return ErrNotImplemented }

// ContainerPrintStatus answers ErrNotImplemented.
func (Unimplemented) ContainerPrintStatus(io.Writer, *ContainerConfig) error {
	return ErrNotImplemented
}

// ContainerCleanup answers ErrNotImplemented.
func (Unimplemented) ContainerCleanup(*ContainerConfig) error { return ErrNotImplemented }
