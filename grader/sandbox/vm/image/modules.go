package image

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// needed are the drivers without which no guest is of use: the bus, the channel
// to the agent, and the network device of the exercises. welcome are those
// that scenarios may use besides, and that libraries for netlink open a socket of,
// asked or not; a kernel without them does.
var (
	needed  = []string{"virtio_pci", "virtio_console", "veth"}
	welcome = []string{"bridge", "overlay", "nfnetlink", "xfrm_user"}
)

const (
	maxModules = 64       // that one guest loads
	maxLoaded  = 64 << 20 // bytes of all that
	maxEntries = 100_000  // of a folder of modules
	maxModinfo = 1 << 20
)

var cureNoModules = text{
	"give --modules DIR, the folder lib/modules/RELEASE that belongs to it",
	"donnez --modules DOSSIER, le dossier lib/modules/VERSION qui va avec",
}

// damaged is why a module cannot be read.
func damaged(err error) text { return because(text{"damaged", "endommagé"}, err) }

// module is one that a guest loads.
type module struct {
	name string // virtio_console
	data []byte // unpacked
	sum  [sha256.Size]byte
}

func (m *module) file() string { return m.name + ".ko" }

// tree is a folder of modules, lib/modules/RELEASE.
type tree struct {
	dir     string
	files   map[string]string // by name
	builtIn map[string]bool
}

// readTree lists a folder of modules. Without the list of what is built in, it
// belongs to no kernel.
func readTree(dir string) (*tree, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{dir: dir, files: map[string]string{}, builtIn: map[string]bool{}}
	list, err := readFile(filepath.Join(dir, "modules.builtin"), maxModinfo)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Unusable{dir, text{
			"no folder of a kernel's modules: it lacks modules.builtin",
			"pas le dossier des modules d'un noyau : modules.builtin y manque",
		}, cureNoModules}
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		if name, ok := moduleName(strings.TrimSpace(line)); ok {
			t.builtIn[name] = true
		}
	}
	return t, t.list()
}

func (t *tree) list() error {
	entries := 0
	return filepath.WalkDir(t.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entries++; entries > maxEntries {
			return &Unusable{t.dir, text{"too many files", "trop de fichiers"}, cureNoModules}
		}
		if name, ok := moduleName(path); ok && e.Type().IsRegular() {
			t.files[name] = path
		}
		return nil
	})
}

// moduleName makes drivers/char/virtio-console.ko.xz virtio_console; the kernel
// knows no difference between the two dashes.
func moduleName(path string) (string, bool) {
	name, packing, ok := strings.Cut(filepath.Base(path), ".ko")
	if !ok || packing != "" && packing != ".gz" && packing != ".xz" && packing != ".zst" {
		return "", false
	}
	return canonical(name), true
}

func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// load answers the modules that a guest needs, each behind those it depends on.
func (t *tree) load(release string) ([]*module, error) {
	l := &loader{tree: t, release: release, seen: map[string]bool{}}
	for _, name := range needed {
		if err := l.add(name); err != nil {
			return nil, err
		}
	}
	for _, name := range welcome {
		if _, ok := t.files[name]; !ok {
			continue
		}
		if err := l.add(name); err != nil {
			return nil, err
		}
	}
	return l.order, nil
}

// loader walks through what modules depend on.
type loader struct {
	tree    *tree
	release string
	seen    map[string]bool
	order   []*module
	bytes   int
}

func (l *loader) add(name string) error {
	if l.seen[name] || l.tree.builtIn[name] {
		return nil
	}
	l.seen[name] = true
	path, ok := l.tree.files[name]
	if !ok {
		return &Unusable{
			l.tree.dir,
			text{"no module " + name + ", nor is it built in", "pas de module " + name + ", que le noyau n'a pas non plus en lui"},
			text{
				"install the modules of a kernel for virtual machines, or let apt fetch one: leave --kernel away",
				"installez les modules d'un noyau pour machines virtuelles, ou laissez apt en télécharger un : sans --kernel",
			},
		}
	}
	m, info, err := l.read(name, path)
	if err != nil {
		return err
	}
	for _, dependency := range info.depends {
		if err := l.add(dependency); err != nil {
			return fmt.Errorf("%s needs %s: %w", name, dependency, err)
		}
	}
	l.order = append(l.order, m)
	return nil
}

func (l *loader) read(name, path string) (*module, *modinfo, error) {
	data, err := readModule(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := readModinfo(data)
	if err != nil {
		return nil, nil, &Unusable{path, because(text{"no module", "pas un module"}, err), cureNoModules}
	}
	if info.release != l.release {
		return nil, nil, &Unusable{path, text{
			"a module for " + info.release + ", and the kernel is " + l.release,
			"un module pour " + info.release + ", et le noyau est " + l.release,
		}, cureNoModules}
	}
	l.bytes += len(data)
	if len(l.seen) > maxModules || l.bytes > maxLoaded {
		return nil, nil, &Unusable{path, text{"too many modules for a guest", "trop de modules pour une machine"}, cureNoModules}
	}
	return &module{name: name, data: data, sum: sha256.Sum256(data)}, info, nil
}

// readModule reads a module, unpacked.
func readModule(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var r io.Reader = file
	if !strings.HasSuffix(path, ".ko") {
		packed, err := unpack(file)
		if err != nil {
			return nil, &Unusable{path, damaged(err), cureNoModules}
		}
		defer packed.Close()
		r = packed
	}
	data, err := readAll(r, maxModule)
	if err != nil {
		return nil, &Unusable{path, damaged(err), cureNoModules}
	}
	return data, nil
}

// modinfo is what a module says of itself.
type modinfo struct {
	release string
	depends []string
}

// readModinfo reads a module's section .modinfo: k=v, each ended by a zero byte.
func readModinfo(data []byte) (*modinfo, error) {
	f, err := parseELF(data)
	if err != nil {
		return nil, err
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_REL {
		return nil, fmt.Errorf("ELF of %s, %s", f.Type, f.Machine)
	}
	section := f.Section(".modinfo")
	if section == nil || section.Type == elf.SHT_NOBITS || section.Flags&elf.SHF_COMPRESSED != 0 {
		return nil, errors.New("no section .modinfo")
	}
	if section.Size > maxModinfo {
		return nil, fmt.Errorf(".modinfo: %w", errTooBig)
	}
	text, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf(".modinfo: %w", err)
	}
	info := &modinfo{}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		info.set(string(entry))
	}
	if info.release == "" {
		return nil, errors.New(".modinfo: no vermagic")
	}
	return info, nil
}

func (m *modinfo) set(entry string) {
	key, value, _ := strings.Cut(entry, "=")
	switch key {
	case "vermagic":
		m.release, _, _ = strings.Cut(value, " ")
	case "depends":
		for name := range strings.SplitSeq(value, ",") {
			if name != "" {
				m.depends = append(m.depends, canonical(name))
			}
		}
	}
}
