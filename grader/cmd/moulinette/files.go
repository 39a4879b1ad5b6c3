package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxInput is the size, in bytes, of the largest file that is read at a user's word.
const maxInput = 16 << 20

// readSmall reads a file, or a pipe as bash's <(…) is one, that is not absurdly large:
// a device without an end must not take the memory of everybody on the machine. A
// named pipe that nobody writes to is empty and nothing to wait for.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", orEmpty(path), bare(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, bare(err))
	}
	if len(data) > maxInput {
		return nil, fmt.Errorf("%s: more than %d MiB, and no such file as is expected here", path, maxInput>>20)
	}
	return data, nil
}

// bare is the cause alone, where the path was or will be named.
func bare(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// checkReports refuses a --report that could not be written, before anything is done.
func checkReports(reports, formats []string) error {
	taken := map[string]string{}
	for _, r := range reports {
		format, file, ok := strings.Cut(r, "=")
		if !ok || file == "" {
			return usage("--report %s: write it as FORMAT=FILE", r)
		}
		if !slices.Contains(formats, format) {
			return usage("--report %s: the formats are %s", r, strings.Join(formats, ", "))
		}
		if err := checkTarget(file); err != nil {
			return usage("--report %s: %w", r, err)
		}
		where := realPath(file)
		if other, twice := taken[where]; twice && !isWrittenTo(file) {
			return usage("--report %s: --report %s goes to the same file", r, other)
		}
		taken[where] = r
	}
	return nil
}

// realPath is the one name of a file that may have several; it need not be there.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		return filepath.Join(dir, filepath.Base(abs))
	}
	return abs
}

// checkTarget tells why no file can come to path.
func checkTarget(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("this is a folder, and a file is expected")
	}
	if isWrittenTo(path) { // its folder may be anybody's
		return nil
	}
	return checkFolder(filepath.Dir(path))
}

// checkFolder tells why dir cannot be a folder that we write in: that, or the first
// one above it that there is, is something else or not for us.
func checkFolder(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return &fs.PathError{Op: "write below", Path: dir, Err: syscall.ENOTDIR}
		case err == nil:
			if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
				return &fs.PathError{Op: "write in", Path: dir, Err: err}
			}
			return nil
		case filepath.Dir(dir) == dir:
			return nil
		}
	}
}

// writeReports writes a report to each FORMAT=FILE. One that cannot be written does
// not keep the others from it.
func writeReports(reports []string, write func(out *bytes.Buffer, format string) error) error {
	var errs []error
	for _, r := range reports {
		format, file, _ := strings.Cut(r, "=")
		var out bytes.Buffer
		err := write(&out, format)
		if err == nil {
			err = writeFile(file, out.Bytes())
		}
		if err != nil {
			errs = append(errs, fault("--report %s: %w", r, err))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &failure{exitHarness, errors.Join(errs...)}
}

// writeFile writes a whole file or none: whoever watches it never sees a part. What
// is there and no ordinary file (a device, a pipe, /dev/stdout) is written to and
// never replaced.
func writeFile(path string, data []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil && !isStream(path) {
		path = real // the link stays
	}
	if isWrittenTo(path) {
		return writeStream(path, data)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".moulinette-*")
	if err != nil {
		return fmt.Errorf("write in %s: %w", dir, bare(err))
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// isWrittenTo tells whether path is there, and nothing that a file could replace.
func isWrittenTo(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (isStream(path) || !info.Mode().IsRegular())
}

// streams are the standard ones by their names.
var streams = map[string]*os.File{"/dev/stdout": os.Stdout, "/dev/fd/1": os.Stdout, "/dev/stderr": os.Stderr, "/dev/fd/2": os.Stderr}

// isStream tells whether path names what somebody has open: /dev/stdout may well be
// an ordinary file.
func isStream(path string) bool {
	abs, err := filepath.Abs(path)
	return err == nil && (streams[abs] != nil || strings.HasPrefix(abs, "/dev/fd/") || strings.HasPrefix(abs, "/proc/"))
}

// writeStream writes to what is there. A named pipe that nobody reads is an error and
// nothing to wait for; the standard streams may be files, and are where they are in them.
func writeStream(path string, data []byte) error {
	if own := streams[path]; own != nil {
		_, err := own.Write(data)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
