package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"moulinette/grader/lack"
	"moulinette/grader/sandbox"
	"moulinette/grader/sandbox/ns"
	"moulinette/grader/sandbox/vm"
)

// isolation is the flags that say what kind of sandbox scenarios run in.
type isolation struct {
	kind  string
	reuse bool // of virtual machines
	machines
	set *pflag.FlagSet // nil: none was given
}

func (i *isolation) flags(flags *pflag.FlagSet) {
	i.set = flags
	flags.StringVar(&i.kind, "isolation", "auto", "sandbox: auto, ns, privileged or vm")
	flags.BoolVar(&i.reuse, "reuse-machines", i.reuse, "let a virtual machine serve several scenarios of a submission, each in a box of its own: several times faster")
	i.machines.flags(flags)
}

func (i *isolation) check() error {
	if err := oneOf("isolation", i.kind, []string{"auto", "ns", "privileged", "vm"}); err != nil {
		return err
	}
	if i.kind == "ns" || i.kind == "privileged" {
		if err := i.noMachines(); err != nil {
			return err
		}
	}
	return i.machines.check()
}

// noMachines refuses flags about machines where there will be none: who gives them
// believes something else.
func (i *isolation) noMachines() error {
	for _, flag := range []string{"kernel", "modules", "kernel-sha256", "reuse-machines"} {
		if i.set != nil && i.set.Changed(flag) {
			return usage("--%s is about virtual machines, and --isolation=%s makes none", flag, i.kind)
		}
	}
	return nil
}

// opener opens sandboxes of the asked kind. auto takes namespaces where they
// work, for they are faster, and else virtual machines.
func (i *isolation) opener(ctx context.Context, agent, cache string) (sandbox.Opener, error) {
	if i.kind == "vm" {
		return i.newMachines(ctx, agent, cache)
	}
	spaces, err := ns.New(ns.Options{Agent: agent, Privileged: i.kind == "privileged", Hide: private()})
	switch {
	case err == nil:
		return spaces, nil
	case i.kind != "auto":
		return nil, &failure{exitHarness, err}
	}
	machines, wrong := i.newMachines(ctx, agent, cache)
	if errors.Is(wrong, vm.ErrNoQEMU) {
		return nil, &failure{exitHarness, errors.Join(err, &lack.Error{
			EN: "nor is there QEMU, with which it would need no namespaces: as root, apt install qemu-system-x86",
			FR: "ni QEMU, avec lequel il ne faudrait pas d'espaces de noms : en root, apt install qemu-system-x86",
		})}
	}
	if said, ok := errors.AsType[*failure](wrong); ok { // a kernel that was given may be what is wrong
		return nil, &failure{said.code, errors.Join(err, wrong)}
	}
	return machines, nil
}

// newMachines fails with a [failure].
func (i *isolation) newMachines(ctx context.Context, agent, cache string) (sandbox.Opener, error) {
	o := i.options(agent, cache)
	o.Reuse = i.reuse
	op, err := vm.New(ctx, o)
	if err != nil {
		return nil, i.machineError(ended(ctx, fmt.Errorf("sandbox: %w", err)))
	}
	return op, nil
}
