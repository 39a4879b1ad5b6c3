package driver

import (
	"errors"
	"fmt"
	"io"

	"moulinette/grader/contract"
)

// helloScript uses the shell alone: the container may hold no other program.
const helloScript = `read -r name < /proc/sys/kernel/hostname; echo "hello from $name, where I am PID $$"`

// demo is the demo session: everything that a submission can show a reader. It
// goes on after a failure and answers all of them.
func demo(rt contract.Runtime, w io.Writer) error {
	parts := []struct {
		title string
		show  func(io.Writer) error
	}{
		{"Namespaces of this process", rt.PrintNamespaceInfo},
		{"PID namespace", rt.DemonstratePIDIsolation},
		{"Network namespace", rt.DemonstrateNetworkIsolation},
		{"Mount propagation", rt.DemonstrateMountPropagation},
		{"User namespace", rt.DemonstrateUserNamespace},
		{"A simple container", func(w io.Writer) error { return hello(rt, w) }},
	}
	var all []error
	for i, part := range parts {
		fmt.Fprintf(w, "\n== %d. %s\n\n", i+1, part.title)
		if err := part.show(w); err != nil {
			fmt.Fprintln(w, "!!", err)
			all = append(all, fmt.Errorf("%s: %w", part.title, err))
		}
	}
	return errors.Join(all...)
}

func hello(rt contract.Runtime, w io.Writer) (err error) {
	cfg := &contract.ContainerConfig{Hostname: "seahaven", Cmd: []string{"/bin/sh", "-c", helloScript}}
	if err := rt.ContainerInit(cfg); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.ContainerCleanup(cfg)) }()
	if err := rt.ContainerCreate(cfg); err != nil {
		return err
	}
	fmt.Fprintf(w, "created: PID %d, hostname %s\n", cfg.PID, cfg.Hostname)
	status, err := rt.ContainerWait(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "ended: exit status %d\n", status)
	if err := rt.ContainerPrintStatus(w, cfg); err != nil {
		return err
	}
	if status != 0 {
		return fmt.Errorf("exit status %d", status)
	}
	return nil
}
