package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"moulinette/grader/lack"
	"moulinette/grader/sandbox/vm"
	"moulinette/grader/sandbox/vm/image"
)

func (a *app) vmShellCommand() *cobra.Command {
	var m machines
	cmd := &cobra.Command{
		Use:   "shell [FILE...]",
		Short: "Boot a virtual machine with a shell on this terminal, as root of it",
		Long: `shell boots the kernel of --isolation=vm with busybox and a shell on this terminal,
to look at what a submission does by hand. Files that are named are in /root there.
Nothing leaves the machine, and nothing is left of it.`,
		Example: "  moulinette vm shell ./container_demo",
		RunE:    func(cmd *cobra.Command, files []string) error { return a.vmShell(cmd.Context(), m, files) },
	}
	m.flags(cmd.Flags())
	return cmd
}

func (a *app) vmShell(ctx context.Context, m machines, files []string) error {
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return usage("%s: %w", orEmpty(file), bare(err))
		}
	}
	o, remove, err := a.machineOptions(m)
	if err != nil {
		return err
	}
	defer remove()
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return &failure{exitHarness, vm.ErrNoQEMU}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return &failure{exitHarness, &lack.Error{
			EN: "no busybox in PATH; as root, apt install busybox-static",
			FR: "pas de busybox dans PATH ; en root, apt install busybox-static",
		}}
	}
	img, err := image.Build(ctx, o.Image())
	if err != nil {
		return machineError(err)
	}
	initrd, err := os.CreateTemp("", "moulinette-shell-")
	if err != nil {
		return fault("shell: %w", err)
	}
	defer os.Remove(initrd.Name())
	defer initrd.Close()
	if err := img.WriteShell(initrd, busybox, files); err != nil {
		return machineError(err)
	}
	return a.boot(ctx, qemu, img.Kernel, initrd.Name())
}

// boot runs a machine on this terminal until it ends.
func (a *app) boot(ctx context.Context, qemu, kernel, initrd string) error {
	words := fmt.Sprintf("%s TERM=%s", image.ShellCommand, a.env("TERM"))
	if columns, rows, err := term.GetSize(int(os.Stdin.Fd())); err == nil {
		words += fmt.Sprintf(" ROWS=%d COLS=%d", rows, columns)
	}
	cmd := exec.CommandContext(ctx, qemu,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", "q35", "-accel", "tcg", "-m", "512",
		"-chardev", "stdio,id=terminal,mux=on,signal=off", "-serial", "chardev:terminal",
		"-kernel", kernel, "-initrd", initrd, "-append", words)
	shown := &prompted{Writer: a.stdout, prompt: image.ShellPrompt, seen: make(chan struct{})}
	stdin, err := typed(shown.seen)
	if err != nil {
		return fault("shell: %w", err)
	}
	defer stdin.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, shown, a.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Pdeathsig is about the thread that forked: it has to stay until the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fault("qemu: %w", err)
	}
	return nil
}

// typed is what the machine's terminal gets: ours, or what stands in stdin as if
// it were typed, from the first prompt on: a shell that takes a terminal over drops
// what was typed before. A terminal has no end, so at that of stdin Ctrl-D is typed
// until whoever reads has ended.
func typed(prompted <-chan struct{}) (*os.File, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return os.Stdin, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() { // ends with the machine, when nobody reads any more
		defer w.Close()
		<-prompted
		_, err := io.Copy(w, os.Stdin)
		for end := "\n\x04"; err == nil; end = "\x04" {
			_, err = io.WriteString(w, end)
		}
	}()
	return r, nil
}

// prompted tells when a prompt has been written to it.
type prompted struct {
	io.Writer
	prompt string
	last   string
	seen   chan struct{} // closed then
}

// Write passes p on.
func (w *prompted) Write(p []byte) (int, error) {
	if w.prompt != "" {
		w.last += string(p)
		if strings.Contains(w.last, w.prompt) {
			close(w.seen)
			w.prompt = ""
		}
		w.last = w.last[max(0, len(w.last)-len(w.prompt)):]
	}
	return w.Writer.Write(p)
}
