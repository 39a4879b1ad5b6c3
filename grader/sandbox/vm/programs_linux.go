package vm

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"

	"moulinette/grader/sandbox/vm/guest"
)

// A box on a host shows the host's /usr read-only. A guest has no distribution:
// it is given the few programs of this host that scenarios, and the commands of
// containers, can be expected to run, and the libraries that they need.
var programNames = []string{
	"sh", "true", "false", "cat", "echo", "env", "ls", "id", "hostname", "sleep", "uname", "ps",
	"mount", "umount", "readlink", "mkdir", "touch", "rm", "ip", "unshare", "nsenter",
}

var (
	programDirs = []string{"/bin", "/usr/bin", "/sbin", "/usr/sbin"}
	libraryDirs = []string{
		"/lib64", "/usr/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib",
	}
	// mergedDirs are links on most systems, and then are in the guest.
	mergedDirs = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"}
)

// program is a file for the guest, and where it is here.
type program struct {
	guest.File
	from string
}

// findPrograms lists what this host has of the programs, links first.
func findPrograms() []program {
	var list []program
	for _, dir := range mergedDirs {
		if link, err := os.Readlink("/" + dir); err == nil {
			list = append(list, program{File: guest.File{Path: "/" + dir, Link: link}})
		}
	}
	seen := map[string]bool{}
	add := func(p program) {
		if !seen[p.Path] {
			seen[p.Path] = true
			list = append(list, p)
		}
	}
	for _, name := range programNames {
		if p, ok := find(name, programDirs); ok {
			add(p)
			for _, link := range otherNames(name, p) {
				add(link)
			}
			for _, lib := range librariesOf(p.from) {
				add(lib)
			}
		}
	}
	return list
}

// find looks for a file in folders. In the guest it goes where it was found, with
// links to folders resolved, so that it has one path only.
func find(name string, dirs []string) (program, bool) {
	for _, dir := range dirs {
		from := filepath.Join(dir, name)
		info, err := os.Stat(from)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			continue
		}
		return program{File: guest.File{Path: filepath.Join(dir, name)}, from: from}, true
	}
	return program{}, false
}

// otherNames are links for the other folders in which this host has the same program:
// some have it in bin, and its name in sbin.
func otherNames(name string, p program) (links []program) {
	own, err := os.Stat(p.from)
	if err != nil {
		return nil
	}
	for _, dir := range programDirs {
		other, ok := find(name, []string{dir})
		if !ok || other.Path == p.Path {
			continue
		}
		if info, err := os.Stat(other.from); err == nil && os.SameFile(own, info) {
			links = append(links, program{File: guest.File{Path: other.Path, Link: p.Path}})
		}
	}
	return links
}

// librariesOf lists the interpreter and the libraries, and theirs, that the
// program at path is linked with, as far as they are where libraries are. The
// program may be a submission's: it is read, not run, and names no other place.
func librariesOf(path string) []program {
	var list []program
	seen := map[string]bool{}
	for queue := []string{path}; len(queue) > 0; queue = queue[1:] {
		for _, name := range linkedWith(queue[0]) {
			if seen[name] {
				continue
			}
			seen[name] = true
			if lib, ok := find(name, libraryDirs); ok {
				list = append(list, lib)
				queue = append(queue, lib.from)
			}
		}
	}
	return list
}

// linkedWith names what an ELF file asks for.
func linkedWith(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil // a script, or no program at all
	}
	defer f.Close()
	var names []string
	if libs, err := f.ImportedLibraries(); err == nil {
		names = libs
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			text := make([]byte, p.Filesz)
			if _, err := p.ReadAt(text, 0); err == nil {
				names = append(names, strings.TrimRight(string(text), "\x00"))
			}
		}
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}
