// Command moulinette grades container runtimes that students build from Linux
// namespaces. This package wires: it alone reads flags, the environment and the
// terminal, and turns what happened into an exit code.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/term"

	"moulinette/grader/lack"
	"moulinette/grader/report"
)

// Exit codes.
const (
	exitPass        = 0
	exitFail        = 1   // graded, and under the passing score
	exitUsage       = 2   // flags, spec or submission folder unusable
	exitHarness     = 3   // harness or host fault, or an undecided outcome
	exitInterrupted = 130 // as shells say of SIGINT
)

var errInterrupted error = &lack.Error{EN: "interrupted", FR: "interrompue"}

func main() {
	debug.SetTraceback("crash") // the exit code of a crash is 2 otherwise, which means something else here
	syscall.Umask(0o022)        // what boxes and drivers are made of must be there for the ids of a box
	raiseLimits()
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends at once
	a := &app{stdout: os.Stdout, stderr: os.Stderr, env: os.Getenv}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// app is the program's surroundings.
type app struct {
	stdout, stderr io.Writer
	env            func(string) string

	lang    string // fr, en
	noColor bool
	agent   string // path of moulinette-agent; empty: beside this program
}

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

// Error is empty if the report has said everything.
func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.err }

// exit makes an exit code an error; 0 is none.
func exit(code int) error {
	if code == exitPass {
		return nil
	}
	return &failure{code: code}
}

func usage(format string, values ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, values...)}
}

func fault(format string, values ...any) error {
	return &failure{exitHarness, fmt.Errorf(format, values...)}
}

// run runs one command line and returns its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	out := &faithful{Writer: a.stdout}
	a.stdout = out
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && out.failed != nil { // of a writer that does not look, as that of --help
		err = fault("stdout: %w", out.failed)
	}
	if err == nil {
		return exitPass
	}
	if ctx.Err() != nil {
		fmt.Fprintln(a.stderr, "moulinette: "+lack.In(a.lang, errInterrupted))
		return exitInterrupted
	}
	code := exitUsage // what cobra itself refuses
	if f := (*failure)(nil); errors.As(err, &f) {
		code = f.code
	}
	if err.Error() != "" {
		for line := range strings.Lines(lack.In(a.lang, err)) { // a stranger's words may be in it
			fmt.Fprintf(a.stderr, "%s: %s\n", cmd.CommandPath(), report.Clean(line))
		}
	}
	return code
}

// faithful remembers that something could not be written: nothing may be lost and the
// exit code be 0.
type faithful struct {
	io.Writer
	failed error
}

// Write keeps the first failure.
func (f *faithful) Write(data []byte) (int, error) {
	n, err := f.Writer.Write(data)
	f.failed = cmp.Or(f.failed, err)
	return n, err
}

// language is what the locale asks for.
func language(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := env(name); value != "" {
			if strings.HasPrefix(value, "fr") {
				return "fr"
			}
			return "en"
		}
	}
	return "en"
}

// terminal tells whether w is one, and how wide it is.
func terminal(w io.Writer) (width int, ok bool) {
	if out, wrapped := w.(*faithful); wrapped {
		w = out.Writer
	}
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, true
	}
	return width, true
}

// colors tells whether to colour what goes to w.
func (a *app) colors(w io.Writer) bool {
	_, ok := terminal(w)
	return ok && !a.noColor && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
}
