// Package image makes what a guest boots: a kernel, and a first file system with
// the agent as /init and the modules that the guest loads. It looks for a kernel
// where it may, takes out of it what is needed, and keeps the result by content.
//
// It knows nothing of QEMU, nor of what the agent does in the guest. A kernel and
// its modules are files like any other: they may be truncated or hostile.
package image

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"moulinette/grader/lack"
)

// Options say where to look for a kernel.
type Options struct {
	// Kernel is a bzImage or a vmlinux; empty: our cache, this machine's own
	// kernels, then the distribution's, through apt.
	Kernel string
	// SHA256 is what Kernel has to be, in hexadecimal; empty: anything.
	SHA256 string
	// Modules is the folder with Kernel's modules, as lib/modules/RELEASE; empty:
	// looked for beside the kernel and on this machine.
	Modules string
	// Cache is our folder, made if missing.
	Cache string
	// Agent is the static program that becomes /init.
	Agent string
}

// Image is what a guest boots.
type Image struct {
	// Kernel is an ELF file with a PVH entry, which boots faster, where one could
	// be extracted; else a bzImage.
	Kernel string
	// Initrd is a cpio archive: /init, /dev/console, and modules below /modules,
	// with the order to load them in /modules/order, a file name a line.
	Initrd string
	// Release is the kernel's, as uname -r says it.
	Release string
	// Origin says where the kernel came from.
	Origin string
	// Key is a hash of all that the guest boots.
	Key string
}

// Unusable is a file that no guest can boot from, with the cure.
type Unusable struct {
	Path        string
	cause, cure text
}

// text is what a user reads.
type text struct{ en, fr string }

// Error reads `path: cause; cure`.
func (u *Unusable) Error() string { return u.Unwrap().Error() }

// Unwrap gives the same, in French, too.
func (u *Unusable) Unwrap() error {
	return &lack.Error{
		EN: u.Path + ": " + u.cause.en + "; " + u.cure.en,
		FR: u.Path + " : " + u.cause.fr + " ; " + u.cure.fr,
	}
}

// because is a text that ends with an error's own.
func because(t text, err error) text {
	return text{t.en + ": " + err.Error(), t.fr + " : " + lack.In("fr", err)}
}

// Build answers the image that o asks for. What it made once it finds again;
// several graders may build at once.
func Build(ctx context.Context, o Options) (*Image, error) {
	agent, err := readAgent(o.Agent)
	if err != nil {
		return nil, err
	}
	cache, err := openStore(o.Cache)
	if err != nil {
		return nil, err
	}
	k, err := find(ctx, o, cache)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	return cache.image(k, agent)
}

// maxProgram is more than a program for a guest ever weighs.
const maxProgram = 64 << 20

// readAgent reads the program that becomes /init.
func readAgent(path string) ([]byte, error) {
	data, err := readStatic(path, text{"`make build` makes one", "`make build` en fait un"})
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return data, nil
}

// readStatic reads a program for a guest, where there are no libraries.
func readStatic(path string, cure text) ([]byte, error) {
	data, err := readFile(path, maxProgram)
	if err != nil {
		return nil, err
	}
	f, err := parseELF(data)
	switch {
	case err != nil:
		return nil, &Unusable{path, because(text{"no executable", "pas un exécutable"}, err), cure}
	case f.Machine != elf.EM_X86_64:
		return nil, &Unusable{path, text{
			"a program for " + f.Machine.String() + ", and guests are x86-64",
			"un programme pour " + f.Machine.String() + ", et les machines sont x86-64",
		}, cure}
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, &Unusable{path, text{
				"linked dynamically, and a guest has no libraries",
				"lié dynamiquement, et une machine n'a pas de bibliothèques",
			}, cure}
		}
	}
	return data, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: errors.New("no regular file")}
	}
	data, err := readAll(file, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return data, nil
}
