package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"moulinette/grader/report"
	"moulinette/grader/submission"
)

// signKey reads the key that reports are to be signed with; none if no file is
// named. A key for reports that nobody asked for is a mistake.
func signKey(file string, o outputs) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	isJSON := func(r string) bool { return strings.HasPrefix(r, "json=") }
	if o.format != "json" && !slices.ContainsFunc(o.reports, isJSON) {
		return nil, usage("--sign-key: only JSON reports are signed; add --report json=FILE")
	}
	return readKey(file)
}

// readKey reads a secret; white space around it is not part of it.
func readKey(file string) ([]byte, error) {
	text, err := readSmall(file)
	if err != nil {
		return nil, usage("--sign-key %w", err)
	}
	key := bytes.TrimSpace(text)
	if len(key) < report.MinKey {
		return nil, usage("--sign-key %s: %d bytes; a key has at least %d (openssl rand -hex 32 makes one)", file, len(key), report.MinKey)
	}
	return key, nil
}

func (a *app) verifyReportCommand() *cobra.Command {
	var key, dir string
	cmd := &cobra.Command{
		Use:   "verify-report FILE",
		Short: "Tell whether a signed report is as the grader wrote it",
		Long: `verify-report takes a JSON report that grade --sign-key has written. Exit code 0: it
was signed with this key and nothing in it was changed (nor is the submission another
one); 1: it is not to be believed; 2: unusable flags or files.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.verifyReport(args[0], key, dir) },
	}
	cmd.Flags().StringVar(&key, "sign-key", "", "file with the secret that the report was signed with")
	cmd.Flags().StringVar(&dir, "submission", "", "also tell whether this folder is what was graded")
	_ = cmd.MarkFlagRequired("sign-key")
	return cmd
}

func (a *app) verifyReport(file, keyFile, dir string) error {
	key, err := readKey(keyFile)
	if err != nil {
		return err
	}
	text, err := readSmall(file)
	if err != nil {
		return usage("%w", err)
	}
	doc, err := report.Verify(text, key)
	if err != nil {
		return a.disbelieve(file, err)
	}
	if dir != "" {
		if err := a.sameSubmission(doc, dir); err != nil {
			return err
		}
	}
	words := "%s: genuine: %s, %d of %d points, submission %s\n"
	if a.lang == "fr" {
		words = "%s : authentique : %s, %d points sur %d, rendu %s\n"
	}
	_, err = fmt.Fprintf(a.stdout, words, file, doc.Exercise, doc.Score, doc.MaxScore, doc.Content)
	if err != nil {
		return fault("stdout: %w", err)
	}
	return nil
}

// disbelieve says why a report is refused.
func (a *app) disbelieve(file string, err error) error {
	var no *report.Refusal
	if !errors.As(err, &no) {
		return usage("%s: %w", file, err)
	}
	return &failure{exitFail, fmt.Errorf("%s: %s", file, no.In(a.lang))}
}

// sameSubmission refuses a folder that would not be built to what was graded.
func (a *app) sameSubmission(doc *report.Document, dir string) error {
	s, err := submission.Open(dir)
	if s == nil {
		return a.unusable(dir, err)
	}
	if s.Hash() == doc.Content {
		return nil
	}
	if a.lang == "fr" {
		return &failure{exitFail, fmt.Errorf("%s : ce n'est pas le rendu qui a été corrigé", dir)}
	}
	return &failure{exitFail, fmt.Errorf("%s: this is not the submission that was graded", dir)}
}
