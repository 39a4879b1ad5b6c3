package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

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
	if err := carried(files); err != nil {
		return err
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
		return m.machineError(err)
	}
	initrd, err := os.CreateTemp("", "moulinette-shell-")
	if err != nil {
		return fault("shell: %w", err)
	}
	defer initrd.Close()
	if err := os.Remove(initrd.Name()); err != nil { // without a name nothing is left, whatever ends us
		return fault("shell: %w", err)
	}
	if err := img.WriteShell(initrd, busybox, files); err != nil {
		return &failure{exitHarness, err}
	}
	return a.boot(ctx, qemu, img.Kernel, initrd)
}

// carried refuses what cannot be a file in the machine's /root, beside the others.
func carried(files []string) error {
	taken := map[string]string{}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return usage("%s: %w", orEmpty(file), bare(err))
		}
		if !info.Mode().IsRegular() {
			return usage("%s: no regular file; of a folder, name what is in it, or an archive of it (tar)", file)
		}
		name := filepath.Base(file)
		if other, twice := taken[name]; twice {
			return usage("%s: in the machine it would take the place of %s, /root/%s; give one another name", file, other, name)
		}
		taken[name] = file
	}
	return nil
}

// promptPatience bounds the wait for a prompt to type at.
const promptPatience = 3 * time.Minute

var errNoPrompt error = &lack.Error{
	EN: fmt.Sprintf("the machine's shell did not come in %v: this host is too slow for a machine, or its kernel does not boot", promptPatience),
	FR: fmt.Sprintf("le shell de la machine n'est pas venu en %v : cette machine est trop lente pour elle, ou son noyau ne démarre pas", promptPatience),
}

// boot runs a machine on this terminal until it ends.
func (a *app) boot(ctx context.Context, qemu, kernel string, initrd *os.File) error {
	words := fmt.Sprintf("%s TERM=%s", image.ShellCommand, a.env("TERM"))
	if columns, rows, err := term.GetSize(int(os.Stdin.Fd())); err == nil {
		words += fmt.Sprintf(" ROWS=%d COLS=%d", rows, columns)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := exec.CommandContext(ctx, qemu,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", "q35", "-accel", "tcg", "-m", "512",
		"-chardev", "stdio,id=terminal,mux=on,signal=off", "-serial", "chardev:terminal",
		"-kernel", kernel, "-initrd", "/proc/self/fd/3", "-append", words)
	cmd.ExtraFiles = []*os.File{initrd}
	shown := &prompted{Writer: a.stdout, prompt: image.ShellPrompt, seen: make(chan struct{})}
	stdin, err := typed(shown.seen, func() { stop(errNoPrompt) })
	if err != nil {
		return fault("shell: %w", err)
	}
	defer stdin.Close()
	if state, err := term.GetState(int(os.Stdin.Fd())); err == nil { // QEMU that is killed leaves it as a guest wants it
		defer func() { _ = term.Restore(int(os.Stdin.Fd()), state) }()
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, shown, a.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Pdeathsig is about the thread that forked: it has to stay until the end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if errors.Is(context.Cause(ctx), errNoPrompt) {
			err = errNoPrompt
		}
		return fault("qemu: %w", err)
	}
	return nil
}

// typed is what the machine's terminal gets: ours, or what stands in stdin as if
// it were typed, from the first prompt on: a shell that takes a terminal over drops
// what was typed before. A terminal has no end, so at that of stdin Ctrl-D is typed
// until whoever reads has ended. Where no prompt comes, nobody may be there to see it.
func typed(prompted <-chan struct{}, giveUp func()) (*os.File, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return os.Stdin, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() { // ends with the machine, when nobody reads any more
		defer w.Close()
		select {
		case <-prompted:
		case <-time.After(promptPatience):
			giveUp()
			return
		}
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
