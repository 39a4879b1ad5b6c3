package submission

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What a folder may hold at most. Folders that the go command passes over are
// not looked into.
const (
	maxEntries = 2000
	maxBytes   = 16 << 20 // of sources
	maxBytesC  = 2 << 20  // in C, of which each byte can be a word, and a word takes 56
	maxDepth   = 32
)

// folder reads a student's folder, which may change while it is read and hold
// anything. Every file is opened by its own name in its opened folder and
// without following a link, so that nothing outside can be reached.
type folder struct {
	given   string // as the user wrote it
	root    int
	c       bool // linux_namespaces.c is there: C texts below it may be included
	files   Files
	notices []Finding
	entries int
	bytes   int64
}

func readFolder(dir string) (Files, []Finding, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, unusableDir(dir, err)
	}
	root := os.NewFile(uintptr(fd), dir)
	defer func() { _ = root.Close() }()
	f := &folder{given: dir, root: fd, files: Files{}}
	f.c = unix.Faccessat(fd, CFile, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
	if err := f.walk(root, ""); err != nil {
		return nil, nil, err
	}
	if f.entries == 0 {
		return nil, nil, &Unusable{Path: dir, FR: "le dossier est vide", EN: "the folder is empty"}
	}
	return f.files, f.notices, nil
}

// NoFolder says that there is none of this name.
func NoFolder(dir string) *Unusable {
	return &Unusable{Path: dir, FR: "ce dossier n'existe pas", EN: "no such folder"}
}

func unusableDir(dir string, err error) error {
	e := &Unusable{Path: dir, FR: "dossier illisible", EN: "unreadable folder", Err: err}
	switch {
	case errors.Is(err, unix.ENOENT):
		return NoFolder(dir)
	case errors.Is(err, unix.ENOTDIR) && isArchive(dir):
		e.FR, e.EN, e.Err = "une archive n'est pas un rendu : extrayez-la, et donnez le dossier", "an archive is no submission: unpack it, and give the folder", nil
	case errors.Is(err, unix.ENOTDIR):
		e.FR, e.EN, e.Err = "un dossier est attendu, ceci n'en est pas un : donnez celui qui le contient", "a folder is expected, and this is none: give the one that holds it", nil
	}
	return e
}

// isArchive goes by the name: what is in an archive is nobody's to unpack but its
// author's.
func isArchive(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{".zip", ".tar", ".tgz", ".tbz", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"}, func(ext string) bool {
		return strings.HasSuffix(name, ext)
	})
}

func (f *folder) walk(dir *os.File, rel string) error {
	if strings.Count(rel, "/") > maxDepth {
		return f.unusable("", "trop de dossiers imbriqués", "too many nested folders")
	}
	names, err := f.list(dir, rel)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := f.entry(dir, rel, name); err != nil {
			return err
		}
	}
	return nil
}

// list reads the names of a folder, no more than are allowed.
func (f *folder) list(dir *os.File, rel string) ([]string, error) {
	names, err := dir.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		if rel == "" { // it was opened, and has been removed: where one is, say
			return nil, unusableDir(f.given, err)
		}
		return nil, f.unreadable(rel, err)
	}
	if f.entries += len(names); f.entries > maxEntries {
		return nil, f.unusable(rel, fmt.Sprintf("plus de %d fichiers jusqu'ici : gardez ailleurs ce qui n'est pas source", maxEntries),
			fmt.Sprintf("more than %d files up to here: keep elsewhere what is no source", maxEntries))
	}
	slices.Sort(names)
	return names, nil
}

func (f *folder) entry(dir *os.File, rel, name string) error {
	rel = path.Join(rel, name)
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return f.unreadable(rel, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return f.subfolder(dir, rel, name)
	case unix.S_IFREG:
		return f.regular(rel, func() (*os.File, error) { return openIn(dir, name, unix.O_NONBLOCK) })
	case unix.S_IFLNK:
		return f.link(rel)
	}
	if f.isSource(rel) {
		return f.unusable(rel, "ni fichier, ni dossier (tube, socket ou périphérique)", "neither file nor folder (pipe, socket or device)")
	}
	f.ignored(rel, "ni fichier, ni dossier : ignoré", "neither file nor folder: ignored")
	return nil
}

// ignored tells of what is passed over and might be missed.
func (f *folder) ignored(rel, fr, en string) {
	if len(f.notices) < MaxFindings {
		f.notices = append(f.notices, Finding{Rule: "ignored", File: shown(rel), FR: fr, EN: en})
	}
}

// subfolder passes over what the go command passes over, and the root of a
// container, as debootstrap(8) makes it: it holds thousands of files, links to
// anywhere, devices, and folders that only root may read.
func (f *folder) subfolder(dir *os.File, rel, name string) error {
	if name == "vendor" {
		f.files[rel+"/"] = nil
		return nil
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" {
		return nil
	}
	if unseen(name) { // no import names it
		f.ignored(rel, "dossier ignoré : son nom contient un caractère invisible", "folder ignored: its name holds a character that cannot be seen")
		return nil
	}
	sub, err := openIn(dir, name, unix.O_DIRECTORY)
	if err != nil {
		return f.unreadable(rel, err)
	}
	defer func() { _ = sub.Close() }()
	if isRoot(sub) {
		f.ignored(rel, "racine d'un conteneur : ignorée", "a container's root: ignored")
		return nil
	}
	return f.walk(sub, rel)
}

// isRoot tells whether a folder looks like the root of a Linux system.
func isRoot(dir *os.File) bool {
	has := func(names ...string) (n int) {
		for _, name := range names {
			if unix.Faccessat(int(dir.Fd()), name, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil {
				n++
			}
		}
		return n
	}
	return has("bin", "usr") > 0 && has("dev", "etc", "proc", "sys") >= 2
}

// isSource tells whether the content of a file counts.
func (f *folder) isSource(rel string) bool {
	return strings.HasSuffix(rel, ".go") || path.Base(rel) == "go.mod" || isRootC(rel) || f.c && isCText(rel)
}

func (f *folder) regular(rel string, open func() (*os.File, error)) error {
	f.files[rel] = nil
	if !f.isSource(rel) {
		return nil
	}
	file, err := open()
	if err != nil {
		return f.unreadable(rel, err)
	}
	defer func() { _ = file.Close() }()
	most := int64(maxBytes)
	if f.c {
		most = maxBytesC
	}
	text, err := io.ReadAll(io.LimitReader(file, most-f.bytes+1))
	if err != nil {
		return f.unreadable(rel, err)
	}
	if f.bytes += int64(len(text)); f.bytes > most {
		return f.unusable(rel, fmt.Sprintf("plus de %d Mio de sources", most>>20), fmt.Sprintf("more than %d MiB of sources", most>>20))
	}
	f.files[rel] = text
	return nil
}

// link follows a link to a source that lies inside, as compilers do, and passes
// over any other; a source that lies outside is nobody's hand-in.
func (f *folder) link(rel string) error {
	to, err := f.openInside(rel, unix.O_PATH)
	regular := err == nil && isRegular(to)
	if err == nil {
		_ = to.Close()
	}
	switch {
	case regular && f.isSource(rel):
		return f.regular(rel, func() (*os.File, error) { return f.openInside(rel, unix.O_NONBLOCK) })
	case err == nil, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EACCES):
		f.ignored(rel, "lien symbolique ignoré", "symbolic link ignored")
	case f.isSource(rel):
		return f.unusable(rel, "lien symbolique qui sort du dossier", "symbolic link that leaves the folder")
	default:
		f.ignored(rel, "lien symbolique qui sort du dossier : ignoré", "symbolic link that leaves the folder: ignored")
	}
	return nil
}

// openInside opens what a path leads to, if no link on it leaves the folder.
func (f *folder) openInside(rel string, flags uint64) (*os.File, error) {
	fd, err := unix.Openat2(f.root, rel, &unix.OpenHow{
		Flags: flags | unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), rel)
	if flags&unix.O_PATH == 0 && !isRegular(file) {
		_ = file.Close()
		return nil, errChanged
	}
	return file, nil
}

func isRegular(file *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(file.Fd()), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

var errChanged = errors.New("changed while it was read")

func (f *folder) unusable(rel, fr, en string) error {
	if rel != "" {
		quoted := strconv.QuoteToASCII(rel)
		fr, en = quoted+" : "+fr, quoted+": "+en
	}
	return &Unusable{Path: f.given, FR: fr, EN: en}
}

func (f *folder) unreadable(rel string, err error) error {
	quoted := strconv.QuoteToASCII(rel)
	return &Unusable{Path: f.given, FR: quoted + " : illisible", EN: quoted + ": unreadable", Err: err}
}

// openIn opens an entry of an opened folder, and no link.
func openIn(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG && flags&unix.O_DIRECTORY == 0 {
		_ = unix.Close(fd)
		return nil, errors.Join(err, errChanged)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// isModule tells whether the module moulinette begins in this folder.
func isModule(dir string) bool {
	parent, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer func() { _ = parent.Close() }()
	file, err := openIn(parent, "go.mod", unix.O_NONBLOCK)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, 1<<16))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "module" {
			return strings.Trim(words[1], "\"`") == Module
		}
	}
	return false
}
