package tests

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// needMachines skips a test where there is no QEMU; in CI there has to be one.
func needMachines(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range append(programs, "qemu-system-x86_64") {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("no %s: apt install qemu-system-x86 busybox-static", name)
		}
	}
}

// TestShell types into a machine's shell as a person does: at its prompt.
func TestShell(t *testing.T) {
	needMachines(t, "busybox")
	file := filepath.Join(t.TempDir(), "greeting")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho hello from $(id -u) in $(hostname)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "moulinette"), "vm", "shell", file)
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
	needMachines(t, "busybox")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // else it waits for ever
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "moulinette"), "vm", "shell")
	cmd.Stdin = strings.NewReader("cat\necho hello from $(hostname)") // cat takes the line after it, and the first end
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "hello from $(hostname)") {
		t.Errorf("cat was not given what follows:\n%s", out)
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
