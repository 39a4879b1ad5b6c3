package tests

import (
	"bufio"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needMachines skips a test where there is no QEMU; in CI there has to be one.
func needMachines(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		lacking(t, "no qemu-system-x86_64: apt install qemu-system-x86")
	}
}

// needShell is for tests that want a busybox in a machine, where there are no libraries.
func needShell(t *testing.T) {
	t.Helper()
	needMachines(t)
	const cure = "apt install busybox-static"
	path, err := exec.LookPath("busybox")
	if err != nil {
		lacking(t, "no busybox: "+cure)
	}
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		lacking(t, "a busybox that is linked dynamically: "+cure)
	}
}

func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// shell is `moulinette vm shell`, which ends with the test, or after two minutes: no
// machine is waited for without end.
func shell(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "moulinette"), append([]string{"vm", "shell"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 10*time.Second // it takes its QEMU along
	return cmd
}

// TestShell types into a machine's shell as a person does: at its prompt.
func TestShell(t *testing.T) {
	needShell(t)
	file := filepath.Join(t.TempDir(), "greeting")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho hello from $(id -u) in $(hostname)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := shell(t, file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	console := bufio.NewReader(io.TeeReader(out, &said))
	for _, line := range []string{
		"./greeting\n",
		// pivot_root(2) works there, as in the exercise.
		"mkdir /new && mount -t tmpfs new /new && mkdir /new/old && unshare -m pivot_root /new /new/old && echo pivot''ed\n",
		"exit\n",
	} {
		if err := readTo(console, "/root # "); err != nil {
			t.Fatal("no prompt:", err)
		}
		if _, err := io.WriteString(in, line); err != nil {
			t.Fatal(err)
		}
	}
	_, err = io.Copy(io.Discard, console)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"hello from 0 in guest", "pivoted"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q is missing:\n%s", want, said.String())
		}
	}
}

// TestShellEnds: a script that is piped in is typed, and ends the machine.
func TestShellEnds(t *testing.T) {
	needShell(t)
	cmd := shell(t)
	cmd.Stdin = strings.NewReader("tr a-z A-Z\nthis is not for the shell") // tr takes the line after it, and the first end
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What is typed is shown as well, so it has to be what only tr makes of it.
	if !strings.Contains(string(out), "THIS IS NOT FOR THE SHELL") {
		t.Errorf("tr was not given what follows:\n%s", out)
	}
}

// readTo reads until it has read text.
func readTo(r *bufio.Reader, text string) error {
	for got := ""; !strings.HasSuffix(got, text); {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		got += string(c)
	}
	return nil
}
