// Command autograder makes autograder.zip, which an instructor uploads to
// Gradescope: the moulinette, the Go toolchain and libraries that submissions are
// built with, and a kernel for virtual machines, so that the container needs
// nothing but packages of its own distribution.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "autograder:", err)
		os.Exit(1)
	}
}

// options say what goes into the archive.
type options struct {
	bin       string // folder with moulinette and moulinette-agent
	example   string // a submission, graded while the container is made
	libraries []string
	arguments []string // of moulinette gradescope
	cache     string   // where kernels are kept; empty: the user's
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("autograder", flag.ContinueOnError)
	var o options
	out := flags.String("o", "autograder.zip", "file to write")
	flags.StringVar(&o.bin, "bin", "bin", "folder with the built programs")
	flags.StringVar(&o.example, "example", "student", "submission to try the container with; students could read it")
	libraries := flags.String("libraries", "", "Go modules that submissions may import, separated by blanks")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.libraries, o.arguments = strings.Fields(*libraries), flags.Args()
	file, err := os.CreateTemp(filepath.Dir(*out), ".autograder-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := pack(ctx, file, o); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), *out)
}
