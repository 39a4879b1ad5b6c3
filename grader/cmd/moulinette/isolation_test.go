package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"moulinette/grader/sandbox/vm/image"
)

// Flags about machines are for where there may be some.
func TestFlagsOfMachines(t *testing.T) {
	kernel := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(kernel, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		refuse string // isolations that do not go with them
	}{
		{nil, ""},
		{[]string{"--kernel", kernel}, "ns privileged "},
		{[]string{"--kernel", kernel, "--modules", t.TempDir()}, "ns privileged "},
		{[]string{"--reuse-machines"}, "ns privileged "},
		{[]string{"--reuse-machines=false"}, "ns privileged "},
	} {
		refused := ""
		for _, kind := range []string{"auto", "ns", "privileged", "vm"} {
			i := isolation{reuse: true} // as verify has it, unasked
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			i.flags(flags)
			if err := flags.Parse(append(test.args, "--isolation", kind)); err != nil {
				t.Fatal(err)
			}
			err := i.check()
			if f, ok := errors.AsType[*failure](err); ok && f.code == exitUsage {
				refused += kind + " "
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != test.refuse {
			t.Errorf("%v: refused with %s; want %s", test.args, refused, test.refuse)
		}
	}
}

// A kernel that no machine boots is its giver's mistake, and one that was found the host's.
func TestWhoseKernel(t *testing.T) {
	err := fmt.Errorf("kernel: %w", &image.Unusable{Path: "vmlinuz"})
	for kernel, want := range map[string]int{"": exitHarness, "vmlinuz": exitUsage} {
		m := machines{kernel: kernel}
		if f, ok := errors.AsType[*failure](m.machineError(err)); !ok || f.code != want {
			t.Errorf("--kernel %q: %+v; want exit code %d", kernel, f, want)
		}
	}
}
