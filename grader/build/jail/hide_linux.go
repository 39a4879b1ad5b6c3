package jail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// toolFolders hold what compilers are made of. Who works in one, or in what holds one,
// has it shown all the same.
var toolFolders = []string{
	"/usr/bin", "/usr/include", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local/include", "/usr/local/lib", "/usr/share",
}

// hidden are the folders to hide, by their own names.
func (p Plan) hidden() (dirs []string) {
	needed := append(slices.Clone(toolFolders), filepath.Dir(p.Args[0]))
	if real, err := filepath.EvalSymlinks(p.Args[0]); err == nil {
		needed = append(needed, filepath.Dir(real))
	}
	for _, dir := range p.Hide {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil && !slices.ContainsFunc(needed, func(tool string) bool { return below(tool, real) }) {
			dirs = append(dirs, real)
		}
	}
	return dirs
}

func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// cover puts an empty folder over each that is hidden and would be seen. What is shown
// of it besides is mounted into that.
func (p Plan) cover() error {
	for _, dir := range p.hidden() {
		if info, err := os.Stat("." + dir); err != nil || !info.IsDir() {
			continue
		}
		if err := unix.Mount("hidden", "."+dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755,size=1m"); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// around are dir, or, where a hidden folder lies in it, all that stands beside that:
// what a rule allows is allowed below it, too. Where a link leads has its own rule, or
// none.
func around(dir string, hidden []string) (paths []string) {
	switch {
	case slices.Contains(hidden, dir):
		return nil
	case !slices.ContainsFunc(hidden, func(h string) bool { return below(h, dir) }):
		return []string{dir}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // it cannot be read anyway
	}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 {
			paths = append(paths, around(filepath.Join(dir, e.Name()), hidden)...)
		}
	}
	return paths
}
