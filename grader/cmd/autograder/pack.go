package main

import (
	"archive/zip"
	"context"
	_ "embed" // of the scripts
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"moulinette/grader/sandbox/vm/image"
)

// What Gradescope runs: the one while the container is made, the other for each
// submission.
var (
	//go:embed setup.sh
	setup []byte
	//go:embed run_autograder
	runAutograder []byte
)

// pack writes the archive.
func pack(ctx context.Context, w io.Writer, o options) error {
	a := &archive{zip.NewWriter(w)}
	steps := []struct {
		name string
		do   func() error
	}{
		{"scripts", func() error { return a.scripts(o.arguments) }},
		{"programs", func() error { return a.programs(o.bin) }},
		{"example", func() error { return a.tree("example", o.example, isExample) }},
		{"kernel", func() error { return a.kernel(ctx, o) }},
		{"go", func() error { return a.toolchain(ctx) }},
		{"libraries", func() error { return a.libraries(ctx, o.libraries) }},
		{"archive", a.zip.Close},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// archive is a zip file being written. Its entries keep their permissions.
type archive struct{ zip *zip.Writer }

func (a *archive) add(name string, mode fs.FileMode, from io.Reader) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(mode)
	to, err := a.zip.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}

// file adds a file; which one a link leads to does not matter.
func (a *archive) file(name, path string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "pack", Path: path, Err: errors.New("no regular file")}
	}
	return a.add(name, info.Mode().Perm(), from)
}

// tree adds the files below a folder that want tells to, by their name in it.
func (a *archive) tree(name, dir string, want func(rel string, e fs.DirEntry) bool) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		switch {
		case err != nil:
			return err
		case !want(filepath.ToSlash(rel), e) && e.IsDir():
			return fs.SkipDir
		case !e.Type().IsRegular() || !want(filepath.ToSlash(rel), e):
			return nil
		}
		return a.file(path.Join(name, filepath.ToSlash(rel)), file)
	})
}

func (a *archive) scripts(arguments []string) error {
	var list strings.Builder
	for _, argument := range arguments {
		if strings.Contains(argument, "\n") {
			return fmt.Errorf("argument %q: of more than one line", argument)
		}
		fmt.Fprintln(&list, argument)
	}
	return errors.Join(
		a.add("setup.sh", 0o755, strings.NewReader(string(setup))),
		a.add("run_autograder", 0o755, strings.NewReader(string(runAutograder))),
		a.add("arguments", 0o644, strings.NewReader(list.String())))
}

func (a *archive) programs(bin string) error {
	for _, name := range []string{"moulinette", "moulinette-agent"} {
		if err := a.file("bin/"+name, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

// isExample leaves away what is in another language.
func isExample(rel string, _ fs.DirEntry) bool { return !strings.HasPrefix(rel, "c17") }

// kernel adds what virtual machines boot, as the cache keeps it.
func (a *archive) kernel(ctx context.Context, o options) error {
	cache := o.cache
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		cache = filepath.Join(base, "moulinette", "vm")
	}
	img, err := image.Build(ctx, image.Options{Cache: cache, Agent: filepath.Join(o.bin, "moulinette-agent")})
	if err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(img.Kernel), filepath.Dir(img.Initrd)} {
		rel, err := filepath.Rel(cache, dir)
		if err != nil {
			return err
		}
		if err := a.tree(path.Join("cache/moulinette/vm", filepath.ToSlash(rel)), dir, everything); err != nil {
			return err
		}
	}
	return nil
}

func everything(string, fs.DirEntry) bool { return true }
